/**
 * Covers headers that look like those of the broker but come from a publisher: whatever a message says, what its queue is
 * stays as the broker has it, and settling does what it says.
 */
import { describe, expect, test } from '@jest/globals'
import { type Client, double, type FieldValue, type Message, timestamp } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'
import {
  ack,
  CLASSIC,
  fill,
  iterate,
  numbers,
  QUORUM,
  type QueueKind,
  readyIn,
  STREAM,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { eventually } from '../support/outcome.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 20, maxDelay: 200 }
const OFFSET = 'x-stream-offset'

/** What publishers may set that header to. */
const FORGERIES: readonly [string, FieldValue][] = [
  ['a number', 7],
  ['zero', 0],
  ['a negative number', -5],
  ['a text', 'first'],
  ['a number as text', '7'],
  ['no number at all', 'NaN'],
  ['a whole number of another type', double(7)],
  ['a number beyond all offsets', double(1e300)],
  ['a fraction', 0.5],
  ['the largest safe number', Number.MAX_SAFE_INTEGER],
  ['a huge number', 2n ** 63n - 1n],
  ['a time', timestamp(1n)],
  ['a table', { [OFFSET]: 7 }],
]

/** Who has declared the queue: the client knows what it is only if it was the client itself. */
const DECLARERS = ['this client', 'another client', 'another client, and this one passively'] as const
type Declarer = (typeof DECLARERS)[number]

const SITUATIONS = [CLASSIC, QUORUM].flatMap(kind => DECLARERS.map(declarer => ({ ...kind, declarer })))

/** Publishes numbered messages with that header, and waits for their confirms. */
async function forge(
  client: Client,
  queue: string,
  count: number,
  value: FieldValue,
  from = 0,
): Promise<void> {
  const headers = { [OFFSET]: value }
  await Promise.all(numbers(count, from).map(text => client.basicPublish('', queue, text, { headers })))
}

/** A queue whose dead letters go to another one. */
async function declare(
  client: Client,
  { declare: args }: QueueKind,
  declarer: Declarer = 'this client',
): Promise<{ queue: string; dead: string }> {
  const other = declarer === 'this client' ? client : await open()
  const dead = await newQueue(other)
  const deadLetters = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead }
  const queue = await newQueue(other, { arguments: { ...args, ...deadLetters } })
  if (declarer === 'another client, and this one passively')
    await client.queueDeclare(queue, { passive: true })
  return { queue, dead }
}

/** A client whose connection can be cut, and another one. */
async function weak(): Promise<{ proxy: TcpProxy; client: Client; steady: Client }> {
  const proxy = await TcpProxy.start(brokerUrl())
  return { proxy, client: await open({ recovery: RECOVERY }, proxy.url), steady: await open() }
}

/** Cuts the connection, and waits until there is another one. */
async function cut(proxy: TcpProxy, client: Client): Promise<void> {
  const recovered = new Promise<void>(resolve => client.once('recovered', () => resolve()))
  proxy.cut('reset')
  await recovered
}

/** Each message of those that come, by its text, until all `count` of them have come; each is acked. */
async function ackAll(messages: AsyncIterator<Message, undefined>, count: number, seen = new Set<string>()) {
  while (seen.size < count) {
    const [message] = await take(messages, 1)
    message?.ack()
    if (message !== undefined) seen.add(message.text())
  }
  return seen
}

