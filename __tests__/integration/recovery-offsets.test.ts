/** Covers connections that break at every single byte: of the handshake, and of a publish and its confirm. */
import { describe, expect, test } from '@jest/globals'
import { Client, ConnectionBrokenError } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getTexts, newClient, newQueue, open } from '../support/broker/client.js'
import { type Cut, type Direction, TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

const MINUTE = 60_000
/** So many connections are tried at once. */
const LANES = 8
const BROKEN_ONCE = { recovery: { initialDelay: 0 }, retryInitial: true, heartbeat: 0 }

/** How many bytes of a connection have passed. */
type Passed = Record<Direction, number>

/** Tries these offsets, several at once; both manners of cutting in turn. */
async function atEach(
  offsets: readonly number[],
  attempt: (proxy: TcpProxy, bytes: number, how: Cut) => Promise<void>,
): Promise<void> {
  const rest = offsets.values()
  const lane = async (): Promise<void> => {
    const proxy = await TcpProxy.start(brokerUrl())
    for (const bytes of rest) {
      await attempt(proxy, bytes, bytes % 2 === 0 ? 'reset' : 'end')
    }
    await eventually(() => proxy.connections.length === 0)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** All whole numbers below `end`, or each `step`th of them. */
const below = (end: number, step = 1): number[] =>
  Array.from({ length: Math.ceil(end / step) }, (_, index) => step * index)

/** How many bytes a handshake takes, and a first publish behind it, which has a connection of its own. */
async function measure(queue: string): Promise<{ handshake: Passed; publish: Passed }> {
  const proxy = await TcpProxy.start(brokerUrl())
  const passed = async (): Promise<Passed> => {
    const connection = await proxy.next()
    return { up: connection.passed('up'), down: connection.passed('down') }
  }
  const client = await open(BROKEN_ONCE, proxy.url)
  const handshake = await passed()
  await client.basicPublish('', queue, 'measured')
  const publish = await passed()
  await client.close()
  return { handshake, publish }
}

describe.each<Direction>(['up', 'down'])('a handshake that is cut at any byte on its way %s', direction => {
  test(
    'fails connect() with an error that says so, and leaves nothing open',
    async () => {
      const { handshake } = await measure('amq.rabbitmq.reply-to')
      const names = new Set<string>()
      await atEach(below(handshake[direction]), async (proxy, bytes, how) => {
        proxy.options = { cutAfter: { direction, bytes, how } }
        const client = newClient({ heartbeat: 0 }, proxy.url)
        names.add((await errorOf(client.connect())).name)
        expect(client.state).toEqual({ name: 'idle' })
        await client.close()
      })
      expect([...names]).toEqual([ConnectionBrokenError.name])
    },
    2 * MINUTE,
  )

  test(
    'is made anew with retryInitial',
    async () => {
      const { handshake } = await measure('amq.rabbitmq.reply-to')
      await atEach(below(handshake[direction]), async (proxy, bytes, how) => {
        const client = new Client(proxy.url, BROKEN_ONCE)
        proxy.nextOptions = { cutAfter: { direction, bytes, how } }
        await client.connect()
        expect(client.isOpen).toBe(true)
        await client.close()
      })
    },
    2 * MINUTE,
  )
})

describe.each<Direction>(['up', 'down'])('a publish that is cut at any byte on its way %s', direction => {
  test(
    'resolves, and the message is in the queue',
    async () => {
      const watcher = await open()
      const queue = await newQueue(watcher)
      const { handshake, publish } = await measure(queue)
      const sent = new Set(['measured'])
      // The handshake has its own tests.
      const during = below(handshake[direction], 16)
      const behind = below(publish[direction]).slice(handshake[direction] + 1)
      await atEach([...during, ...behind], async (proxy, bytes, how) => {
        const client = await open(BROKEN_ONCE, proxy.url)
        const text = String(bytes).padStart('measured'.length)
        // The connection for publishing is made now.
        proxy.nextOptions = { cutAfter: { direction, bytes, how } }
        await client.basicPublish('', queue, text)
        // Where the connection for publishing does not come about, the other one serves.
        expect(client.metrics().reconnects).toBe(bytes < handshake[direction] ? 0 : 1)
        sent.add(text)
        await client.close()
      })
      expect(sent.size).toBe(during.length + behind.length + 1)
      const texts = await getTexts(watcher, queue)
      expect(new Set(texts)).toEqual(sent)
      console.log(
        `${sent.size} publishes, each cut on its way ${direction}: ${texts.length - sent.size} twice`,
      )
    },
    2 * MINUTE,
  )
})
