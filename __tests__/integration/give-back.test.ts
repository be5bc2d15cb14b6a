/**
 * Covers what becomes of messages that were delivered and not worked on: they go back, as little as possible is counted
 * against the delivery limit of a quorum queue, and nothing is held for nobody.
 */
import { describe, expect, test } from '@jest/globals'
import type { Client, ConsumeOptions, Consumer, Message } from '../../src/index.js'
import { brokerIsAtLeast, brokerUrl } from '../support/broker/broker.js'
import { newExchange, newQueue, open } from '../support/broker/client.js'
import {
  ack,
  CLASSIC,
  consumersOf,
  fill,
  iterate,
  numbers,
  QUORUM,
  readyIn,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

const MINUTE = 60_000
const MESSAGES = 60
const LIMIT = 20
const ROUNDS = 25
/** With a window of one message, a round counts at most twice: against the message in hand, and against the next one. */
const MOST_DEAD = Math.floor((2 * ROUNDS) / LIMIT)
/** From this release on, only what was rejected, or was lost with its channel or connection, counts towards the limit. */
const NACKS_ARE_FREE = brokerIsAtLeast(4, 3)

/** A quorum queue with a delivery limit and numbered messages; `dead` gets what goes beyond the limit. */
async function limited(client: Client, count = MESSAGES): Promise<{ queue: string; dead: string }> {
  const dead = await newQueue(client)
  const exchange = await newExchange(client, { type: 'fanout' })
  await client.queueBind(dead, exchange)
  const queue = await newQueue(client, {
    arguments: { ...QUORUM.declare, 'x-delivery-limit': LIMIT, 'x-dead-letter-exchange': exchange },
  })
  await fill(client, queue, count)
  return { queue, dead }
}

/** Waits until nothing is under way: all of so many messages are ready, or dead. Resolves with how many are ready. */
async function survivorsOf(
  client: Client,
  { queue, dead }: { queue: string; dead: string },
  count = MESSAGES,
): Promise<number> {
  let ready = 0
  await eventually(async () => {
    ready = await readyIn(client, queue)
    return ready + (await readyIn(client, dead)) === count
  })
  return ready
}

/** What each message of a quorum queue counts towards the delivery limit. */
async function countsOf(client: Client, queue: string, count: number): Promise<number[]> {
  const messages = await take(iterate(client.basicConsume(queue, { prefetchCount: count })), count)
  return messages.map(({ deliveryCount = 0 }) => deliveryCount)
}

/** Leaves a loop at its first message, time after time. Resolves with how many messages are left. */
async function breakAgainAndAgain(options: ConsumeOptions, nacks: boolean): Promise<number> {
  const client = await open()
  const queues = await limited(client)
  for (let round = 0; round < ROUNDS; round++) {
    for await (const message of client.basicConsume(queues.queue, options)) {
      if (nacks) message.nack()
      break
    }
    await survivorsOf(client, queues)
  }
  return survivorsOf(client, queues)
}

/** Connects, has a consumer get messages that nobody reads, and goes, time after time. */
async function goAgainAndAgain(options: ConsumeOptions, leave: 'close' | 'cut'): Promise<number> {
  const proxy = await TcpProxy.start(brokerUrl())
  const steady = await open()
  const queues = await limited(steady)
  for (let round = 0; round < ROUNDS; round++) {
    const client = await open({}, proxy.url)
    const consumer = client.basicConsume(queues.queue, options)
    // Nobody reads, and all may be dead.
    await consumer.ready
    await eventually(
      async () => client.metrics().delivered > 0 || (await readyIn(steady, queues.queue)) === 0,
    )
    if (leave === 'close') {
      await client.close()
    } else {
      proxy.cut('reset')
      await client.closed
    }
    await survivorsOf(steady, queues)
  }
  return survivorsOf(steady, queues)
}

describe(`a quorum queue with a delivery limit of ${LIMIT} and ${MESSAGES} messages`, () => {
  const WAYS: readonly (readonly [string, ConsumeOptions, boolean])[] = [
    ['nacks the message in hand', {}, true],
    ['nacks the message in hand, with a window of 50', { prefetchCount: 50 }, true],
    ['gives the message in hand back by option', { onLeave: 'requeue' }, false],
    ['gives it back by option, with a window of 50', { onLeave: 'requeue', prefetchCount: 50 }, false],
  ]

  test.each(NACKS_ARE_FREE ? WAYS : WAYS.filter(([, { prefetchCount }]) => prefetchCount === undefined))(
    `keeps all but what is counted after ${ROUNDS} loops, each of which %s and is left`,
    async (_, options, nacks) => {
      const left = await breakAgainAndAgain(options, nacks)
      expect(left).toBeGreaterThanOrEqual(NACKS_ARE_FREE ? MESSAGES : MESSAGES - MOST_DEAD)
    },
    2 * MINUTE,
  )

  test.each(WAYS.filter(([, { prefetchCount }]) => prefetchCount === undefined))(
    `keeps as many after ${ROUNDS} loops as with a prefetch count of 1, where each %s and is left`,
    async (_, options, nacks) => {
      const [byDefault, one] = await Promise.all([
        breakAgainAndAgain(options, nacks),
        breakAgainAndAgain({ ...options, prefetchCount: 1 }, nacks),
      ])
      const mayDie = NACKS_ARE_FREE ? 0 : MOST_DEAD
      expect(one).toBeGreaterThanOrEqual(MESSAGES - mayDie)
      // Which of the two is counted, the message in hand or the next one, is chance.
      expect(Math.abs(byDefault - one)).toBeLessThan(Math.max(mayDie, 1))
    },
    2 * MINUTE,
  )

  // A window of 50 that goes back 25 times is dead before RabbitMQ 4.3, whoever gives it back.
  test.each([{}, { noAck: true }, ...(NACKS_ARE_FREE ? [{ prefetchCount: 50 }] : [])])(
    `keeps all but what is counted after ${ROUNDS} clients that close without having read (%j)`,
    async options => {
      const left = await goAgainAndAgain(options, 'close')
      expect(left).toBeGreaterThanOrEqual(NACKS_ARE_FREE ? MESSAGES : MESSAGES - MOST_DEAD)
    },
    2 * MINUTE,
  )

  test(
    `keeps as many after ${ROUNDS} lost connections as with a prefetch count of 1`,
    async () => {
      const byDefault = await goAgainAndAgain({}, 'cut')
      const one = await goAgainAndAgain({ prefetchCount: 1 }, 'cut')
      expect(one).toBeGreaterThanOrEqual(MESSAGES - MOST_DEAD)
      expect(Math.abs(byDefault - one)).toBeLessThan(MOST_DEAD)
    },
    2 * MINUTE,
  )

  test(
    'dead-letters a message that no handler can cope with, and nothing else',
    async () => {
      const client = await open()
      const { queue, dead } = await limited(client, 3)
      const consumer = client.basicConsume(queue)
      const tries: string[] = []
      const running = consumer.forEach(message => {
        tries.push(message.text())
        if (message.text() === '1') throw new Error('poison')
      })
      await untilReady(client, dead, 1)
      await consumer.cancel()
      await running
      const [poison] = await take(iterate(client.basicConsume(dead)), 1)
      expect(poison?.text()).toBe('1')
      expect(poison?.deaths).toMatchObject([{ queue, reason: 'delivery_limit', count: 1 }])
      expect(tries.filter(text => text === '1')).toHaveLength(LIMIT + 1)
      expect(tries.filter(text => text !== '1')).toEqual(['0', '2'])
      expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
    },
    MINUTE,
  )
})

describe('a loop that is left with one message in hand and 49 in the buffer', () => {
  test('gives back the 49, of which RabbitMQ 4.3 counts none, and can still ack the one', async () => {
    const client = await open()
    const { queue } = await limited(client)
    const held: Message[] = []
    const consumer = client.basicConsume(queue, { prefetchCount: 50 })
    for await (const message of consumer) {
      await untilReady(client, queue, MESSAGES - 50)
      held.push(message)
      break
    }
    await untilReady(client, queue, MESSAGES - 1)
    expect(held[0]?.ack()).toBe(true)
    const counts = await countsOf(client, queue, MESSAGES - 1)
    const returned = counts.filter(count => count > 0)
    expect(returned).toEqual(NACKS_ARE_FREE ? [] : Array(49).fill(1))
  })

  test('gives back all 50 by option, in whatever order they are settled', async () => {
    const client = await open()
    const { queue } = await limited(client)
    const held: Message[] = []
    const consumer = client.basicConsume(queue, { prefetchCount: 50, onLeave: 'requeue' })
    for await (const message of consumer) {
      held.push(message)
      if (held.length === 10) {
        for (const at of [8, 0, 3]) held[at]?.ack()
        break
      }
    }
    await untilReady(client, queue, MESSAGES - 3)
    for (const message of held)
      expect(() => message.ack()).toThrow(expect.objectContaining({ code: 'ALREADY_SETTLED' }))
    const counts = await countsOf(client, queue, MESSAGES - 3)
    expect(counts.filter(count => count > 0)).toHaveLength(NACKS_ARE_FREE ? 0 : 47)
  })

  test.each([CLASSIC, QUORUM])(
    'and 300 held ones, acked one by one in a mixed order: none of them comes again ($kind)',
    async ({ declare }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 349)
      const held: Message[] = []
      for await (const message of client.basicConsume(queue, { prefetchCount: 349 })) {
        held.push(message)
        if (held.length === 300) {
          await untilReady(client, queue, 0)
          break
        }
      }
      await untilReady(client, queue, 49)
      // 7 and 300 have no common divisor.
      for (let turn = 0; turn < 300; turn++) {
        expect(held[(7 * turn) % 300]?.ack()).toBe(true)
        if (turn % 50 === 0) await new Promise(resolve => setImmediate(resolve))
      }
      await client.drain()
      const other = await open()
      const left = await take(iterate(other.basicConsume(queue, { prefetchCount: 60 })), 49)
      expect(textsOf(left).toSorted()).toEqual(numbers(49, 300).toSorted())
      await eventually(async () => (await other.queueDeclare(queue, { passive: true })).consumerCount === 1)
      expect(await readyIn(other, queue)).toBe(0)
    },
    2 * MINUTE,
  )
})

