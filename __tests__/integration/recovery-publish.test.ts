/**
 * Covers confirmed publishes over connections that break: all resolve, none is lost, what was confirmed is not sent
 * again; and what limits, timeouts, signals and `retry: false` mean while there is no connection.
 */
import { describe, expect, test } from '@jest/globals'
import { type Client, ConnectionBrokenError, ResourceError, TimeoutError } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getTexts, newQueue, open, uniqueName } from '../support/broker/client.js'
import { Chaos } from '../support/faults/chaos.js'
import { type Cut, TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually, namesOf, tally } from '../support/outcome.js'

const MINUTE = 60_000
const MESSAGES = 6000
const IN_FLIGHT = 250
/** On the way there and on the way back: so there is always something under way in both directions. */
const DELAY = 8
const LEAST_CUTS = 10
/** Milliseconds that a connection lives: enough to get some through. */
const LIFE = 120
const RECOVERY = { initialDelay: 20, maxDelay: 100 }

/** A client whose connection can be broken, and a queue. */
async function weak(options = {}, delay = 0) {
  const proxy = await TcpProxy.start(brokerUrl(), { delay })
  const client = await open({ recovery: RECOVERY, ...options }, proxy.url)
  const queue = await newQueue(client)
  return { proxy, client, queue, connection: await proxy.next() }
}

/** A client whose connection holds. */
const steady = (): Promise<Client> => open()

const once = (client: Client, event: 'disconnect' | 'recovered'): Promise<void> =>
  new Promise(resolve => client.once(event, () => resolve()))

interface Published {
  readonly outcomes: Record<string, number>
  /** The messages that were asked for and confirmed between two faults. */
  readonly undisturbed: ReadonlySet<string>
}

/** Publishes numbered messages, many in flight; `before` hears of the number of each. */
async function publishAll(
  client: Client,
  queue: string,
  faults: () => number,
  before: (index: number) => void | Promise<void>,
): Promise<Published> {
  const undisturbed = new Set<string>()
  const names: string[] = []
  const window: Promise<void>[] = []
  const publish = async (text: string): Promise<void> => {
    const sofar = faults()
    const [name = ''] = await namesOf([client.basicPublish('', queue, text)])
    names.push(name)
    if (faults() === sofar) undisturbed.add(text)
  }
  for (let index = 0; index < MESSAGES; index++) {
    await before(index)
    if (window.length >= IN_FLIGHT) await window.shift()
    window.push(publish(String(index)))
  }
  await Promise.all(window)
  return { outcomes: tally(names), undisturbed }
}

/** Reads the queue: every message is there, and more than once only where its confirm may have been lost. */
async function expectAll(queue: string, { outcomes, undisturbed }: Published, what: string): Promise<void> {
  expect(outcomes).toEqual({ ok: MESSAGES })
  const counts = tally(await getTexts(await steady(), queue))
  expect(Object.keys(counts)).toHaveLength(MESSAGES)
  const twice = Object.keys(counts).filter(text => counts[text] !== 1)
  expect(twice.filter(text => undisturbed.has(text))).toEqual([])
  const read = Object.values(counts).reduce((sum, count) => sum + count, 0)
  console.log(`${MESSAGES} publishes, ${what}: ${read - MESSAGES} duplicates`)
}

describe('thousands of confirmed publishes all resolve, and none is lost,', () => {
  test.each<Cut>(['reset', 'end'])(
    'with a connection that is cut again and again by %s',
    async how => {
      const { proxy, client, queue } = await weak({}, DELAY)
      const chaos = new Chaos(client, proxy, how, LIFE)
      // Where publishing is too fast for the cuts, it waits for them.
      const published = await publishAll(
        client,
        queue,
        () => chaos.cuts,
        index => chaos.until(Math.floor(((LEAST_CUTS + 1) * index) / MESSAGES)),
      )
      chaos.stop()
      const { reconnects, resent } = client.metrics()
      expect(reconnects).toBeGreaterThanOrEqual(LEAST_CUTS)
      await client.close()
      await expectAll(queue, published, `${chaos.cuts} cuts (${how}), ${resent} sent again`)
    },
    2 * MINUTE,
  )

  test(
    'with a connection that goes dead: the heartbeat notices within five seconds, publishing or not',
    async () => {
      const { proxy, client, queue } = await weak({ heartbeat: 1 }, DELAY)
      const idle = await open({ recovery: RECOVERY, heartbeat: 1 }, proxy.url)
      const noticed: number[] = []
      const idleNoticed = new Promise(resolve => idle.once('disconnect', resolve))
      let stalls = 0
      const stall = (): void => {
        stalls++
        const start = performance.now()
        client.once('disconnect', () => noticed.push(performance.now() - start))
        if (stalls === 1) idle.once('disconnect', () => noticed.push(performance.now() - start))
        // Dead in both directions, then in the one that confirms come by.
        if (stalls === 1) proxy.stall()
        else proxy.stall('down')
      }
      const published = await publishAll(
        client,
        queue,
        () => stalls + client.metrics().reconnects,
        index => {
          if (index === MESSAGES / 4 || index === MESSAGES / 2) stall()
        },
      )
      await idleNoticed
      expect(noticed).toHaveLength(3)
      for (const milliseconds of noticed) expect(milliseconds).toBeLessThan(5000)
      await client.close()
      await expectAll(queue, published, `noticed after ${noticed.map(Math.round).join(', ')} ms`)
    },
    2 * MINUTE,
  )
})

