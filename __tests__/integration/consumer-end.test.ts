/** Covers the end of a consumer: by leaving the loop, by cancel, by a signal, by the broker; and `ready`. */
import { describe, expect, test } from '@jest/globals'
import type { Client, Consumer, Message } from '../../src/index.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'
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
  take,
  textsOf,
  timesReturned,
  untilReady,
} from '../support/broker/consuming.js'
import { errorOf, eventually } from '../support/outcome.js'

/** Loops over a consumer, and leaves the loop at the third message in the way that `leave` has. */
async function loop(
  consumer: Consumer,
  held: Message[],
  leave: 'break' | 'return' | 'throw',
): Promise<string> {
  for await (const message of consumer) {
    held.push(message)
    if (held.length < 3) continue
    if (leave === 'break') break
    if (leave === 'return') return 'returned'
    throw new Error('thrown')
  }
  return 'broken'
}

describe('leaving the loop', () => {
  test.each(
    [CLASSIC, QUORUM].flatMap(({ kind, declare }) =>
      (['break', 'return', 'throw'] as const).map(leave => ({ kind, declare, leave })),
    ),
  )(
    'by $leave cancels the consumer and gives back what was not handed out ($kind)',
    async ({ declare, leave }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      await fill(client, queue, 10)
      const held: Message[] = []
      const outcome = loop(client.basicConsume(queue), held, leave)
      if (leave === 'throw') expect((await errorOf(outcome)).message).toBe('thrown')
      else expect(await outcome).toBe(leave === 'break' ? 'broken' : 'returned')
      expect(textsOf(held)).toEqual(['0', '1', '2'])
      await untilReady(client, queue, 7)
      // What was handed out can still be settled, and only that. Until then a quorum queue counts the consumer.
      expect(held.map(message => message.ack())).toEqual([true, true, true])
      await eventually(async () => (await consumersOf(client, queue)) === 0)
      await client.drain()
      const other = await open()
      // A quorum queue need not keep the order of what comes back.
      const rest = textsOf(await take(iterate(other.basicConsume(queue)), 7, ack))
      expect(rest.sort()).toEqual(numbers(7, 3))
    },
  )

  test('leaves the channel to nobody: a hundred loops use no more than a few channels', async () => {
    const client = await open({ channelMax: 8 })
    const queue = await newQueue(client)
    await fill(client, queue, 100)
    for (let round = 0; round < 100; round++) {
      for await (const message of client.basicConsume(queue, { prefetchCount: 1 })) {
        message.ack()
        break
      }
    }
    expect(await readyIn(client, queue)).toBe(0)
  })

  test('ends the other loops over the same consumer, which shared its messages', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const consumer = client.basicConsume(queue)
    const texts: string[][] = [[], []]
    const loops = texts.map(async own => {
      for await (const message of consumer) {
        own.push(message.text())
        message.ack()
        if (own.length + (texts[0] === own ? 0 : 1000) === 30) break
      }
    })
    await fill(client, queue, 100)
    await Promise.all(loops)
    const all = texts.flat()
    expect(texts[0]).toHaveLength(30)
    expect(texts[1]?.length).toBeGreaterThan(0)
    expect(new Set(all).size).toBe(all.length)
    await untilReady(client, queue, 100 - all.length)
  })
})

describe('cancel', () => {
  test('ends the loop normally, and gives back what was not handed out', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 10)
    const consumer = client.basicConsume(queue)
    const texts: string[] = []
    for await (const message of consumer) {
      texts.push(message.text())
      message.ack()
      if (texts.length === 3) await client.basicCancel(consumer)
    }
    expect(texts).toEqual(['0', '1', '2'])
    await untilReady(client, queue, 7)
  })

  test('frees an iterator that waits, and every later one', async () => {
    const client = await open()
    const consumer = client.basicConsume(await newQueue(client))
    const waiting = [iterate(consumer).next(), iterate(consumer).next()]
    await consumer.ready
    await consumer.cancel()
    for (const next of waiting) expect(await next).toEqual({ done: true, value: undefined })
    expect(await iterate(consumer).next()).toEqual({ done: true, value: undefined })
  })

  test('is fine at once after basicConsume, twice, concurrently, and after the end', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 5)
    const early = client.basicConsume(queue)
    await early.cancel()
    expect(await errorOf(early.ready)).toMatchObject({ code: 'CONSUMER_CANCELLED' })
    const soon = client.basicConsume(queue)
    await Promise.resolve()
    await Promise.all([soon.cancel(), soon.cancel(), client.basicCancel(soon)])
    const late = client.basicConsume(queue)
    await late.ready
    await late.cancel()
    await late.cancel()
    const failed = client.basicConsume(uniqueName())
    await errorOf(failed.ready)
    await failed.cancel()
    await untilReady(client, queue, 5)
    expect(await consumersOf(client, queue)).toBe(0)
    await client.close()
    await Promise.all([early, soon, late, failed].map(consumer => consumer.cancel()))
  })

  test('happens at the end of an `await using` block', async () => {
    const client = await open()
    const queue = await newQueue(client)
    {
      await using consumer = client.basicConsume(queue)
      await consumer.ready
      expect(await consumersOf(client, queue)).toBe(1)
    }
    expect(await consumersOf(client, queue)).toBe(0)
  })

  test('sends each message back once, not to and fro', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: QUORUM.declare })
    await fill(client, queue, 20)
    const consumer = client.basicConsume(queue, { prefetchCount: 50 })
    await consumer.ready
    await eventually(async () => (await readyIn(client, queue)) === 0)
    await consumer.cancel()
    await untilReady(client, queue, 20)
    const messages = await take(iterate(client.basicConsume(queue)), 20)
    expect(new Set(messages.map(timesReturned))).toEqual(new Set([1]))
  })
})

