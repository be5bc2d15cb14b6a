/** Covers the prefetch count: how many messages a consumer may have in hand, and how that changes while it runs. */
import { describe, expect, test } from '@jest/globals'
import type { Message } from '../../src/index.js'
import { newQueue, open } from '../support/broker/client.js'
import {
  CLASSIC,
  consumersOf,
  fill,
  isPending,
  iterate,
  numbers,
  QUEUE_KINDS,
  QUORUM,
  readyIn,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { errorOf, eventually } from '../support/outcome.js'

const MINUTE = 60_000

/**
 * Every message came, once and in order. What a quorum queue had under way to a consumer that makes way, it takes back,
 * sends a little later, and marks as redelivered.
 */
function expectAllInOrder(messages: readonly Message[], count: number, kind: string): void {
  expect(new Set(textsOf(messages))).toEqual(new Set(numbers(count)))
  const inOrder = messages.filter(({ redelivered }) => kind !== 'quorum' || !redelivered)
  expect(inOrder.every(({ redelivered }) => !redelivered)).toBe(true)
  const texts = textsOf(inOrder)
  expect(texts).toEqual(numbers(count).filter(text => texts.includes(text)))
  expect(texts.length).toBeGreaterThan(count / 2)
}

describe('a prefetch count', () => {
  test.each(QUEUE_KINDS)(
    'hands out as many messages as it says, and one more for each that is settled ($kind)',
    async ({ declare, consume }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 10)
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 3, arguments: consume }))
      const taken = await take(messages, 3)
      const fourth = messages.next()
      expect(await isPending(fourth, client)).toBe(true)
      taken[1]?.ack()
      taken.push((await fourth).value as Message)
      const fifth = messages.next()
      expect(await isPending(fifth, client)).toBe(true)
      taken[3]?.ack({ multiple: true })
      taken.push((await fifth).value as Message, ...(await take(messages, 2)))
      expect(textsOf(taken)).toEqual(numbers(7))
    },
  )

  test.each([CLASSIC, QUORUM])(
    'keeps the rest in the queue, for other consumers ($kind)',
    async ({ declare }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 10)
      const consumer = client.basicConsume(queue, { prefetchCount: 3 })
      await consumer.ready
      await untilReady(client, queue, 7)
      expect(await take(iterate(client.basicConsume(queue)), 7)).toHaveLength(7)
    },
  )

  test('counts messages that were nacked and rejected as settled', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 4)
    const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
    await take(messages, 1, message => message.reject({ requeue: false }))
    await take(messages, 1, message => message.nack({ requeue: false }))
    expect(textsOf(await take(messages, 1))).toEqual(['2'])
    expect(await isPending(messages.next(), client)).toBe(true)
  })

  test(
    'of 0 sets no limit: a reader that never acks 70,000 messages never runs dry',
    async () => {
      const client = await open()
      const queue = await newQueue(client)
      const body = Buffer.from('small')
      // More than the largest prefetch count.
      const count = 70_000
      for (let sent = 0; sent < count; sent++) await client.basicPublish('', queue, body, { confirm: false })
      await eventually(async () => (await readyIn(client, queue)) === count, MINUTE)
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 0 }))
      const held = await take(messages, 10_000)
      // What the reader does not hold is bounded by what it holds; the rest is with the broker.
      expect(await readyIn(client, queue)).toBeGreaterThan(count - 10_000 - 4 * 10_000)
      const rest = await take(messages, count - 10_000)
      expect(new Set([...held, ...rest].map(message => message.deliveryTag)).size).toBe(count)
      rest.at(-1)?.ack({ multiple: true })
      await client.drain()
      const janitor = await open()
      expect(await janitor.queueDelete(queue)).toEqual({ messageCount: 0 })
    },
    2 * MINUTE,
  )
})

