/** Covers the pause of a consumer: what its user gets, and what the broker sees. */
import { describe, expect, test } from '@jest/globals'
import type { Message } from '../../src/index.js'
import { newQueue, open } from '../support/broker/client.js'
import {
  ack,
  CLASSIC,
  consumersOf,
  fill,
  isPending,
  iterate,
  numbers,
  QUORUM,
  readyIn,
  STREAM,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { eventually } from '../support/outcome.js'

describe.each([CLASSIC, QUORUM])('a pause of a consumer ($kind queue)', ({ declare }) => {
  test('hands out nothing, gives back what waits, and ends where resume is called', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: declare })
    await fill(client, queue, 10)
    const consumer = client.basicConsume(queue, { prefetchCount: 5 })
    const messages = iterate(consumer)
    const [first] = await take(messages, 1)
    consumer.pause()
    expect(consumer.isPaused).toBe(true)
    const next = messages.next()
    expect(await isPending(next, client)).toBe(true)
    await untilReady(client, queue, 9)
    expect([consumer.state.name, client.isHealthy]).toEqual(['running', true])
    expect(first?.ack()).toBe(true)
    consumer.resume()
    const second = (await next).value as Message
    expect(second.ack()).toBe(true)
    const rest = [second, ...(await take(messages, 8, ack))]
    expect(textsOf(rest).sort()).toEqual(numbers(9, 1))
    await untilReady(client, queue, 0)
  })

  test('of a queue that somebody else has declared keeps one message', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(other, { arguments: declare })
    await fill(other, queue, 10)
    const consumer = client.basicConsume(queue, { prefetchCount: 5 })
    await consumer.ready
    await untilReady(other, queue, 5)
    consumer.pause()
    await untilReady(other, queue, 9)
    consumer.resume()
    expect(textsOf(await take(iterate(consumer), 10, ack)).sort()).toEqual(numbers(10))
  })

  test('ends with the consumer, and everything goes back', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: declare })
    await fill(client, queue, 10)
    const consumer = client.basicConsume(queue, { prefetchCount: 5 })
    const next = iterate(consumer).next()
    await next
    consumer.pause()
    await consumer.cancel()
    await untilReady(client, queue, 9)
    expect(await iterate(consumer).next()).toEqual({ value: undefined, done: true })
  })
})

test('a short pause is none of the broker’s concern', async () => {
  const client = await open()
  const queue = await newQueue(client)
  await fill(client, queue, 10)
  const consumer = client.basicConsume(queue, { prefetchCount: 5 })
  await consumer.ready
  await untilReady(client, queue, 5)
  consumer.pause()
  expect(await readyIn(client, queue)).toBe(5)
  consumer.resume()
  expect(textsOf(await take(iterate(consumer), 10, ack))).toEqual(numbers(10))
})

test('an auto-delete queue survives a pause', async () => {
  const client = await open()
  const queue = await newQueue(client, { autoDelete: true })
  await fill(client, queue, 3)
  const consumer = client.basicConsume(queue, { prefetchCount: 3 })
  await consumer.ready
  await untilReady(client, queue, 0)
  consumer.pause()
  await untilReady(client, queue, 2)
  consumer.resume()
  expect(textsOf(await take(iterate(consumer), 3, ack)).sort()).toEqual(numbers(3))
})

test('a paused forEach goes on where it stopped, a paused stream repeats nothing', async () => {
  const client = await open()
  const stream = await newQueue(client, { arguments: STREAM.declare })
  await fill(client, stream, 20)
  const consumer = client.basicConsume(stream, { prefetchCount: 4, arguments: STREAM.consume })
  const seen: Message[] = []
  const done = consumer.forEach(message => {
    seen.push(message)
    if (seen.length === 7) consumer.pause()
  })
  await eventually(() => seen.length === 7)
  expect(await isPending(done, client)).toBe(true)
  consumer.resume()
  await eventually(() => seen.length === 20)
  expect(textsOf(seen)).toEqual(numbers(20))
  expect(seen.map(message => message.streamOffset)).toEqual(numbers(20).map(Number))
  await consumer.cancel()
  await done
})

test('qos during a pause holds after it, and a drain does not wait for what is paused', async () => {
  const client = await open()
  const queue = await newQueue(client)
  await fill(client, queue, 10)
  const consumer = client.basicConsume(queue, { prefetchCount: 5 })
  await consumer.ready
  consumer.pause()
  await untilReady(client, queue, 10)
  await eventually(async () => (await consumersOf(client, queue)) === 0)
  await consumer.qos(2)
  expect(await consumersOf(client, queue)).toBe(0)
  consumer.resume()
  await untilReady(client, queue, 8)
  consumer.pause()
  await client.drain()
})
