/** Covers publishing: confirms, nacks, publishing without confirms, what bodies and bad arguments come to. */
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  ArgumentError,
  type Client,
  NackedError,
  type PublishOptions,
} from '../../src/index.js'
import { brokerIsAtLeast } from '../support/broker/broker.js'
import { getOne, getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { untilReady } from '../support/broker/consuming.js'
import { reachBroker } from '../support/broker/own-transport.js'
import { errorOf, namesOf, tally } from '../support/outcome.js'

const numbers = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`)

describe('a confirmed publish', () => {
  test('resolves when the message is in the queue', async () => {
    const client = await open()
    const queue = await newQueue(client)
    expect(await client.basicPublish('', queue, 'here')).toBeUndefined()
    expect((await client.queueDeclare(queue, { passive: true })).messageCount).toBe(1)
  })

  test('is one of 10,000 in flight, which all arrive once and in order', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const texts = numbers(10_000)
    await Promise.all(texts.map(text => client.basicPublish('', queue, text)))
    expect(await getTexts(client, queue)).toEqual(texts)
  }, 30_000)

  test('resolves also where no queue gets the message', async () => {
    const client = await open()
    await client.basicPublish('', uniqueName(), 'to nowhere')
    await client.basicPublish(await newExchange(client), 'nobody', 'to nobody')
  })

  test('rejects with NackedError where the broker refuses the message, and only that one', async () => {
    const client = await open()
    const queue = await newQueue(client, {
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    })
    const other = await newQueue(client)
    const published = [
      client.basicPublish('', queue, 'fits'),
      client.basicPublish('', other, 'a'),
      client.basicPublish('', queue, 'does not fit'),
      client.basicPublish('', other, 'b'),
    ]
    expect(await namesOf(published)).toEqual(['ok', 'ok', 'NackedError', 'ok'])
    const error = await errorOf<AmqpError>(published[2] as Promise<void>)
    expect(error).toBeInstanceOf(NackedError)
    expect(error).toMatchObject({ code: 'NACKED', operation: 'basicPublish', ticket: expect.any(Number) })
    expect(await getTexts(client, queue)).toEqual(['fits'])
    expect(await getTexts(client, other)).toEqual(['a', 'b'])
  })

  test('is answered rightly among hundreds that are refused', async () => {
    const client = await open()
    const queue = await newQueue(client, {
      arguments: { 'x-max-length': 100, 'x-overflow': 'reject-publish' },
    })
    const names = await namesOf(numbers(500).map(text => client.basicPublish('', queue, text)))
    // The queue tells publishers that it is full a little late, so that it takes some more than its length.
    const { ok = 0, NackedError: nacked = 0 } = tally(names)
    expect(ok + nacked).toBe(500)
    expect(nacked).toBeGreaterThan(0)
    const { messageCount } = await client.queueDeclare(queue, { passive: true })
    expect(messageCount).toBe(ok)
    const kept = names.flatMap((name, n) => (name === 'ok' ? [`${n}`] : []))
    expect(await getTexts(client, queue)).toEqual(kept)
  })
})

describe('a publish without confirm', () => {
  test('resolves, and arrives in order', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const texts = numbers(2000)
    await Promise.all(texts.map(text => client.basicPublish('', queue, text, { confirm: false })))
    await untilReady(client, queue, 2000)
    expect(await getTexts(client, queue)).toEqual(texts)
  })

  test('to an exchange that is missing leaves those behind it alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const published = [
      client.basicPublish('', queue, 'before', { confirm: false }),
      client.basicPublish(uniqueName(), 'x', 'lost', { confirm: false }),
      client.basicPublish('', queue, 'behind', { confirm: false }),
      client.basicPublish('', queue, 'confirmed'),
    ]
    expect(await namesOf(published)).toEqual(['ok', 'NotFoundError', 'ok', 'ok'])
    await untilReady(client, queue, 3)
    expect(await getTexts(client, queue)).toEqual(expect.arrayContaining(['before', 'behind', 'confirmed']))
  })

  test('waits while the transport is full, and resolves then', async () => {
    const transport = await reachBroker()
    const client = await open({ transport: () => transport })
    const queue = await newQueue(client)
    transport.full = true
    await client.basicPublish('', queue, 'fills it', { confirm: false })
    await setImmediate()
    let resolved = 0
    const published = numbers(40).map(text =>
      client.basicPublish('', queue, text, { confirm: false }).then(() => resolved++),
    )
    await setImmediate()
    expect(resolved).toBe(0)
    transport.drain()
    await Promise.all(published)
    await client.basicPublish('', queue, 'the last')
    // Nobody says when those without a confirm have arrived.
    await untilReady(client, queue, 42)
    expect(await getTexts(client, queue)).toEqual(
      expect.arrayContaining(['fills it', ...numbers(40), 'the last']),
    )
  })
})

describe('a body', () => {
  let client: Client
  let queue: string

  async function roundTrip(body: string | Uint8Array): Promise<Buffer> {
    await client.basicPublish('', queue, body)
    return (await getOne(client, queue)).body
  }

  test('arrives as it was sent, whatever its size', async () => {
    client = await open()
    queue = await newQueue(client)
    for (const frame of [131_072]) {
      const sizes = [
        0,
        1,
        4096,
        32_767,
        32_768,
        frame - 9,
        frame - 8,
        frame - 7,
        frame,
        2 * frame - 16,
        2 * frame - 15,
      ]
      for (const size of sizes) {
        const body = Buffer.alloc(size, `${size}.`)
        expect((await roundTrip(body)).equals(body)).toBe(true)
      }
    }
  })

  test.each([1_048_576, ...(brokerIsAtLeast(4) ? [15_000_000] : [20_971_520])])(
    'of %i bytes arrives as it was sent',
    async size => {
      client = await open()
      queue = await newQueue(client)
      const body = Buffer.alloc(size)
      for (let at = 0; at + 4 <= size; at += 4096) body.writeUInt32BE(at, at)
      expect((await roundTrip(body)).equals(body)).toBe(true)
    },
    30_000,
  )

  test('that is text is sent as UTF-8', async () => {
    client = await open()
    queue = await newQueue(client)
    const texts = ['', 'ascii', 'Grüße', '漢字', '🐇', `${'é'.repeat(20_000)}!`, '🐇'.repeat(40_000)]
    for (const text of texts) expect((await roundTrip(text)).equals(Buffer.from(text))).toBe(true)
  })

  test('may be a view of a part of a buffer', async () => {
    client = await open()
    queue = await newQueue(client)
    for (const size of [4, 100_000]) {
      const { buffer } = Uint8Array.from({ length: size + 20 }, (_, n) => n % 251)
      const view = new Uint8Array(buffer, 7, size)
      expect(await roundTrip(view)).toEqual(Buffer.from(view))
    }
  })

  test('that is small may be changed as soon as basicPublish has returned', async () => {
    client = await open()
    queue = await newQueue(client)
    const signal = new AbortController().signal
    for (const options of [{}, { confirm: false }, { signal }] satisfies PublishOptions[]) {
      const body = Buffer.from('as it was')
      const headers = { note: 'as it was' }
      const published = client.basicPublish('', queue, body, { ...options, headers })
      body.fill('x')
      headers.note = 'changed'
      await published
      await untilReady(client, queue, 1)
      const message = await getOne(client, queue)
      expect(message.text()).toBe('as it was')
      expect(message.headers).toEqual({ note: 'as it was' })
    }
  })
})

describe('what AMQP cannot carry rejects at once with ArgumentError, naming the field:', () => {
  const long = 'ü'.repeat(128)
  const cases: [string, string, unknown[]][] = [
    ['a long exchange', 'exchange', [long, 'key', 'x']],
    ['an exchange that is no string', 'exchange', [5, 'key', 'x']],
    ['a long routing key', 'routingKey', ['', long, 'x']],
    ['a routing key that is no string', 'routingKey', ['', undefined, 'x']],
    ['no body', 'body', ['', 'key']],
    ['a body that is an object', 'body', ['', 'key', { a: 1 }]],
    ['options that are none', 'options', ['', 'key', 'x', 'persistent']],
    ['mandatory', 'mandatory', ['', 'key', 'x', { mandatory: 1 }]],
    ['confirm', 'confirm', ['', 'key', 'x', { confirm: 'yes' }]],
    ['persistent', 'persistent', ['', 'key', 'x', { persistent: 2 }]],
    ['deliveryMode', 'deliveryMode', ['', 'key', 'x', { deliveryMode: 300 }]],
    ['priority', 'priority', ['', 'key', 'x', { priority: -1 }]],
    ['expiration', 'expiration', ['', 'key', 'x', { expiration: 1000 }]],
    ['timestamp', 'timestamp', ['', 'key', 'x', { timestamp: 'now' }]],
    ['a long correlationId', 'correlationId', ['', 'key', 'x', { correlationId: long }]],
    ['headers', 'headers', ['', 'key', 'x', { headers: [1] }]],
    ['a value in headers', 'headers.a[1].b', ['', 'key', 'x', { headers: { a: [0, { b: () => 1 }] } }]],
    ['timeout', 'timeout', ['', 'key', 'x', { timeout: -5 }]],
    ['signal', 'signal', ['', 'key', 'x', { signal: 'stop' }]],
  ]

  test.each(cases)('%s', async (_, field, args) => {
    const client = await open()
    const error = await errorOf<AmqpError>(
      client.basicPublish(...(args as Parameters<Client['basicPublish']>)),
    )
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.message).toContain(field)
    expect(error.operation).toBe('basicPublish')
    // Nothing of it was sent: the channel is still in order.
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'fine')
    expect(await getTexts(client, queue)).toEqual(['fine'])
  })
})
