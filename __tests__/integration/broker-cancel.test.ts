/**
 * Covers consumers that the broker cancels: they come back by themselves while their queue is there, give up after a few
 * tries where it is not, and settle nothing of their cancelled life.
 */
import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  type Client,
  ConnectionClosedError,
  type Consumer,
  ConsumerCancelledError,
  type Message,
  NotFoundError,
} from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'
import {
  ack,
  CLASSIC,
  consumersOf,
  fill,
  iterate,
  numbers,
  QUEUE_KINDS,
  QUORUM,
  type QueueKind,
  readyIn,
  STREAM,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { errorOf, eventually, gate } from '../support/outcome.js'

/** A client that consumes, another one, and a queue of the other one. */
async function pair({ declare }: QueueKind = CLASSIC) {
  const [client, other] = await Promise.all([open(), open()])
  return { client, other, queue: await newQueue(other, { arguments: declare }) }
}

/** Deletes a queue and declares it again at once. */
async function redeclare(other: Client, queue: string, { declare }: QueueKind = CLASSIC): Promise<void> {
  await other.queueDelete(queue)
  await other.queueDeclare(queue, { arguments: declare })
}

/** Resolves when a consumer runs on a classic queue that was declared again. */
async function backOn(other: Client, queue: string, consumer: Consumer): Promise<void> {
  await eventually(async () => (await consumersOf(other, queue)) === 1)
  expect(consumer.state).toEqual({ name: 'running' })
}

/** Resolves when a consumer has been cancelled, whose queue is not there. */
const interrupted = (consumer: Consumer): Promise<void> =>
  eventually(() => consumer.state.name === 'resuming')

/** Waits until everything that is in a queue has been delivered. */
const untilDelivered = (client: Client, count: number): Promise<void> =>
  eventually(() => client.metrics().delivered === count)

/**
 * Deletes a queue, and declares it again when its consumer has heard of that. RabbitMQ 3.10 does not tell of a quorum queue
 * that is there again at once, and goes on as if its consumer consumed from the new one.
 */
async function replace(
  other: Client,
  queue: string,
  consumer: Consumer,
  { declare }: QueueKind,
): Promise<void> {
  await other.queueDelete(queue)
  await interrupted(consumer)
  await other.queueDeclare(queue, { arguments: declare })
  await eventually(() => consumer.state.name === 'running')
}

describe('a queue that is deleted under its consumer', () => {
  test.each(QUEUE_KINDS)(
    'ends the loop after a few tries, with an error that says why ($kind queue)',
    async kind => {
      const { client, other, queue } = await pair(kind)
      const consumer = client.basicConsume(queue, { prefetchCount: 10 })
      await consumer.ready
      const next = iterate(consumer).next()
      const ended = once(client, 'consumerEnded')
      await other.queueDelete(queue)
      const error = await errorOf<ConsumerCancelledError>(next)
      expect(error).toBeInstanceOf(ConsumerCancelledError)
      expect(error.message).toMatch(
        /the broker cancelled the consumer of queue '.*': probably it was deleted/,
      )
      expect(error.message).toMatch(/it does not come back: the queue was deleted \(.*NOT_FOUND/)
      expect(error).toMatchObject({ operation: 'basicConsume', ticket: expect.any(Number) })
      expect(error.cause).toBeInstanceOf(NotFoundError)
      expect(await ended).toEqual([consumer, error])
      expect(client.isOpen).toBe(true)
      expect(client.metrics()).toMatchObject({ consumers: 0, unsettled: 0 })
    },
  )

  test('ends forEach, too, when its handlers have ended: their acks are false', async () => {
    const { client, other, queue } = await pair()
    await fill(other, queue, 4)
    const release = gate()
    const handled: Message[] = []
    const work = client.basicConsume(queue).forEach(
      async message => {
        handled.push(message)
        await release.opened
      },
      { concurrency: 2 },
    )
    const outcome = errorOf(work)
    await untilDelivered(client, 4)
    const ended = once(client, 'consumerEnded')
    await other.queueDelete(queue)
    await ended
    release.open()
    expect(await outcome).toMatchObject({ code: 'CONSUMER_CANCELLED', cause: expect.any(NotFoundError) })
    expect(textsOf(handled)).toEqual(numbers(4))
    expect(client.metrics()).toMatchObject({ settled: 0, staleSettlements: 4 })
  })

  test('leaves what its consumer had not handed out to the loop, but nothing to settle', async () => {
    const { client, other, queue } = await pair()
    await fill(other, queue, 5)
    const consumer = client.basicConsume(queue, { prefetchCount: 10 })
    const messages = iterate(consumer)
    const held = await take(messages, 1)
    await untilDelivered(client, 5)
    await other.queueDelete(queue)
    held.push(...(await take(messages, 4)))
    expect(textsOf(held)).toEqual(numbers(5))
    expect(await errorOf(messages.next())).toMatchObject({ code: 'CONSUMER_CANCELLED' })
    expect(held.map(ack)).toEqual([false, false, false, false, false])
    expect(client.metrics()).toMatchObject({ delivered: 5, settled: 0, staleSettlements: 5, unsettled: 0 })
  })

  test('leaves a consumer with noAck what it had not handed out', async () => {
    const { client, other, queue } = await pair()
    await fill(other, queue, 20)
    const consumer = client.basicConsume(queue, { prefetchCount: 100, noAck: true })
    const messages = iterate(consumer)
    expect(textsOf(await take(messages, 1))).toEqual(['0'])
    await untilDelivered(client, 20)
    await other.queueDelete(queue)
    expect(textsOf(await take(messages, 19))).toEqual(numbers(19, 1))
    expect(await errorOf(messages.next())).toMatchObject({ code: 'CONSUMER_CANCELLED' })
  })

  test("ends a consumer with onCancel: 'end' at once, even if it is declared again", async () => {
    const { client, other, queue } = await pair()
    const consumer = client.basicConsume(queue, { onCancel: 'end' })
    await consumer.ready
    const next = iterate(consumer).next()
    await redeclare(other, queue)
    const error = await errorOf(next)
    expect(error).toBeInstanceOf(ConsumerCancelledError)
    expect(error.message).toMatch(/probably it was deleted or has moved$/)
    expect(error.cause).toBeUndefined()
    expect(consumer.state).toEqual({ name: 'ended', error })
    // Whatever it might have sent would come before this.
    await client.queueDeclare(queue, { passive: true })
    expect(await consumersOf(other, queue)).toBe(0)
  })

  test('is deleted for one of several consumers of a client: the others notice nothing', async () => {
    const { client, other, queue } = await pair()
    const kept = await newQueue(other)
    const [consumer, sibling] = [client.basicConsume(queue), client.basicConsume(kept)]
    const messages = iterate(sibling)
    await Promise.all([consumer.ready, sibling.ready])
    await other.queueDelete(queue)
    await errorOf(iterate(consumer).next())
    await fill(other, kept, 3)
    const got = await take(messages, 3, ack)
    expect(got.map(({ redelivered, deliveryTag }) => [redelivered, deliveryTag])).toEqual(
      [1, 2, 3].map(tag => [false, tag]),
    )
  })
})

describe('a queue that is deleted and declared again', () => {
  const kinds = [CLASSIC, QUORUM].flatMap(before => QUEUE_KINDS.map(after => ({ before, after })))

  test.each(kinds)(
    'has its consumer back, which reads on ($before.kind, then $after.kind)',
    async ({ before, after }) => {
      const { client, other, queue } = await pair(before)
      await fill(other, queue, 3)
      const consumer = client.basicConsume(queue, { prefetchCount: 2, consumerTag: 'mine' })
      const messages = iterate(consumer)
      const held = await take(messages, 2)
      await replace(other, queue, consumer, after)
      await fill(other, queue, 5, 10)
      const again = await take(messages, 2)
      // These would settle the new ones if they were sent: the delivery tags are the same.
      expect(held.map(ack)).toEqual([false, false])
      expect(client.metrics().staleSettlements).toBe(2)
      expect(again.map(ack)).toEqual([true, true])
      again.push(...(await take(messages, 3, ack)))
      expect(textsOf(again)).toEqual(numbers(5, 10))
      expect(again.map(({ consumerTag }) => consumerTag)).toEqual(Array(5).fill('mine'))
      expect(consumer.state).toEqual({ name: 'running' })
      await consumer.cancel()
      expect(await messages.next()).toEqual({ value: undefined, done: true })
      await client.drain()
    },
  )

  test('at once does not hand out what waited unread: that is gone', async () => {
    const { client, other, queue } = await pair()
    await fill(other, queue, 10)
    const consumer = client.basicConsume(queue, { prefetchCount: 10 })
    const messages = iterate(consumer)
    await take(messages, 1)
    await untilDelivered(client, 10)
    await redeclare(other, queue)
    await backOn(other, queue, consumer)
    await fill(other, queue, 10, 100)
    expect(textsOf(await take(messages, 10, ack))).toEqual(numbers(10, 100))
    expect(client.metrics().unsettled).toBe(0)
  })

  test('has its consumer back when it is missing for a moment only', async () => {
    const { client, other, queue } = await pair()
    const consumer = client.basicConsume(queue)
    await consumer.ready
    const next = iterate(consumer).next()
    await other.queueDelete(queue)
    await interrupted(consumer)
    await other.queueDeclare(queue)
    await fill(other, queue, 1)
    expect((await next).value?.text()).toBe('0')
    expect(await consumersOf(other, queue)).toBe(1)
  })

  test('has its consumer back again and again, as long as messages come', async () => {
    const { client, other, queue } = await pair()
    const consumer = client.basicConsume(queue)
    const messages = iterate(consumer)
    for (let life = 0; life < 10; life++) {
      await fill(other, queue, 1, life)
      const [message] = await take(messages, 1)
      expect(message?.text()).toBe(String(life))
      await redeclare(other, queue)
      await backOn(other, queue, consumer)
      expect(message?.ack()).toBe(false)
    }
    expect(await consumersOf(other, queue)).toBe(1)
    expect(client.metrics()).toMatchObject({ consumers: 1, unsettled: 0, staleSettlements: 10 })
  })

  test('has a consumer with noAck, and one with forEach, back', async () => {
    const { client, other, queue } = await pair()
    const second = await newQueue(other)
    const [automatic, handled] = [client.basicConsume(queue, { noAck: true }), client.basicConsume(second)]
    const texts: string[] = []
    const work = handled.forEach(message => void texts.push(message.text()))
    await Promise.all([automatic.ready, handled.ready])
    await Promise.all([redeclare(other, queue), redeclare(other, second)])
    await Promise.all([backOn(other, queue, automatic), backOn(other, second, handled)])
    await Promise.all([fill(other, queue, 3), fill(other, second, 3)])
    expect(textsOf(await take(iterate(automatic), 3))).toEqual(numbers(3))
    await eventually(() => texts.length === 3)
    await client.drain()
    await work
    expect(await readyIn(other, queue)).toBe(0)
    expect(await readyIn(other, second)).toBe(0)
  })

  test('has the consumer of a stream back, from the offset that its user asked for', async () => {
    const { client, other, queue } = await pair(STREAM)
    const consumer = client.basicConsume(queue, { prefetchCount: 10, arguments: STREAM.consume })
    await consumer.ready
    await replace(other, queue, consumer, STREAM)
    await fill(other, queue, 5)
    expect(textsOf(await take(iterate(consumer), 5, ack))).toEqual(numbers(5))
  })
})

describe('one of several queues of a consumer', () => {
  test('that is deleted for good ends the consumer; what came from the others can be settled', async () => {
    const { client, other, queue } = await pair()
    const kept = await newQueue(other)
    await fill(other, kept, 4)
    await fill(other, queue, 1, 100)
    const consumer = client.basicConsumeMulti([queue, kept], { prefetchCount: 10 })
    const messages = iterate(consumer)
    await untilDelivered(client, 5)
    await other.queueDelete(queue)
    const held = await take(messages, 5)
    const error = await errorOf(messages.next())
    expect(error).toMatchObject({ code: 'CONSUMER_CANCELLED', cause: expect.any(NotFoundError) })
    expect(error.message).toContain(`'${queue}'`)
    const fromKept = held.filter(({ routingKey }) => routingKey === kept)
    expect(textsOf(fromKept)).toEqual(numbers(4))
    expect(held.filter(({ routingKey }) => routingKey === queue).map(ack)).toEqual([false])
    expect(fromKept.map(ack)).toEqual([true, true, true, true])
    await client.drain()
    expect(await other.queueDelete(kept)).toEqual({ messageCount: 0 })
  })

  test.each([CLASSIC, QUORUM])(
    'that is deleted and declared again: the consumer goes on with all, and loses nothing of the others ($kind)',
    async kind => {
      const { client, other, queue } = await pair(kind)
      const kept = await newQueue(other, { arguments: kind.declare })
      await fill(other, kept, 6)
      const consumer = client.basicConsumeMulti([queue, kept], { prefetchCount: 10 })
      const messages = iterate(consumer)
      const held = await take(messages, 2)
      await untilDelivered(client, 6)
      await replace(other, queue, consumer, kind)
      // The broker has not taken back what came from the other queue.
      expect(held.map(ack)).toEqual([true, true])
      await fill(other, queue, 3, 100)
      const rest = textsOf(await take(messages, 7, ack)).sort()
      expect(rest).toEqual([...numbers(3, 100), ...numbers(4, 2)])
      await eventually(() => client.metrics().unsettled === 0)
      expect(await readyIn(other, kept)).toBe(0)
      await consumer.cancel()
      await eventually(async () => (await consumersOf(other, kept)) === 0)
      expect(client.metrics().unsettled).toBe(0)
    },
  )
})

describe('a permission that is taken away', () => {
  test('ends the consumer when the broker cancels it, with an error that says so', async () => {
    const { other, queue } = await pair()
    const user = uniqueName()
    await ctl('add_user', user, 'secret')
    try {
      await ctl('set_permissions', user, '.*', '.*', '.*')
      const url = new URL(brokerUrl())
      url.username = user
      url.password = 'secret'
      const client = await open({}, url.href)
      const consumer = client.basicConsume(queue)
      await consumer.ready
      await ctl('set_permissions', user, '.*', '.*', '^$')
      const next = iterate(consumer).next()
      await redeclare(other, queue)
      const error = await errorOf(next)
      expect(error).toBeInstanceOf(ConsumerCancelledError)
      expect(error.message).toMatch(/it does not come back: it may not read from the queue any more/)
      expect(error.cause).toBeInstanceOf(AccessRefusedError)
      expect(client.isOpen).toBe(true)
      expect(client.isHealthy).toBe(false)
    } finally {
      await ctl('delete_user', user)
    }
  })
})

describe('while a consumer tries in vain to come back', () => {
  /** A consumer whose queue is gone, with a loop that waits, and two messages in hand. */
  async function gone() {
    const { client, other, queue } = await pair()
    await fill(other, queue, 4)
    const consumer = client.basicConsume(queue, { prefetchCount: 4 })
    const messages = iterate(consumer)
    const held = await take(messages, 2)
    await untilDelivered(client, 4)
    await other.queueDelete(queue)
    await interrupted(consumer)
    return { client, other, queue, consumer, messages, held, next: messages.next() }
  }

  test('drain ends its loop normally, and waits for nothing', async () => {
    const { client, next, held } = await gone()
    const began = performance.now()
    await client.drain({ timeout: 5000 })
    expect(performance.now() - began).toBeLessThan(2000)
    expect(await next).toEqual({ value: undefined, done: true })
    expect(held.map(ack)).toEqual([false, false])
  })

  test('close ends its loop with the error of a closed client', async () => {
    const { client, next, held } = await gone()
    const error = errorOf(next)
    await client.close()
    expect(await error).toBeInstanceOf(ConnectionClosedError)
    expect(held.map(ack)).toEqual([false, false])
  })

  test('cancel ends its loop normally, and it does not come back', async () => {
    const { client, other, queue, consumer, next } = await gone()
    await consumer.cancel()
    expect(await next).toEqual({ value: undefined, done: true })
    expect(consumer.state).toEqual({ name: 'ended', error: undefined })
    await other.queueDeclare(queue)
    expect(client.metrics()).toMatchObject({ consumers: 0, unsettled: 0 })
    await client.drain()
    expect(await consumersOf(other, queue)).toBe(0)
  })

  test('break ends it', async () => {
    const { client, consumer, messages, next } = await gone()
    await messages.return?.()
    expect(await next).toEqual({ value: undefined, done: true })
    expect(consumer.state).toEqual({ name: 'ended', error: undefined })
    expect(client.isHealthy).toBe(true)
  })

  test('forEach ends by drain when its handlers have ended', async () => {
    const { client, other, queue } = await pair()
    await fill(other, queue, 1)
    const release = gate()
    const consumer = client.basicConsume(queue)
    let busy = false
    const work = consumer.forEach(async () => {
      busy = true
      await release.opened
    })
    await eventually(() => busy)
    await other.queueDelete(queue)
    await interrupted(consumer)
    const drained = client.drain({ timeout: 10_000 })
    release.open()
    await Promise.all([drained, work])
  })

  test('a pause, and a change of the prefetch count, wait for it', async () => {
    const { client, other, queue } = await pair()
    const consumer = client.basicConsume(queue, { prefetchCount: 2 })
    await consumer.ready
    await other.queueDelete(queue)
    await interrupted(consumer)
    consumer.pause()
    await consumer.qos(3)
    consumer.resume()
    await other.queueDeclare(queue)
    await fill(other, queue, 5)
    const held = await take(iterate(consumer), 3)
    await untilReady(client, queue, 2)
    expect(held.map(ack)).toEqual([true, true, true])
  })
})