describe('a publish', () => {
  test('that was confirmed is never sent again', async () => {
    const { proxy, client, queue } = await weak()
    const texts = Array.from({ length: 500 }, (_, index) => String(index))
    await Promise.all(texts.map(text => client.basicPublish('', queue, text)))
    const recovered = once(client, 'recovered')
    proxy.cut('reset')
    await recovered
    await client.basicPublish('', queue, 'last')
    expect(await getTexts(await steady(), queue)).toEqual([...texts, 'last'])
    expect(client.metrics()).toMatchObject({ published: 501, confirmed: 501, resent: 0, reconnects: 1 })
  })

  test('that was on its way is sent again, in order; with retry: false it rejects instead', async () => {
    const { client, queue, proxy } = await weak()
    await client.basicPublish('', queue, 'first')
    const connection = await proxy.next()
    // The broker gets them, but its confirms do not come.
    connection.stall('down')
    const sent = connection.passed('up')
    const again = ['a', 'b', 'c'].map(text => client.basicPublish('', queue, text))
    const only = errorOf(client.basicPublish('', queue, 'only', { retry: false }))
    const watcher = await steady()
    await eventually(async () => (await watcher.queueDeclare(queue, { passive: true })).messageCount === 5)
    expect(connection.passed('up')).toBeGreaterThan(sent)
    connection.cut('reset')
    expect(await only).toBeInstanceOf(ConnectionBrokenError)
    await Promise.all(again)
    expect(await getTexts(watcher, queue)).toEqual(['first', 'a', 'b', 'c', 'only', 'a', 'b', 'c'])
    expect(client.metrics()).toMatchObject({ resent: 3, pendingPublishes: 0 })
  })

  test('is sent once, by a connection to come, where it is asked for with retry: false while there is none', async () => {
    const { proxy, client, queue } = await weak()
    proxy.refusing = true
    const lost = once(client, 'disconnect')
    proxy.cut('reset')
    await lost
    const waiting = client.basicPublish('', queue, 'waited', { retry: false })
    proxy.refusing = false
    await waiting
    expect(await getTexts(await steady(), queue)).toEqual(['waited'])
  })
})

describe('while there is no connection', () => {
  async function offline(options = {}) {
    const weakened = await weak(options)
    const { proxy, client } = weakened
    proxy.refusing = true
    const lost = once(client, 'disconnect')
    proxy.cut('reset')
    await lost
    return weakened
  }

  test('publishes wait, up to the limit on their number; further ones fail with ResourceError', async () => {
    const { proxy, client, queue } = await offline({ maxPendingPublishes: 100 })
    const waiting = Array.from({ length: 100 }, (_, index) => client.basicPublish('', queue, String(index)))
    const further = await errorOf(client.basicPublish('', queue, 'too many'))
    expect(further).toBeInstanceOf(ResourceError)
    expect(further.message).toContain('maxPendingPublishes')
    proxy.refusing = false
    await Promise.all(waiting)
    expect(await getTexts(await steady(), queue)).toEqual(waiting.map((_, index) => String(index)))
    await client.basicPublish('', queue, 'room again')
  })

  test('publishes wait, up to the limit on their bytes', async () => {
    const { proxy, client, queue } = await offline({ maxPendingPublishBytes: 100_000 })
    const waiting: Promise<void>[] = []
    while (client.metrics().pendingPublishBytes < 100_000) {
      waiting.push(client.basicPublish('', queue, Buffer.alloc(10_000)))
    }
    expect(waiting).toHaveLength(10)
    const further = await errorOf(client.basicPublish('', queue, ''))
    expect(further).toBeInstanceOf(ResourceError)
    expect(further.message).toContain('maxPendingPublishBytes')
    proxy.refusing = false
    expect(await namesOf(waiting)).toEqual(waiting.map(() => 'ok'))
  })

  test('timeout and signal of a publish hold, and what they end is not sent later', async () => {
    const { proxy, client, queue } = await offline()
    const abort = new AbortController()
    const waiting = [
      errorOf(client.basicPublish('', queue, 'timed out', { timeout: 100 })),
      errorOf(client.basicPublish('', queue, 'aborted', { signal: abort.signal })),
    ]
    const kept = client.basicPublish('', queue, 'kept', { timeout: MINUTE })
    abort.abort(new RangeError('enough'))
    const [timedOut, aborted] = await Promise.all(waiting)
    expect(timedOut).toBeInstanceOf(TimeoutError)
    expect(aborted).toBeInstanceOf(RangeError)
    proxy.refusing = false
    await kept
    expect(await getTexts(await steady(), queue)).toEqual(['kept'])
  })

  test('publishes fail at once with whileOffline: fail', async () => {
    const { proxy, client, queue } = await offline({ whileOffline: 'fail' })
    expect(await errorOf(client.basicPublish('', queue, 'x'))).toBeInstanceOf(ConnectionBrokenError)
    expect(await errorOf(client.queueDeclare(uniqueName()))).toBeInstanceOf(ConnectionBrokenError)
    const recovered = once(client, 'recovered')
    proxy.refusing = false
    await recovered
    await client.basicPublish('', queue, 'y')
    expect(await getTexts(await steady(), queue)).toEqual(['y'])
  })
})