describe('onLeave', () => {
  test.each([CLASSIC, QUORUM])(
    "'requeue' gives back at once what is in hand, and leaves no channel ($kind)",
    async ({ declare }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 10)
      const { channels } = client.metrics()
      const consumer = client.basicConsume(queue, { prefetchCount: 5, onLeave: 'requeue' })
      const failing = async (): Promise<void> => {
        for await (const message of consumer) if (message.text() === '2') throw new Error('of the loop')
      }
      expect((await errorOf(failing())).message).toBe('of the loop')
      await untilReady(client, queue, 10)
      expect(client.metrics()).toMatchObject({ unsettled: 0, consumers: 0 })
      await eventually(() => client.metrics().channels === channels)
    },
  )

  const failThirtyTimes = async (client: Client, queue: string, onLeave: 'keep' | 'requeue') => {
    for (let round = 0; round < 30; round++) {
      const failing = async (): Promise<void> => {
        for await (const _ of client.basicConsume(queue, { onLeave })) throw new Error('of the loop')
      }
      expect((await errorOf(failing())).message).toBe('of the loop')
    }
  }

  test("'keep' shows in the metrics after 30 failing loops", async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 100)
    const { channels } = client.metrics()
    await failThirtyTimes(client, queue, 'keep')
    expect(client.metrics()).toMatchObject({ unsettled: 30, consumers: 0, channels: channels + 30 })
    await untilReady(client, queue, 70)
  })

  test("'requeue' shows nothing in the metrics after 30 failing loops", async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 100)
    const { channels } = client.metrics()
    await failThirtyTimes(client, queue, 'requeue')
    expect(client.metrics()).toMatchObject({ unsettled: 0, consumers: 0 })
    await eventually(() => client.metrics().channels === channels)
    await untilReady(client, queue, 100)
  })

  test("'requeue' of one loop of several gives back what that one holds, and no other's", async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 10)
    const consumer = client.basicConsume(queue, { prefetchCount: 10, onLeave: 'requeue' })
    const [one, two] = [iterate(consumer), iterate(consumer)]
    const [kept] = await take(one, 1)
    await take(two, 3)
    await two.return?.()
    await untilReady(client, queue, 9)
    expect(kept?.ack()).toBe(true)
  })

  test("'requeue' leaves alone what the loop settled, and what was given to forEach", async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 30)
    let count = 0
    for await (const message of client.basicConsume(queue, { onLeave: 'requeue' })) {
      if (++count <= 20) message.ack()
      if (count === 25) break
    }
    await untilReady(client, queue, 10)
    const consumer = client.basicConsume(queue, { onLeave: 'requeue' })
    const handled: string[] = []
    await consumer.forEach(message => {
      handled.push(message.text())
      if (handled.length === 10) void consumer.cancel()
    })
    expect(handled.toSorted()).toEqual(numbers(10, 20))
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })
})

