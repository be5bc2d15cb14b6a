/** Covers publishMany against the broker: many rows, failures in their middle, an abort, and connections that break. */
import { createReadStream, type ReadStream, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  ConnectionClosedError,
  NoRouteError,
  NotFoundError,
  PublishManyError,
  type PublishManyMessage,
} from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { untilReady } from '../support/broker/consuming.js'
import { Chaos } from '../support/faults/chaos.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

const REASON = new Error('changed my mind')
const ROWS = 50_000

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`)

function to(queue: string, body: string): PublishManyMessage {
  return { exchange: '', routingKey: queue, body }
}

/** Numbered messages, and what became of the generator. */
function* rows(queue: string, count: number, seen = { taken: 0, cleanedUp: false }) {
  try {
    for (; seen.taken < count; ) yield to(queue, `${seen.taken++}`)
  } finally {
    seen.cleanedUp = true
  }
}

describe('publishMany', () => {
  let folder: string
  let path: string
  let stream: ReadStream | undefined

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'puka-many-'))
    path = join(folder, 'rows.txt')
    writeFileSync(path, numbers(ROWS).join('\n'))
  })

  afterAll(() => rm(folder, { recursive: true }))

  /** Reads the file line by line, and closes it in the end. */
  async function* lines(queue: string, exchangeOf: (line: string) => string = () => '') {
    stream = createReadStream(path)
    const reader = createInterface({ input: stream })
    try {
      for await (const line of reader) yield { ...to(queue, line), exchange: exchangeOf(line) }
    } finally {
      reader.close()
      stream.destroy()
    }
  }

  test(`publishes ${ROWS} rows of a file in order, no more of them in flight than its window`, async () => {
    const client = await open()
    const queue = await newQueue(client)
    let most = 0
    const watched = async function* () {
      for await (const message of lines(queue)) {
        most = Math.max(most, client.metrics().pendingPublishes)
        yield message
      }
    }
    expect(await client.publishMany(watched(), { window: 500 })).toEqual({ published: ROWS, failed: 0 })
    expect(most).toBeLessThan(500)
    expect(await getTexts(client, queue)).toEqual(numbers(ROWS))
  }, 60_000)

  test(`publishes ${ROWS} rows of a generator`, async () => {
    const client = await open()
    const queue = await newQueue(client)
    const seen = { taken: 0, cleanedUp: false }
    const { signal } = new AbortController()
    expect(await client.publishMany(rows(queue, ROWS, seen), { signal })).toEqual({
      published: ROWS,
      failed: 0,
    })
    expect(seen).toEqual({ taken: ROWS, cleanedUp: true })
    expect(client.metrics()).toMatchObject({ pendingPublishes: 0, confirmed: ROWS })
    expect(await getTexts(client, queue)).toEqual(numbers(ROWS))
  }, 60_000)

  test('ends with the first message that fails, says which one it was, and closes the file', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const missing = uniqueName()
    const messages = lines(queue, line => (line === '700' ? missing : ''))
    const error = await errorOf<PublishManyError>(client.publishMany(messages, { window: 100 }))
    expect(error).toBeInstanceOf(PublishManyError)
    expect(error.cause).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({
      code: 'PUBLISH_MANY',
      replyCode: 404,
      operation: 'publishMany',
      index: 700,
      failed: 1,
      failedMessage: { exchange: missing, routingKey: queue, body: '700' },
    })
    expect(error.message).toContain('message 700 failed: basicPublish: NOT_FOUND')
    expect(stream?.destroyed).toBe(true)
    // All others that were taken are published, and nothing else.
    expect(error.published).toBeLessThan(700 + 100)
    const expected = numbers(error.published + 1).filter(text => text !== '700')
    expect(await getTexts(client, queue)).toEqual(expected)
    expect(client.metrics().pendingPublishes).toBe(0)
  })

  test('goes on behind messages that fail, in order, where onError takes them', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const unbound = await newExchange(client)
    const missing = uniqueName()
    const messages = function* () {
      for (const message of rows(queue, 3000)) {
        const number = Number(message.body)
        if (number % 1000 === 500) yield { ...message, exchange: missing }
        else if (number % 1000 === 600) yield { ...message, exchange: unbound, mandatory: true }
        else if (number % 1000 === 700) yield { ...message, priority: -1 }
        else yield message
      }
    }
    const failures: [string, number][] = []
    const onError = (error: unknown, { body }: PublishManyMessage, index: number): void => {
      expect(body).toBe(`${index}`)
      failures.push([(error as Error).name, index])
    }
    const result = await client.publishMany(messages(), { window: 50, onError })
    expect(result).toEqual({ published: 3000 - 9, failed: 9 })
    expect(failures.toSorted(([, a], [, b]) => a - b)).toEqual(
      [0, 1000, 2000].flatMap(base => [
        [NotFoundError.name, base + 500],
        [NoRouteError.name, base + 600],
        ['ArgumentError', base + 700],
      ]),
    )
    const failed = new Set(failures.map(([, index]) => `${index}`))
    expect(await getTexts(client, queue)).toEqual(numbers(3000).filter(text => !failed.has(text)))
  })

  test('ends at once when it is aborted, also where a message is never confirmed', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: { 'x-queue-type': 'quorum' } })
    await client.basicPublish('', queue, 'before')
    await ctl('eval', `sys:suspend('%2F_${queue}').`)
    const seen = { taken: 0, cleanedUp: false }
    const controller = new AbortController()
    const aborted = errorOf(
      client.publishMany(rows(queue, 1000, seen), { window: 5, signal: controller.signal }),
    )
    await eventually(() => client.metrics().pendingPublishes === 5)
    controller.abort(REASON)
    expect(await aborted).toBe(REASON)
    expect(seen).toEqual({ taken: 5, cleanedUp: true })
    expect(client.metrics().pendingPublishes).toBe(0)
    await ctl('eval', `sys:resume('%2F_${queue}').`)
    await client.basicPublish('', queue, 'behind')
  })

  test('ends with ConnectionClosedError when the client is closed meanwhile', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const seen = { taken: 0, cleanedUp: false }
    const endless = rows(queue, Number.POSITIVE_INFINITY, seen)
    const closed = errorOf(client.publishMany(endless, { onError: () => undefined }))
    await eventually(() => client.metrics().confirmed > 2000)
    await client.close()
    expect(await closed).toMatchObject({ constructor: ConnectionClosedError, operation: 'publishMany' })
    expect(seen.cleanedUp).toBe(true)
  })

  test('ends with what it has when its messages come from a consumer, and the client is drained', async () => {
    const client = await open()
    const [from, queue] = [await newQueue(client), await newQueue(client)]
    await client.publishMany(rows(from, 500))
    const shovel = async function* () {
      for await (const message of client.basicConsume(from, { prefetchCount: 50 })) {
        yield to(queue, message.text())
        message.ack()
      }
    }
    const load = client.publishMany(shovel())
    await eventually(() => client.metrics().confirmed === 1000)
    await client.drain()
    expect(await load).toEqual({ published: 500, failed: 0 })
    expect(await getTexts(await open(), queue)).toEqual(numbers(500))
  })

  test('hands over messages without confirm', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const messages = numbers(3000).map(text => ({ ...to(queue, text), confirm: false }))
    expect(await client.publishMany(messages, { window: 10 })).toEqual({ published: 3000, failed: 0 })
    await untilReady(client, queue, 3000)
    expect(await getTexts(client, queue)).toEqual(numbers(3000))
  })

  test('loses no message, and fails none, over a connection that breaks again and again', async () => {
    const proxy = await TcpProxy.start(brokerUrl(), { delay: 4 })
    const client = await open({ recovery: { initialDelay: 20, maxDelay: 100 } }, proxy.url)
    const queue = await newQueue(client)
    const chaos = new Chaos(client, proxy, 'reset', 100)
    const messages = async function* () {
      for (const message of rows(queue, 4000)) {
        await chaos.until(Math.floor(Number(message.body) / 1000))
        yield message
      }
    }
    expect(await client.publishMany(messages(), { window: 100 })).toEqual({ published: 4000, failed: 0 })
    chaos.stop()
    const reader = await open()
    expect([...new Set(await getTexts(reader, queue))]).toEqual(numbers(4000))
    await client.close()
    await proxy.close()
  }, 60_000)
})
