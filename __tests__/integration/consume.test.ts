/** Covers basicConsume: each of its options, and all that a delivered message tells. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError, byte, ConnectionClosedError, type ConsumeOptions } from '../../src/index.js'
import { newClient, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import {
  CLASSIC,
  consumersOf,
  fill,
  isPending,
  iterate,
  numbers,
  QUORUM,
  readyIn,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { errorOf } from '../support/outcome.js'

describe('a delivered message', () => {
  test('tells where it comes from, and all that was published with it', async () => {
    const client = await open()
    const exchange = await newExchange(client, { type: 'topic' })
    const queue = await newQueue(client)
    await client.queueBind(queue, exchange, 'a.#')
    const properties = {
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      deliveryMode: 1,
      priority: 3,
      correlationId: 'correlation',
      replyTo: 'reply',
      expiration: '60000',
      messageId: 'id',
      timestamp: new Date('2024-05-06T07:08:09Z'),
      type: 'type',
      userId: 'guest',
      appId: 'app',
      clusterId: 'cluster',
    }
    const headers = { text: 'ü', nested: { list: [1, 2.5, null, true] }, big: 2n ** 60n, small: byte(-3) }
    await client.basicPublish(exchange, 'a.b', 'grüße', { ...properties, headers })
    const consumer = client.basicConsume(queue, { consumerTag: 'tag' })
    const [message] = await take(iterate(consumer), 1)
    expect(message).toMatchObject({
      exchange,
      routingKey: 'a.b',
      redelivered: false,
      deliveryTag: 1,
      consumerTag: 'tag',
      properties,
    })
    expect(message?.headers).toEqual({ ...headers, small: -3 })
    expect(message?.messageCount).toBeUndefined()
    expect(message?.text()).toBe('grüße')
    expect(message?.body).toEqual(Buffer.from('grüße'))
    expect(message?.ack()).toBe(true)
  })

  test('has no properties and no headers but those that were set', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, '')
    const [message] = await take(iterate(client.basicConsume(queue)), 1)
    expect(message?.properties).toEqual({ deliveryMode: 2 })
    expect(message?.headers).toEqual({})
    expect(message?.body).toHaveLength(0)
    expect(message?.text()).toBe('')
  })

  test('gives its body as JSON, and throws what JSON.parse throws where it is none', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, '{"a":[1]}')
    await client.basicPublish('', queue, '{')
    const [good, bad] = await take(iterate(client.basicConsume(queue)), 2)
    expect(good?.json<{ a: number[] }>().a).toEqual([1])
    expect(() => bad?.json()).toThrow(SyntaxError)
  })

  test('keeps its body, its properties and its headers after the loop, and after the client', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const bodies = numbers(200).map(number => number.repeat(80))
    await Promise.all(
      bodies.map(body => client.basicPublish('', queue, body, { headers: { body }, type: body })),
    )
    const iterator = iterate(client.basicConsume(queue, { noAck: true }))
    const messages = await take(iterator, 200)
    // Further traffic must not touch what is kept.
    await fill(client, queue, 500)
    await take(iterator, 500)
    await client.close()
    expect(messages.map(message => message.body.toString())).toEqual(bodies)
    expect(messages.map(message => message.headers.body)).toEqual(bodies)
    expect(messages.map(message => message.properties.type)).toEqual(bodies)
  })

  test.each([100, 5000, 300_000, 1_500_000])('has the very bytes that were published: %i', async size => {
    const client = await open()
    const queue = await newQueue(client)
    const body = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31) & 0xff))
    await client.basicPublish('', queue, body)
    const [message] = await take(iterate(client.basicConsume(queue)), 1)
    expect(message?.body.equals(body)).toBe(true)
  })

  test.each([CLASSIC, QUORUM])('is marked when it is delivered again ($kind)', async ({ declare }) => {
    const client = await open()
    const queue = await newQueue(client, { arguments: declare })
    await fill(client, queue, 1)
    const messages = iterate(client.basicConsume(queue))
    const [first] = await take(messages, 1)
    expect(first?.redelivered).toBe(false)
    first?.nack()
    const [second] = await take(messages, 1)
    expect(second?.redelivered).toBe(true)
    expect(second?.text()).toBe('0')
  })
})

describe('basicConsume', () => {
  test('delivers in order, what is there and what comes later', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 300)
    const messages = iterate(client.basicConsume(queue))
    const before = await take(messages, 300)
    await fill(client, queue, 300, 300)
    expect(textsOf([...before, ...(await take(messages, 300))])).toEqual(numbers(600))
  })

  test('takes messages out of the queue at once with noAck, and lets nobody settle them', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    const consumer = client.basicConsume(queue, { noAck: true })
    const [first] = await take(iterate(consumer), 3)
    expect(() => first?.ack()).toThrow(expect.objectContaining({ code: 'ALREADY_SETTLED' }))
    await consumer.cancel()
    await untilReady(client, queue, 0)
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('uses the consumer tag that it is given, else one that is unique', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const named = client.basicConsume(queue, { consumerTag: 'mine' })
    const again = client.basicConsume(queue, { consumerTag: 'mine' })
    const others = [client.basicConsume(queue), client.basicConsume(queue)]
    await Promise.all([named, again, ...others].map(consumer => consumer.ready))
    expect([named.consumerTags, again.consumerTags]).toEqual([['mine'], ['mine.2']])
    expect(new Set(others.flatMap(consumer => consumer.consumerTags)).size).toBe(2)
    expect(await consumersOf(client, queue)).toBe(4)
  })

  test('takes a consumer tag of 255 bytes, also through a change of the prefetch count', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const consumerTag = `${'ü'.repeat(127)}x`
    const consumer = client.basicConsume(queue, { consumerTag, prefetchCount: 1 })
    await consumer.ready
    await consumer.qos(2)
    await consumer.qos(3)
    await fill(client, queue, 3)
    const messages = await take(iterate(consumer), 3)
    expect(messages.map(message => message.consumerTag)).toEqual([consumerTag, consumerTag, consumerTag])
  })

  test('refuses a second consumer where one is exclusive, and the other way round', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    const exclusive = client.basicConsume(queue, { exclusive: true })
    await exclusive.ready
    const refused = other.basicConsume(queue)
    expect(await errorOf(refused.ready)).toMatchObject({
      code: 'ACCESS_REFUSED',
      replyCode: 403,
      operation: 'basicConsume',
    })
    expect(await errorOf(iterate(refused).next())).toMatchObject({ code: 'ACCESS_REFUSED' })
    await exclusive.cancel()
    await other.basicConsume(queue).ready
    expect(await errorOf(client.basicConsume(queue, { exclusive: true }).ready)).toMatchObject({
      code: 'ACCESS_REFUSED',
    })
  })

  test('keeps an exclusive consumer exclusive through a change of the prefetch count', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 5)
    const consumer = client.basicConsume(queue, { exclusive: true, prefetchCount: 1 })
    await consumer.ready
    await consumer.qos(3)
    await consumer.qos(2)
    const messages = iterate(consumer)
    await take(messages, 2)
    expect(await isPending(messages.next(), client)).toBe(true)
    const other = await open()
    expect(await errorOf(other.basicConsume(queue).ready)).toMatchObject({ code: 'ACCESS_REFUSED' })
  })

  test('passes noLocal on, which the broker ignores on queues', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const [message] = await take(iterate(client.basicConsume(queue, { noLocal: true })), 1)
    expect(message?.text()).toBe('0')
  })

  test('passes x-priority on: the broker prefers the higher one', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const low = client.basicConsume(queue, { arguments: { 'x-priority': 1 } })
    const high = client.basicConsume(queue, { prefetchCount: 20, arguments: { 'x-priority': 10 } })
    await Promise.all([low.ready, high.ready])
    const nothing = iterate(low).next()
    await fill(client, queue, 10)
    expect(textsOf(await take(iterate(high), 10))).toEqual(numbers(10))
    expect(await isPending(nothing, client)).toBe(true)
    await low.cancel()
  })

  test('waits behind the active consumer of a queue with a single one, and follows it', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: { 'x-single-active-consumer': true } })
    const active = client.basicConsume(queue)
    await active.ready
    const waiting = client.basicConsume(queue)
    await waiting.ready
    await fill(client, queue, 2)
    const [first] = await take(iterate(active), 1)
    const next = iterate(waiting).next()
    expect(await isPending(next, client)).toBe(true)
    first?.ack()
    await active.cancel()
    expect((await next).value?.text()).toBe('1')
  })

  test('rejects `ready` and throws from the loop where the queue does not exist', async () => {
    const client = await open()
    const consumer = client.basicConsume(uniqueName())
    const expected = {
      code: 'NOT_FOUND',
      replyCode: 404,
      operation: 'basicConsume',
      ticket: expect.any(Number),
    }
    const loop = async (): Promise<void> => {
      for await (const message of consumer) message.ack()
    }
    expect(await errorOf(loop())).toMatchObject(expected)
    expect(await errorOf(consumer.ready)).toMatchObject(expected)
    await client.queueDeclare(uniqueName())
  })

  test('uses up no channel when it fails, nor when it is cancelled', async () => {
    const client = await open({ channelMax: 6 })
    const queue = await newQueue(client)
    for (let round = 0; round < 20; round++) {
      await errorOf(client.basicConsume('puka-test-no-such-queue').ready)
      const consumer = client.basicConsume(queue)
      await consumer.ready
      await consumer.cancel()
    }
    expect(await readyIn(client, queue)).toBe(0)
  })

  test.each<[string, unknown]>([
    ['prefetchCount', -1],
    ['prefetchCount', 65_536],
    ['prefetchCount', 1.5],
    ['prefetchCount', '1'],
    ['noAck', 'yes'],
    ['noLocal', 1],
    ['exclusive', null],
    ['consumerTag', ''],
    ['consumerTag', 'x'.repeat(256)],
    ['arguments', { bad: () => undefined }],
    ['arguments', 'none'],
    ['signal', {}],
  ])('throws an ArgumentError at once for %s: %p', async (name, value) => {
    const client = await open()
    const options = { [name]: value } as ConsumeOptions
    expect(() => client.basicConsume('q', options)).toThrow(ArgumentError)
    expect(() => client.basicConsume('q', options)).toThrow(
      expect.objectContaining({ operation: 'basicConsume' }),
    )
  })

  test('throws at once where the client is not connected, or was closed', async () => {
    const client = newClient()
    expect(() => client.basicConsume('q')).toThrow(ConnectionClosedError)
    await client.connect()
    await client.close()
    expect(() => client.basicConsume('q')).toThrow(ConnectionClosedError)
  })
})
