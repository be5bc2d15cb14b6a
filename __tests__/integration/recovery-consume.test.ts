/**
 * Covers consumers over connections that break: every message is worked on, acks of an earlier life stay off the wire,
 * and loops, handlers, tags, arguments and prefetch go on as they were.
 */
import { describe, expect, test } from '@jest/globals'
import type { Client, Message } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newQueue, open } from '../support/broker/client.js'
import {
  ack,
  consumersOf,
  fill,
  iterate,
  numbers,
  readyIn,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { Chaos } from '../support/faults/chaos.js'
import { type Cut, TcpProxy } from '../support/faults/proxy.js'
import { eventually } from '../support/outcome.js'

const MINUTE = 60_000
const MESSAGES = 5000
/** Milliseconds that a connection lives: enough to take some. */
const LIFE = 120
const FEWER = 1000
const RECOVERY = { initialDelay: 20, maxDelay: 100 }

/** A client whose connection can be broken, one whose connection holds, and a queue of the second. */
async function weak({ delay = 0, ...options } = {}) {
  const proxy = await TcpProxy.start(brokerUrl(), { delay })
  const [client, steady] = await Promise.all([open({ recovery: RECOVERY, ...options }, proxy.url), open()])
  return { proxy, client, steady, queue: await newQueue(steady) }
}

/** Cuts the connection, and waits until there is another one. */
async function cut(proxy: TcpProxy, client: Client, how: Cut = 'reset'): Promise<void> {
  const recovered = new Promise<void>(resolve => client.once('recovered', () => resolve()))
  proxy.cut(how)
  await recovered
}

/**
 * Waits until all is settled that a client under fire has received. What was out on a connection when that was cut comes
 * back only when the broker has seen that: when the consumer of the last connection is the only one left.
 */
async function untilAllSettled(
  proxy: TcpProxy,
  client: Client,
  steady: Client,
  queue: string,
): Promise<void> {
  // It may not have heard of the last cut yet: after this one it has.
  await cut(proxy, client)
  await eventually(async () => {
    const { messageCount, consumerCount } = await steady.queueDeclare(queue, { passive: true })
    return messageCount === 0 && consumerCount === 1
  })
  // What the broker has sent by then comes before its answer.
  await client.queueDeclare(queue, { passive: true })
  await client.drain()
  expect(await readyIn(steady, queue)).toBe(0)
}

describe('a consumer of thousands of messages whose connection is cut again and again', () => {
  test.each<Cut>(['reset', 'end'])(
    'by %s works on each of them, and leaves the queue empty',
    async how => {
      const { proxy, client, steady, queue } = await weak({ delay: 15 })
      await fill(steady, queue, MESSAGES)
      const seen = new Set<string>()
      let came = 0
      let stale = 0
      const all = new Promise<void>((resolve, reject) => {
        const work = async (): Promise<void> => {
          for await (const message of client.basicConsume(queue, { prefetchCount: 200 })) {
            came++
            seen.add(message.text())
            if (!message.ack()) stale++
            if (seen.size === MESSAGES) resolve()
          }
        }
        work().catch(reject)
      })
      const chaos = new Chaos(client, proxy, how, LIFE)
      await all
      await chaos.until(10)
      chaos.stop()
      const { reconnects, staleSettlements } = client.metrics()
      expect(reconnects).toBeGreaterThanOrEqual(9)
      expect(staleSettlements).toBe(stale)
      await untilAllSettled(proxy, client, steady, queue)
      expect([...seen].toSorted()).toEqual(numbers(MESSAGES).toSorted())
      console.log(
        `${MESSAGES} messages, ${chaos.cuts} cuts (${how}): ${came - MESSAGES} came again, ${stale} acks late`,
      )
    },
    2 * MINUTE,
  )
})

describe('an ack of an earlier life', () => {
  test('returns false, and never reaches the wire: no channel fails over it', async () => {
    const { proxy, client, steady, queue } = await weak()
    await fill(steady, queue, 20)
    const messages = iterate(client.basicConsume(queue, { prefetchCount: 10 }))
    const early = await take(messages, 10)
    expect(early[0]?.ack()).toBe(true)
    await eventually(() => client.metrics().settled === 1)
    // The broker has read it when it answers what comes behind.
    await take(messages, 1)
    await cut(proxy, client)
    expect(early.slice(1).map(ack)).toEqual(new Array(9).fill(false))
    const late = await take(messages, 10)
    // Had one of the nine gone out, it would have settled one of these, and the next ack of that were an error (406).
    expect(late.map(ack)).toEqual(new Array(10).fill(true))
    const rest = await take(messages, 9, ack)
    expect(textsOf([...late, ...rest]).toSorted()).toEqual(numbers(19, 1).toSorted())
    await messages.return?.()
    expect(await readyIn(steady, queue)).toBe(0)
    expect(client.metrics()).toMatchObject({ delivered: 30, settled: 20, staleSettlements: 9, reconnects: 1 })
  })

  test('returns false also while there is no connection, for each way to settle', async () => {
    const { proxy, client, steady, queue } = await weak()
    await fill(steady, queue, 4)
    const messages = iterate(client.basicConsume(queue, { prefetchCount: 4 }))
    const [first, second, third, fourth] = (await take(messages, 4)) as [Message, Message, Message, Message]
    proxy.refusing = true
    const lost = new Promise(resolve => client.once('disconnect', resolve))
    proxy.cut('reset')
    await lost
    const settled = [
      first.ack(),
      second.nack({ requeue: false }),
      third.reject({ requeue: false }),
      fourth.ack({ multiple: true }),
    ]
    expect(settled).toEqual([false, false, false, false])
    proxy.refusing = false
    expect(textsOf(await take(messages, 4, ack)).toSorted()).toEqual(['0', '1', '2', '3'])
    await messages.return?.()
    expect(await readyIn(steady, queue)).toBe(0)
  })

  test('does not hide a message: it comes again, marked as redelivered', async () => {
    const { proxy, client, steady, queue } = await weak()
    await fill(steady, queue, 1)
    const messages = iterate(client.basicConsume(queue))
    const [first] = await take(messages, 1)
    await cut(proxy, client, 'end')
    const [again] = await take(messages, 1, ack)
    expect([first?.redelivered, again?.redelivered]).toEqual([false, true])
    expect(again?.text()).toBe('0')
  })
})

describe('a consumer comes back', () => {
  test('with its tag and its prefetch count, also one that was changed', async () => {
    const { proxy, client, steady, queue } = await weak()
    const consumer = client.basicConsume(queue, { prefetchCount: 3, consumerTag: 'my-tag' })
    await consumer.ready
    await cut(proxy, client)
    await fill(steady, queue, 20)
    const messages = iterate(consumer)
    expect((await take(messages, 3)).map(({ consumerTag }) => consumerTag)).toEqual(
      new Array(3).fill('my-tag'),
    )
    await untilReady(steady, queue, 17)
    await consumer.qos(7)
    await cut(proxy, client)
    await take(messages, 7)
    await untilReady(steady, queue, 13)
    expect(consumer.consumerTags).toEqual(['my-tag'])
  })

  test('with its arguments: the broker still prefers it', async () => {
    const { proxy, client, steady, queue } = await weak()
    const preferred = client.basicConsume(queue, { prefetchCount: 20, arguments: { 'x-priority': 10 } })
    const other = steady.basicConsume(queue)
    await Promise.all([preferred.ready, other.ready])
    await cut(proxy, client)
    await fill(steady, queue, 10)
    expect(textsOf(await take(iterate(preferred), 10, ack))).toEqual(numbers(10))
  })

  test('to each of several queues, with the prefetch count over all of them', async () => {
    const { proxy, client, steady, queue } = await weak()
    const second = await newQueue(steady)
    const consumer = client.basicConsumeMulti([queue, second], { prefetchCount: 4 })
    await consumer.ready
    await cut(proxy, client)
    await Promise.all([fill(steady, queue, 10), fill(steady, second, 10, 10)])
    expect(textsOf(await take(iterate(consumer), 20, ack)).toSorted()).toEqual(numbers(20).toSorted())
  })

  test('not where it was cancelled while there was no connection', async () => {
    const { proxy, client, steady, queue } = await weak()
    const consumer = client.basicConsume(queue)
    await consumer.ready
    proxy.refusing = true
    const lost = new Promise(resolve => client.once('disconnect', resolve))
    proxy.cut('reset')
    await lost
    await consumer.cancel()
    expect(await iterate(consumer).next()).toEqual({ value: undefined, done: true })
    const recovered = new Promise(resolve => client.once('recovered', resolve))
    proxy.refusing = false
    await recovered
    expect(await consumersOf(steady, queue)).toBe(0)
  })

  test('also where it began while there was no connection', async () => {
    const { proxy, client, steady, queue } = await weak()
    proxy.refusing = true
    const lost = new Promise(resolve => client.once('disconnect', resolve))
    proxy.cut('reset')
    await lost
    const consumer = client.basicConsume(queue)
    await fill(steady, queue, 3)
    proxy.refusing = false
    expect(textsOf(await take(iterate(consumer), 3, ack))).toEqual(numbers(3))
    await consumer.ready
  })
})

test(
  'forEach goes on over ten lost connections, and its handlers see every message',
  async () => {
    const { proxy, client, steady, queue } = await weak({ delay: 2 })
    await fill(steady, queue, FEWER)
    const seen = new Set<string>()
    const consumer = client.basicConsume(queue)
    const chaos = new Chaos(client, proxy, 'reset', 50)
    const loop = consumer.forEach(
      async message => {
        seen.add(message.text())
        if (seen.size % 100 === 0) await chaos.until(Math.floor(seen.size / 100))
      },
      { concurrency: 5 },
    )
    await eventually(() => seen.size === FEWER, MINUTE)
    await chaos.until(10)
    chaos.stop()
    await untilAllSettled(proxy, client, steady, queue)
    await loop
  },
  2 * MINUTE,
)