describe('a signal', () => {
  test('ends the loop by throwing its reason, and gives back what was not handed out', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 10)
    const controller = new AbortController()
    const reason = new Error('enough')
    const consumer = client.basicConsume(queue, { signal: controller.signal })
    const run = async (): Promise<void> => {
      for await (const message of consumer) {
        message.ack()
        if (message.text() === '3') controller.abort(reason)
      }
    }
    expect(await errorOf(run())).toBe(reason)
    await untilReady(client, queue, 6)
    expect(await consumersOf(client, queue)).toBe(0)
  })

  test('that is aborted already never subscribes', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const reason = new Error('no')
    const consumer = client.basicConsume(queue, { signal: AbortSignal.abort(reason) })
    expect(await errorOf(iterate(consumer).next())).toBe(reason)
    expect(await errorOf(consumer.ready)).toBe(reason)
    expect(await consumersOf(client, queue)).toBe(0)
  })
})

describe('the broker', () => {
  const deletedBy = async (other: Client, queue: string, consumer: Consumer): Promise<void> => {
    await consumer.ready
    await eventually(async () => (await readyIn(other, queue)) === 0)
    await other.queueDelete(queue)
  }

  test('cancels where the queue is deleted: what came by then is handed out, then the loop throws', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 5)
    const consumer = client.basicConsume(queue, { prefetchCount: 10 })
    await deletedBy(other, queue, consumer)
    const texts: string[] = []
    const run = async (): Promise<void> => {
      for await (const message of consumer) texts.push(message.text())
    }
    expect(await errorOf(run())).toMatchObject({
      code: 'CONSUMER_CANCELLED',
      operation: 'basicConsume',
      ticket: expect.any(Number),
    })
    expect(texts).toEqual(numbers(5))
  })

  test.each([CLASSIC, QUORUM])(
    'deletes queue after queue: their consumers end, and the connection stays ($kind)',
    async ({ declare }) => {
      const [client, other] = [await open(), await open()]
      for (let round = 0; round < 5; round++) {
        const queue = await newQueue(other, { arguments: declare })
        const consumer = client.basicConsume(queue)
        await consumer.ready
        await other.queueDelete(queue)
        expect(await errorOf(iterate(consumer).next())).toMatchObject({ code: 'CONSUMER_CANCELLED' })
      }
      expect(client.isOpen).toBe(true)
    },
  )

  test('cancels, and the prefetch count still holds for what is left', async () => {
    const client = await open()
    const other = await open()
    const queues = [await newQueue(client), await newQueue(client)] as const
    await Promise.all(queues.map(queue => fill(client, queue, 2)))
    const consumer = client.basicConsumeMulti(queues, { prefetchCount: 2 })
    const messages = iterate(consumer)
    const held = await take(messages, 2)
    await eventually(async () => (await readyIn(other, queues[1])) === 0)
    await other.queueDelete(queues[0])
    await eventually(async () => (await consumersOf(other, queues[1])) === 0)
    const third = messages.next()
    expect(await isPending(third, client)).toBe(true)
    for (const message of held) message.ack()
    ;(await third).value?.ack()
    await take(messages, 1, ack)
    expect(await errorOf(messages.next())).toMatchObject({ code: 'CONSUMER_CANCELLED' })
    expect(await other.queueDelete(queues[1])).toEqual({ messageCount: 0 })
  })

  test('cancels one of several queues: the others are cancelled, and keep what is not handed out', async () => {
    const client = await open()
    const other = await open()
    const queues = [await newQueue(client), await newQueue(client)] as const
    const consumer = client.basicConsumeMulti(queues)
    await consumer.ready
    const waiting = iterate(consumer).next()
    await other.queueDelete(queues[0])
    expect(await errorOf(waiting)).toMatchObject({ code: 'CONSUMER_CANCELLED' })
    await eventually(async () => (await consumersOf(other, queues[1])) === 0)
    await fill(other, queues[1], 3)
    expect(await readyIn(other, queues[1])).toBe(3)
    await consumer.cancel()
  })

  test('cancels, and what nobody reads goes back when the user cancels the consumer, too', async () => {
    const client = await open()
    const other = await open()
    const queues = [await newQueue(client), await newQueue(client)] as const
    await fill(client, queues[1], 3)
    const consumer = client.basicConsumeMulti(queues, { prefetchCount: 10 })
    await consumer.ready
    await eventually(async () => (await readyIn(other, queues[1])) === 0)
    await other.queueDelete(queues[0])
    await eventually(async () => (await consumersOf(other, queues[1])) === 0)
    // By its user, before it has tried in vain to come back: that is no failure.
    await consumer.cancel()
    expect(await iterate(consumer).next()).toEqual({ value: undefined, done: true })
    await untilReady(other, queues[1], 3)
  })
})