describe('a consumer that nobody reads', () => {
  test.each<[string, (consumer: Consumer) => Promise<unknown>]>([
    ['no handler', consumer => consumer.forEach(undefined as never)],
    ['a concurrency of 0', consumer => consumer.forEach(ack, { concurrency: 0 })],
    ['a signal that is none', consumer => consumer.forEach(ack, { signal: 5 as never })],
  ])('since forEach has refused %s, is cancelled, and its messages are back', async (_, refused) => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 100)
    const consumer = client.basicConsume(queue)
    expect(await errorOf(refused(consumer))).toMatchObject({ code: 'ARGUMENT' })
    expect(client.metrics()).toMatchObject({ consumers: 0, unsettled: 0 })
    await eventually(async () => (await consumersOf(client, queue)) === 0)
    await untilReady(client, queue, 100)
    // Also one that runs already.
    const running = client.basicConsume(queue)
    await running.ready
    expect(await errorOf(refused(running))).toMatchObject({ code: 'ARGUMENT' })
    await eventually(async () => (await consumersOf(client, queue)) === 0)
    await untilReady(client, queue, 100)
  })

  test.each([CLASSIC, QUORUM])('holds one message ($kind)', async ({ declare }) => {
    const client = await open()
    const queue = await newQueue(client, { arguments: declare })
    await fill(client, queue, 100)
    await client.basicConsume(queue).ready
    await client.basicConsume(queue, { noAck: true }).ready
    await untilReady(client, queue, 98)
    expect(client.metrics()).toMatchObject({ consumers: 2, unsettled: 2 })
  })
})

