/** Covers basicConsumeMulti: several queues by one consumer, with one prefetch count over all of them. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError, type Message, type QueueItem } from '../../src/index.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'
import {
  ack,
  consumersOf,
  fill,
  isPending,
  iterate,
  numbers,
  QUEUE_KINDS,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { errorOf, eventually, tally } from '../support/outcome.js'

describe('basicConsumeMulti', () => {
  test('takes messages from every queue, each told apart by its routing key and consumer tag', async () => {
    const client = await open()
    const queues = await Promise.all([newQueue(client), newQueue(client), newQueue(client)])
    await Promise.all(queues.map(queue => fill(client, queue, 20)))
    const consumer = client.basicConsumeMulti(queues)
    const messages = await take(iterate(consumer), 60, ack)
    for (const [index, queue] of queues.entries()) {
      const own = messages.filter(message => message.routingKey === queue)
      expect(textsOf(own)).toEqual(numbers(20))
      expect(new Set(own.map(message => message.consumerTag))).toEqual(
        new Set([consumer.consumerTags[index]]),
      )
    }
  })

  test.each(QUEUE_KINDS)(
    'never has more in hand than its prefetch count over all queues ($kind)',
    async ({ declare, consume }) => {
      const client = await open()
      const queues = await Promise.all([1, 2, 3].map(() => newQueue(client, { arguments: declare })))
      await Promise.all(queues.map(queue => fill(client, queue, 30)))
      const items = queues.map(queue => ({ queue, arguments: consume }))
      const messages = iterate(client.basicConsumeMulti(items, { prefetchCount: 4 }))
      const taken: Message[] = []
      while (taken.length < 90) {
        const inHand = await take(messages, Math.min(4, 90 - taken.length))
        if (taken.length < 40) {
          const next = messages.next()
          expect(await isPending(next, client)).toBe(true)
          inHand[0]?.ack()
          inHand.push((await next).value as Message)
        }
        for (const message of inHand.slice(inHand.length > 4 ? 1 : 0)) message.ack()
        taken.push(...inHand)
      }
      expect(tally(taken.map(message => message.routingKey))).toEqual(
        Object.fromEntries(queues.map(queue => [queue, 30])),
      )
    },
  )

  test.each(QUEUE_KINDS)(
    'has its prefetch count raised and lowered while it runs ($kind)',
    async ({ declare, consume }) => {
      const client = await open()
      const queues = await Promise.all([1, 2].map(() => newQueue(client, { arguments: declare })))
      await Promise.all(queues.map(queue => fill(client, queue, 50)))
      const items = queues.map(queue => ({ queue, arguments: consume }))
      const consumer = client.basicConsumeMulti(items, { prefetchCount: 1 })
      const messages = iterate(consumer)
      const taken = await take(messages, 1)
      const second = messages.next()
      expect(await isPending(second, client)).toBe(true)
      await client.basicQos(consumer, 5)
      taken.push((await second).value as Message, ...(await take(messages, 3)))
      const sixth = messages.next()
      expect(await isPending(sixth, client)).toBe(true)
      await client.basicQos(consumer, 2)
      for (const message of taken.slice(0, 3)) message.ack()
      expect(await isPending(sixth, client)).toBe(true)
      for (const message of taken.slice(3)) message.ack()
      taken.push((await sixth).value as Message)
      taken[5]?.ack()
      taken.push(...(await take(messages, 94, ack)))
      const places = taken.map(message => `${message.routingKey} ${message.text()}`)
      expect(new Set(places)).toEqual(
        new Set(queues.flatMap(queue => numbers(50).map(text => `${queue} ${text}`))),
      )
    },
  )

  test('takes options for each queue, and makes tags unique that are the same', async () => {
    const client = await open()
    const other = await open()
    const queues = await Promise.all([1, 2, 3].map(() => newQueue(client)))
    const [a, b, c] = queues as [string, string, string]
    const items: QueueItem[] = [
      { queue: a, consumerTag: 'tag', exclusive: true },
      { queue: b, consumerTag: 'tag', noLocal: true },
      { queue: c, arguments: { 'x-priority': 3 } },
    ]
    const consumer = client.basicConsumeMulti(items)
    await consumer.ready
    expect(consumer.consumerTags).toEqual(['tag', 'tag.2', expect.stringMatching(/^puka\./)])
    expect(await errorOf(other.basicConsume(a).ready)).toMatchObject({ code: 'ACCESS_REFUSED' })
    await other.basicConsume(b).ready
    const low = other.basicConsume(c)
    await low.ready
    await fill(client, c, 10)
    expect(textsOf(await take(iterate(consumer), 10, ack))).toEqual(numbers(10))
    await consumer.cancel()
  })

  test('consumes from the same queue twice, and cancels both', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const consumer = client.basicConsumeMulti([queue, queue], { prefetchCount: 2 })
    await consumer.ready
    expect(new Set(consumer.consumerTags).size).toBe(2)
    expect(await consumersOf(client, queue)).toBe(2)
    await consumer.qos(3)
    expect(await consumersOf(client, queue)).toBe(2)
    await fill(client, queue, 50)
    const messages = await take(iterate(consumer), 50, ack)
    expect(new Set(textsOf(messages))).toEqual(new Set(numbers(50)))
    expect(new Set(messages.map(message => message.consumerTag))).toEqual(new Set(consumer.consumerTags))
    await client.basicCancel(consumer)
    expect(await consumersOf(client, queue)).toBe(0)
  })

  test('keeps tags apart that look like those of a changed prefetch count', async () => {
    const client = await open()
    const queues = await Promise.all([1, 2, 3].map(() => newQueue(client)))
    const tags = ['a', 'a~2', 'a~3']
    const items = queues.map((queue, index) => ({ queue, consumerTag: tags[index] as string }))
    const consumer = client.basicConsumeMulti(items, { prefetchCount: 1 })
    await consumer.ready
    for (const count of [2, 3, 4]) await consumer.qos(count)
    await Promise.all(queues.map(queue => fill(client, queue, 1)))
    const messages = await take(iterate(consumer), 3, ack)
    const tagOf = Object.fromEntries(messages.map(message => [message.routingKey, message.consumerTag]))
    expect(queues.map(queue => tagOf[queue])).toEqual(tags)
  })

  test('cancels every queue, and gives everything back that was not handed out', async () => {
    const client = await open()
    const queues = await Promise.all([1, 2, 3].map(() => newQueue(client)))
    await Promise.all(queues.map(queue => fill(client, queue, 10)))
    const consumer = client.basicConsumeMulti(queues, { prefetchCount: 5 })
    await take(iterate(consumer), 1, ack)
    await consumer.cancel()
    for (const queue of queues) expect(await consumersOf(client, queue)).toBe(0)
    const ready = async (): Promise<number> => {
      const results = await Promise.all(queues.map(queue => client.queueDeclare(queue, { passive: true })))
      return results.reduce((sum, { messageCount }) => sum + messageCount, 0)
    }
    await eventually(async () => (await ready()) === 29)
  })

  test('fails as a whole where one queue does not exist, and leaves no consumer behind', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    const consumer = client.basicConsumeMulti([queue, uniqueName()])
    expect(await errorOf(consumer.ready)).toMatchObject({ code: 'NOT_FOUND', operation: 'basicConsumeMulti' })
    expect(await errorOf(iterate(consumer).next())).toMatchObject({ code: 'NOT_FOUND' })
    await untilReady(client, queue, 3)
    expect(await consumersOf(client, queue)).toBe(0)
  })

  test('does without acks where noAck is set', async () => {
    const client = await open()
    const queues = await Promise.all([1, 2].map(() => newQueue(client)))
    await Promise.all(queues.map(queue => fill(client, queue, 30)))
    const consumer = client.basicConsumeMulti(queues, { noAck: true, prefetchCount: 2 })
    expect(await take(iterate(consumer), 60)).toHaveLength(60)
    await consumer.cancel()
    for (const queue of queues) expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test.each<[unknown, string]>([
    [[], 'at least one queue'],
    ['queue', 'an array'],
    [[1], 'by its name'],
    [[{ consumerTag: 'x' }], 'queue must be a string'],
    [[{ queue: 'q', consumerTag: 1 }], 'consumerTag'],
  ])('throws an ArgumentError at once for %j', async (queues, text) => {
    const client = await open()
    const consume = (): unknown => client.basicConsumeMulti(queues as QueueItem[])
    expect(consume).toThrow(ArgumentError)
    expect(consume).toThrow(text)
  })
})