describe.each(SITUATIONS)('a $kind queue, declared by $declarer', situation => {
  test.each(FORGERIES)(
    'has every message dead-lettered that is refused for good, with %s as the offset of a stream',
    async (_, value) => {
      const client = await open()
      const { queue, dead } = await declare(client, situation, situation.declarer)
      await forge(client, queue, 20, value)
      const refusals = [
        (message: Message) => message.nack({ requeue: false }),
        (message: Message) => message.reject({ requeue: false }),
      ]
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 5 }))
      const taken = await take(messages, 18, message => refusals[Number(message.text()) % 2]?.(message))
      const last = await take(messages, 2)
      last[1]?.nack({ requeue: false, multiple: true })
      await untilReady(client, dead, 20)
      expect(textsOf([...taken, ...last])).toEqual(numbers(20))
      expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
      const deadOnes = await take(iterate(client.basicConsume(dead)), 20)
      expect(deadOnes.map(({ deaths }) => deaths[0]?.reason)).toEqual(Array(20).fill('rejected'))
    },
  )

  test.each(FORGERIES)(
    'gives every message again that is given back, with %s as the offset of a stream',
    async (_, value) => {
      const client = await open()
      const { queue, dead } = await declare(client, situation, situation.declarer)
      await forge(client, queue, 10, value)
      const returns = [(message: Message) => message.nack(), (message: Message) => message.reject()]
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
      const came = new Map<string, number>()
      await take(messages, 20, message => {
        const times = (came.get(message.text()) ?? 0) + 1
        came.set(message.text(), times)
        if (times === 1) returns[Number(message.text()) % 2]?.(message)
        else message.ack()
      })
      expect([...came].sort()).toEqual(numbers(10).map(text => [text, 2]))
      expect(await readyIn(client, dead)).toBe(0)
      expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
    },
  )

  test('gets back what a loop that is left had not read, and what it then gives back', async () => {
    const client = await open()
    const { queue } = await declare(client, situation, situation.declarer)
    await forge(client, queue, 20, 3)
    const held: Message[] = []
    for await (const message of client.basicConsume(queue, { prefetchCount: 10 })) {
      held.push(message)
      if (held.length === 2) break
    }
    await untilReady(client, queue, 18)
    expect(held[0]?.ack()).toBe(true)
    expect(held[1]?.nack()).toBe(true)
    await untilReady(client, queue, 19)
  })

  test(
    'is read on after lost connections, and loses nothing',
    async () => {
      const { proxy, client, steady } = await weak()
      const { queue, dead } = await declare(client, situation, situation.declarer)
      for (const [round, [, value]] of FORGERIES.entries()) await forge(steady, queue, 10, value, 10 * round)
      const count = 10 * FORGERIES.length
      const consumer = client.basicConsume(queue, { prefetchCount: 7 })
      const messages = iterate(consumer)
      const seen = new Set<string>()
      for (let goal = 15; goal < count; goal += 25) {
        await ackAll(messages, goal, seen)
        await cut(proxy, client)
      }
      expect(await ackAll(messages, count, seen)).toEqual(new Set(numbers(count)))
      await consumer.cancel()
      await client.drain()
      expect(await readyIn(steady, queue)).toBe(0)
      expect(await readyIn(steady, dead)).toBe(0)
    },
    MINUTE,
  )

  test('is read in larger and larger windows, and through changes of the prefetch count', async () => {
    const client = await open()
    const { queue } = await declare(client, situation, situation.declarer)
    await forge(client, queue, 1000, 1)
    const consumer = client.basicConsume(queue)
    const messages = iterate(consumer)
    const seen = new Set(textsOf(await take(messages, 300, ack)))
    await consumer.qos(20)
    await ackAll(messages, 600, seen)
    await Promise.all([consumer.qos(3), ackAll(messages, 800, seen), consumer.qos(0)])
    expect(await ackAll(messages, 1000, seen)).toEqual(new Set(numbers(1000)))
    await consumer.cancel()
    expect(await readyIn(client, queue)).toBe(0)
  })

  test('gives its messages no offset, whatever they say', async () => {
    const client = await open()
    const { queue } = await declare(client, situation, situation.declarer)
    for (const [, value] of FORGERIES) await forge(client, queue, 1, value)
    const messages = await take(iterate(client.basicConsume(queue)), FORGERIES.length)
    expect(messages.map(({ streamOffset }) => streamOffset)).toEqual(Array(FORGERIES.length).fill(undefined))
    const [header] = messages
    expect(header?.headers[OFFSET]).toBe(7)
  })
})