describe('basicQos', () => {
  test.each(QUEUE_KINDS)(
    'releases a second message at once when 1 becomes 2 ($kind)',
    async ({ declare, consume }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 5)
      const consumer = client.basicConsume(queue, { prefetchCount: 1, arguments: consume })
      const messages = iterate(consumer)
      await take(messages, 1)
      const second = messages.next()
      expect(await isPending(second, client)).toBe(true)
      await client.basicQos(consumer, 2)
      expect((await second).value?.text()).toBe('1')
      expect(await isPending(messages.next(), client)).toBe(true)
    },
  )

  test.each(QUEUE_KINDS)(
    'called again and again, it loses nothing and repeats nothing ($kind)',
    async ({ kind, declare, consume }) => {
      const client = await open()
      const publisher = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 500)
      const consumer = client.basicConsume(queue, { prefetchCount: 7, arguments: consume })
      const changes: Promise<void>[] = []
      let later: Promise<void> | undefined
      const messages = await take(iterate(consumer), 1500, message => {
        message.ack()
        const number = Number(message.text())
        if (number % 50 === 0) changes.push(client.basicQos(consumer, 1 + (number % 17)))
        if (number === 250) later = fill(publisher, queue, 1000, 500)
      })
      await Promise.all([later, ...changes])
      expect(changes.length).toBeGreaterThan(20)
      expect(messages.every(message => message.consumerTag === consumer.consumerTags[0])).toBe(true)
      expectAllInOrder(messages, 1500, kind)
      expect(await isPending(iterate(consumer).next(), client)).toBe(true)
      // Of its consumers, a stream does not tell.
      if (kind !== 'stream') expect(await consumersOf(client, queue)).toBe(1)
    },
  )

  test('lowered, makes the broker keep what is beyond it', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const consumer = client.basicConsume(queue, { prefetchCount: 100 })
    await consumer.ready
    await consumer.qos(2)
    await fill(client, queue, 10)
    await untilReady(client, queue, 8)
  })

  test('of 0 lifts the limit', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 100)
    const consumer = client.basicConsume(queue, { prefetchCount: 1 })
    const messages = iterate(consumer)
    await take(messages, 1)
    await consumer.qos(0)
    expect(await take(messages, 99)).toHaveLength(99)
  })

  test('is fine at once after basicConsume, twice, concurrently, after cancel and after the end', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 10)
    const consumer = client.basicConsume(queue, { prefetchCount: 5 })
    await Promise.all([consumer.qos(1), consumer.qos(4), client.basicQos(consumer, 2)])
    const messages = iterate(consumer)
    const [first] = await take(messages, 2)
    expect(await isPending(messages.next(), client)).toBe(true)
    await Promise.all([consumer.qos(9), consumer.qos(1), consumer.cancel(), consumer.qos(3)])
    await consumer.qos(8)
    expect(first?.ack()).toBe(true)
    await client.close()
    await consumer.qos(5)
  })

  test('does not cost an auto-delete queue its life', async () => {
    const client = await open()
    const queue = await newQueue(client, { autoDelete: true })
    const consumer = client.basicConsume(queue, { prefetchCount: 1 })
    await consumer.ready
    await consumer.qos(2)
    await consumer.qos(3)
    await fill(client, queue, 3)
    expect(await take(iterate(consumer), 3)).toHaveLength(3)
  })

  test.each(['classic', 'quorum'])(
    'leaves a queue with a single active consumer alive and in order (%s)',
    async type => {
      const client = await open()
      const declare = { 'x-queue-type': type, 'x-single-active-consumer': true }
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 100)
      const consumer = client.basicConsume(queue, { prefetchCount: 5 })
      const changes: Promise<void>[] = []
      const messages = await take(iterate(consumer), 100, message => {
        message.ack()
        if (Number(message.text()) % 10 === 0) changes.push(consumer.qos(2 + changes.length))
      })
      await Promise.all(changes)
      expect(changes).toHaveLength(10)
      expectAllInOrder(messages, 100, type)
      await eventually(async () => (await consumersOf(client, queue)) === 1)
    },
  )

  test.each([-1, 65_536, 0.5, Number.NaN, '3'])(
    'rejects %p with an ArgumentError, and changes nothing',
    async count => {
      const client = await open()
      const queue = await newQueue(client)
      await fill(client, queue, 3)
      const consumer = client.basicConsume(queue, { prefetchCount: 1 })
      expect(await errorOf(client.basicQos(consumer, count as number))).toMatchObject({ code: 'ARGUMENT' })
      const messages = iterate(consumer)
      await take(messages, 1)
      expect(await isPending(messages.next(), client)).toBe(true)
    },
  )

  test('rejects what is no consumer with an ArgumentError', async () => {
    const client = await open()
    expect(await errorOf(client.basicQos({} as never, 1))).toMatchObject({
      code: 'ARGUMENT',
      operation: 'basicQos',
    })
    expect(await errorOf(client.basicCancel('tag' as never))).toMatchObject({
      code: 'ARGUMENT',
      operation: 'basicCancel',
    })
  })
})