describe('the window of a consumer without a prefetch count', () => {
  test.each([
    { noAck: false, how: 'acks each message' },
    { noAck: true, how: 'needs no acks' },
  ])('grows with a reader that $how: 20,000 messages come in order, none twice', async ({ noAck }) => {
    const client = await open()
    const queue = await newQueue(client, { arguments: CLASSIC.declare })
    const count = 20_000
    for (let at = 0; at < count; at += 5000) await fill(client, queue, 5000, at)
    let next = 0
    let most = 0
    const consumer = client.basicConsume(queue, { noAck })
    for await (const message of consumer) {
      if (message.text() !== String(next) || message.redelivered) {
        expect([message.text(), message.redelivered]).toEqual([String(next), false])
      }
      if (!noAck) message.ack()
      next++
      if (next % 500 === 0) most = Math.max(most, client.metrics().unsettled)
      // The last ones: the reader pauses, and the broker fills the window.
      if (next === count - 5000) {
        await eventually(() => client.metrics().unsettled >= 900)
        expect(await readyIn(client, queue)).toBeLessThanOrEqual(5000 - 900)
      }
      if (next === count) break
    }
    expect(most).toBeLessThanOrEqual(1000 + 2 * 512)
    expect(client.metrics()).toMatchObject({ delivered: count, settled: count })
    await client.drain()
  })

  test.each([CLASSIC, QUORUM])(
    'stays small with a reader who takes his time, and a second consumer gets the rest ($kind)',
    async ({ declare }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 100)
      const slow = iterate(client.basicConsume(queue))
      for (let turn = 0; turn < 10; turn++) {
        const [message] = await take(slow, 1)
        // So long that the next one is there when the reader comes back.
        await untilReady(client, queue, 99 - turn)
        message?.ack()
        await untilReady(client, queue, 98 - turn)
      }
      expect(client.metrics().unsettled).toBe(1)
      const other = await open()
      await take(iterate(other.basicConsume(queue)), 89, ack)
      await untilReady(client, queue, 0)
      expect(client.metrics().unsettled).toBe(1)
    },
  )
})