describe('a stream', () => {
  test('names its own offsets, whatever the publisher says', async () => {
    const client = await open()
    const stream = await newQueue(client, { arguments: STREAM.declare })
    for (const [, value] of FORGERIES) await forge(client, stream, 2, value)
    const count = 2 * FORGERIES.length
    const messages = iterate(client.basicConsume(stream, { prefetchCount: 5, arguments: STREAM.consume }))
    const offsets = (await take(messages, count, ack)).map(({ streamOffset }) => streamOffset)
    expect(offsets).toEqual(numbers(count).map(Number))
  })

  test(
    'whose messages carry forged offsets is read on after a lost connection: none twice, none left out',
    async () => {
      const { proxy, client, steady } = await weak()
      const stream = await newQueue(client, { arguments: STREAM.declare })
      await forge(steady, stream, 200, 150)
      const messages = iterate(client.basicConsume(stream, { prefetchCount: 10, arguments: STREAM.consume }))
      const texts: string[] = []
      while (texts.length < 200) {
        texts.push(...textsOf(await take(messages, 40, ack)))
        await cut(proxy, client)
      }
      expect(texts).toEqual(numbers(200))
    },
    MINUTE,
  )

  test(
    'that another client has declared, read from its end, is read on behind the last message after a lost connection',
    async () => {
      const { proxy, client, steady } = await weak()
      const stream = await newQueue(steady, { arguments: STREAM.declare })
      await fill(steady, stream, 50)
      const consumer = client.basicConsume(stream, { prefetchCount: 10 })
      await consumer.ready
      const messages = iterate(consumer)
      const texts: string[] = []
      for (let round = 0; round < 5; round++) {
        await fill(steady, stream, 20, 50 + 20 * round)
        texts.push(...textsOf(await take(messages, 15, ack)))
        await cut(proxy, client)
        texts.push(...textsOf(await take(messages, 5, ack)))
      }
      expect(texts).toEqual(numbers(100, 50))
      expect(client.metrics().reconnects).toBe(5)
    },
    MINUTE,
  )

  test('that another client has declared takes nacks without harm, once this one knows what it is', async () => {
    const { client, steady } = await weak()
    const losses: unknown[] = []
    client.on('disconnect', error => losses.push(error))
    const stream = await newQueue(steady, { arguments: STREAM.declare })
    const consumer = client.basicConsume(stream, { prefetchCount: 1 })
    await consumer.ready
    const messages = iterate(consumer)
    let sent = 0
    // The first message makes the client ask.
    await eventually(async () => {
      await fill(steady, stream, 1, sent++)
      const [message] = await take(messages, 1, ack)
      return message?.streamOffset !== undefined
    })
    await fill(steady, stream, 3, sent)
    const ways = [
      (message: Message) => message.nack(),
      (message: Message) => message.reject({ requeue: false }),
      (message: Message) => message.nack({ multiple: true, requeue: false }),
    ]
    const last = await take(messages, 3, message => ways.shift()?.(message))
    expect(last.map(({ streamOffset }) => streamOffset)).toEqual([sent, sent + 1, sent + 2])
    expect(textsOf(last)).toEqual(numbers(3, sent))
    await client.queueDeclare(stream, { passive: true })
    expect(losses).toEqual([])
  })

  test('that another client has declared is left by a loop at its first message without harm', async () => {
    const { client, steady } = await weak()
    const losses: unknown[] = []
    client.on('disconnect', error => losses.push(error))
    const stream = await newQueue(steady, { arguments: STREAM.declare })
    for (const onLeave of ['keep', 'requeue'] as const) {
      const consumer = client.basicConsume(stream, { prefetchCount: 10, onLeave })
      await consumer.ready
      await fill(steady, stream, 10)
      for await (const message of consumer) {
        expect(message.text()).toBe('0')
        break
      }
    }
    await client.queueDeclare(stream, { passive: true })
    expect(losses).toEqual([])
  })

  test('beside a queue with forged offsets: a nack of all dead-letters those of the queue, and harms no stream', async () => {
    const client = await open()
    const { queue, dead } = await declare(client, CLASSIC, 'another client')
    const stream = await newQueue(client, { arguments: STREAM.declare })
    await forge(client, stream, 20, 99)
    await forge(client, queue, 20, 99)
    const items = [{ queue: stream, arguments: STREAM.consume }, queue]
    const messages = await take(iterate(client.basicConsumeMulti(items, { prefetchCount: 40 })), 40)
    const offsets = messages.filter(({ routingKey }) => routingKey === stream)
    expect(offsets.map(({ streamOffset }) => streamOffset)).toEqual(numbers(20).map(Number))
    const others = messages.filter(({ routingKey }) => routingKey === queue)
    expect(others.map(({ streamOffset }) => streamOffset)).toEqual(Array(20).fill(undefined))
    messages.at(-1)?.nack({ multiple: true, requeue: false })
    await untilReady(client, dead, 20)
  })

  test('forwarded with its headers to a queue, it makes no stream of that', async () => {
    const client = await open()
    const stream = await newQueue(client, { arguments: STREAM.declare })
    const { queue, dead } = await declare(client, QUORUM, 'another client')
    await fill(client, stream, 20)
    const source = iterate(client.basicConsume(stream, { prefetchCount: 20, arguments: STREAM.consume }))
    await take(source, 20, async message => {
      await client.basicPublish('', queue, message.body, { ...message.properties, headers: message.headers })
      message.ack()
    })
    const target = iterate(client.basicConsume(queue, { prefetchCount: 20 }))
    await take(target, 20, message => message.nack({ requeue: false }))
    await untilReady(client, dead, 20)
  })
})

describe('the other headers that a broker adds', () => {
  test('change nothing about settling and coming back, when a publisher sets them', async () => {
    const { proxy, client, steady } = await weak()
    const { queue, dead } = await declare(client, QUORUM)
    const headers = {
      'x-death': 'none',
      'x-delivery-count': -1,
      'x-acquired-count': 'many',
      'x-stream-offset': 5,
      'x-first-death-queue': uniqueName(),
    }
    await Promise.all(numbers(20).map(text => client.basicPublish('', queue, text, { headers })))
    const messages = iterate(client.basicConsume(queue, { prefetchCount: 5 }))
    const [first] = await take(messages, 1)
    expect([first?.deaths, first?.streamOffset]).toEqual([[], undefined])
    await cut(proxy, client)
    const seen = new Set<string>()
    while (seen.size < 20) {
      const [message] = await take(messages, 1)
      message?.nack({ requeue: false })
      if (message !== undefined) seen.add(message.text())
    }
    await untilReady(steady, dead, 20)
  })
})
