/** Covers streams: where reading begins, and that a change of the prefetch count neither repeats nor skips a message. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError, type Client, type Consumer, type FieldValue, type Message } from '../../src/index.js'
import { newQueue, open } from '../support/broker/client.js'
import { ack, fill, isPending, iterate, numbers, STREAM, take, textsOf } from '../support/broker/consuming.js'

const newStream = (client: Client): Promise<string> => newQueue(client, { arguments: STREAM.declare })

describe('a stream', () => {
  test.each<[string, FieldValue, number]>([
    ['its first message', 'first', 0],
    ['an offset', 30, 30],
    ['a time', new Date(Date.now() - 3_600_000), 0],
  ])('is read from %s on', async (_, offset, from) => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 50)
    const consumer = client.basicConsume(stream, {
      prefetchCount: 10,
      arguments: { 'x-stream-offset': offset },
    })
    const messages = await take(iterate(consumer), 50 - from, ack)
    expect(textsOf(messages)).toEqual(numbers(50 - from, from))
    expect(messages.map(message => message.headers['x-stream-offset'])).toEqual(
      numbers(50 - from, from).map(Number),
    )
  })

  test('is read from its end where nothing else is said', async () => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 50)
    const consumer = client.basicConsume(stream, { prefetchCount: 10 })
    await consumer.ready
    await fill(client, stream, 20, 50)
    expect(textsOf(await take(iterate(consumer), 20, ack))).toEqual(numbers(20, 50))
  })

  test('is read without a prefetch count too, and with noAck', async () => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 3000)
    const held = client.basicConsume(stream, { arguments: STREAM.consume })
    expect(textsOf(await take(iterate(held), 3000))).toEqual(numbers(3000))
    const noAck = client.basicConsume(stream, { noAck: true, prefetchCount: 7, arguments: STREAM.consume })
    expect(textsOf(await take(iterate(noAck), 3000))).toEqual(numbers(3000))
  })

  test('gives every message to each consumer, also to one whose loop was left before', async () => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 20)
    for (let round = 0; round < 3; round++) {
      const consumer = client.basicConsume(stream, { arguments: STREAM.consume })
      const texts: string[] = []
      for await (const message of consumer) {
        texts.push(message.text())
        message.ack()
        if (texts.length === 15) break
      }
      expect(texts).toEqual(numbers(15))
    }
  })
})

test('an offset that the broker cannot read is refused before it ends the connection', async () => {
  const client = await open()
  const queue = await newQueue(client, { arguments: { 'x-queue-type': 'stream' } })
  const consume = (): Consumer =>
    client.basicConsume(queue, { prefetchCount: 5, arguments: { 'x-stream-offset': 'frist' } })
  expect(consume).toThrow(ArgumentError)
  // By the broker, it ends the connection, and everything on it.
  expect(client.isOpen).toBe(true)
  for (const offset of ['first', 'last', 'next', '1h', '7D', 0, new Date()]) {
    const consumer = client.basicConsume(queue, {
      prefetchCount: 5,
      arguments: { 'x-stream-offset': offset },
    })
    await consumer.ready
    await consumer.cancel()
  }
})

describe('settling a message of a stream', () => {
  test('lets the next one come, in whatever way it is done, and loses none', async () => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 60)
    const consumer = client.basicConsume(stream, { prefetchCount: 4, arguments: STREAM.consume })
    const ways = [
      (message: Message) => message.ack(),
      (message: Message) => message.nack(),
      (message: Message) => message.nack({ multiple: true, requeue: false }),
      (message: Message) => message.reject(),
    ]
    const messages = await take(iterate(consumer), 60, message => ways[Number(message.text()) % 4]?.(message))
    expect(textsOf(messages)).toEqual(numbers(60))
    expect(() => messages[0]?.ack()).toThrow(expect.objectContaining({ code: 'ALREADY_SETTLED' }))
  })

  test('leaves a queue of the same consumer alone', async () => {
    const client = await open()
    const stream = await newStream(client)
    const queue = await newQueue(client)
    await fill(client, stream, 5)
    await fill(client, queue, 5)
    const consumer = client.basicConsumeMulti([{ queue: stream, arguments: STREAM.consume }, queue])
    await take(iterate(consumer), 10, message => message.nack({ requeue: false }))
    await consumer.cancel()
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })
})

describe('a change of the prefetch count of a stream', () => {
  test.each<[string, FieldValue]>([
    ['from the first message', 'first'],
    ['from an offset', 0],
    ['from a time', new Date(Date.now() - 3_600_000)],
  ])('that comes before the first delivery neither repeats nor skips a message (%s)', async (_, offset) => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 100)
    for (let round = 0; round < 5; round++) {
      const consumer = client.basicConsume(stream, {
        prefetchCount: 50,
        arguments: { 'x-stream-offset': offset },
      })
      await Promise.resolve()
      const changes = [consumer.qos(5), consumer.qos(20)]
      const messages = iterate(consumer)
      expect(textsOf(await take(messages, 100, ack))).toEqual(numbers(100))
      expect(await isPending(messages.next(), client)).toBe(true)
      await Promise.all(changes)
      await consumer.cancel()
    }
  })

  test('neither repeats nor skips what is in the buffer', async () => {
    const client = await open()
    const stream = await newStream(client)
    await fill(client, stream, 100)
    const consumer = client.basicConsume(stream, { prefetchCount: 30, arguments: STREAM.consume })
    const messages = iterate(consumer)
    const taken = await take(messages, 10)
    await consumer.qos(40)
    taken.push(...(await take(messages, 20, ack)))
    await consumer.qos(15)
    for (const message of taken.slice(0, 10)) message.ack()
    taken.push(...(await take(messages, 70, ack)))
    expect(textsOf(taken)).toEqual(numbers(100))
    expect(await isPending(messages.next(), client)).toBe(true)
  })

  test('takes several streams on, each from its own place, and a queue beside them', async () => {
    const client = await open()
    const streams = [await newStream(client), await newStream(client)]
    const queue = await newQueue(client)
    await fill(client, streams[0] as string, 100)
    await fill(client, streams[1] as string, 300)
    await fill(client, queue, 50)
    const items = [...streams, queue].map(name => ({
      queue: name,
      arguments: name === queue ? {} : STREAM.consume,
    }))
    const consumer = client.basicConsumeMulti(items, { prefetchCount: 4 })
    const texts: Record<string, string[]> = {}
    const changes: Promise<void>[] = []
    let count = 0
    await take(iterate(consumer), 450, message => {
      const own = texts[message.routingKey] ?? []
      texts[message.routingKey] = own
      own.push(message.text())
      message.ack()
      if (++count % 20 === 0) changes.push(consumer.qos(1 + ((count / 20) % 9)))
    })
    await Promise.all(changes)
    expect(texts[streams[0] as string]).toEqual(numbers(100))
    expect(texts[streams[1] as string]).toEqual(numbers(300))
    expect(texts[queue]).toEqual(numbers(50))
  })
})
