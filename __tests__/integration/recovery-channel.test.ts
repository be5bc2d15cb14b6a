/**
 * Covers consumers that the broker stops while the connection lives, as it does with those that take too long to ack; and
 * consumers of streams after a lost connection.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Client, Message, Table } from '../../src/index.js'
import { brokerIsAtLeast, brokerUrl, type PrivateNode, startPrivateNode } from '../support/broker/broker.js'
import { newQueue, open } from '../support/broker/client.js'
import {
  CLASSIC,
  consumersOf,
  fill,
  iterate,
  numbers,
  QUORUM,
  STREAM,
  take,
  textsOf,
  untilReady,
} from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { measured } from '../support/faults/traffic.js'
import { eventually } from '../support/outcome.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 20, maxDelay: 200 }
/** Milliseconds that a message may go without an ack, on the private node. */
const ACK_TIMEOUT = 3000
/**
 * The kinds of queues with a limit on that: RabbitMQ 4.3 has none for classic queues any more, and cancels the consumer of
 * a quorum queue instead of closing its channel.
 */
const LIMITED = brokerIsAtLeast(4, 3) ? [QUORUM] : [CLASSIC, QUORUM]

describe('a consumer that takes too long to ack', () => {
  let node: PrivateNode
  let names = 0

  beforeAll(async () => {
    node = await startPrivateNode()
    // RabbitMQ before 4.3 looks at this at intervals, by default of a minute; no line of rabbitmq.conf says otherwise.
    const settings = [`consumer_timeout, ${ACK_TIMEOUT}`, 'channel_tick_interval, 100']
    await node.ctl(
      'eval',
      `${settings.map(setting => `application:set_env(rabbit, ${setting})`).join(', ')}.`,
    )
  }, 2 * MINUTE)

  afterAll(() => node.stop(), MINUTE)

  async function declare(client: Client, args: Table = {}): Promise<string> {
    return (await client.queueDeclare(`late-${names++}`, { arguments: args })).queue
  }

  async function openWatched(): Promise<{ client: Client; losses: unknown[] }> {
    const client = await open({ recovery: RECOVERY }, node.url)
    const losses: unknown[] = []
    client.on('disconnect', error => losses.push(error))
    return { client, losses }
  }

  test.each(LIMITED)(
    'goes on with a new channel of the same kind ($kind queue): its late acks are false, and its siblings notice nothing',
    async ({ declare: args }) => {
      const { client, losses } = await openWatched()
      const [queue, siblings] = [await declare(client, args), await declare(client, args)]
      const consumer = client.basicConsume(queue, { prefetchCount: 2, consumerTag: 'late' })
      const messages = iterate(consumer)
      const sibling = client.basicConsume(siblings, { prefetchCount: 1 })
      const fromSibling: Message[] = []
      const working = sibling.forEach(message => void fromSibling.push(message))
      const got = client.basicGet(queue)
      await fill(client, queue, 5)
      const held = await take(messages, 2)
      expect(await got).toBeNull()
      let sent = 0
      const began = performance.now()
      const again = take(messages, 2)
      let over = false
      const stop = (): void => {
        over = true
      }
      again.then(stop, stop)
      while (!over) await client.basicPublish('', siblings, String(sent++))
      measured('ack timeout', { 'ms until it came again': performance.now() - began, sent })
      const second = await again
      expect(textsOf(second).sort()).toEqual(['0', '1'])
      expect(second.map(({ redelivered }) => redelivered)).toEqual([true, true])
      expect(held.map(message => message.ack())).toEqual([false, false])
      expect(client.metrics().staleSettlements).toBe(2)
      // The window is what it was: two in hand, no third.
      const third = take(messages, 1)
      await untilReady(client, queue, 3)
      expect(await Promise.race([third, client.queueDeclare(queue, { passive: true })])).toHaveProperty(
        'queue',
      )
      expect(second.map(message => message.ack())).toEqual([true, true])
      expect(textsOf(await third)).toEqual(['2'])
      await eventually(() => fromSibling.length === sent)
      expect(textsOf(fromSibling)).toEqual(numbers(sent))
      expect(fromSibling.some(({ redelivered }) => redelivered)).toBe(false)
      const tags = await node.ctl('-q', '--no-table-headers', 'list_consumers', 'queue_name', 'consumer_tag')
      const own = tags.split('\n').filter(line => line.startsWith(`${queue}\t`))
      expect(own).toEqual([expect.stringMatching(/\tlate~\d+\.0$/)])
      expect(second.map(({ consumerTag }) => consumerTag)).toEqual(['late', 'late'])
      await sibling.cancel()
      await working
      expect(losses).toEqual([])
    },
    MINUTE,
  )

  test.each(LIMITED)(
    'is not given up, however often that happens ($kind queue)',
    async ({ declare: args }) => {
      const { client, losses } = await openWatched()
      const queue = await declare(client, args)
      const consumer = client.basicConsume(queue, { prefetchCount: 1 })
      const messages = iterate(consumer)
      await fill(client, queue, 2)
      const held: Message[] = []
      for (let life = 1; life <= 3; life++) held.push(...(await take(messages, 1)))
      expect(held.map(message => message.ack())).toEqual([false, false, true])
      const rest = await take(messages, 1, message => message.ack())
      // A quorum queue may give the second message to the new consumer before it has the first one back.
      expect(textsOf([...held.slice(2), ...rest]).sort()).toEqual(['0', '1'])
      if (args === CLASSIC.declare) expect(textsOf(held)).toEqual(['0', '0', '0'])
      await consumer.qos(10)
      await fill(client, queue, 10)
      expect(await take(messages, 10, message => message.ack())).toHaveLength(10)
      await consumer.cancel()
      expect(await messages.next()).toEqual({ value: undefined, done: true })
      // A quorum queue tells a little later.
      await eventually(async () => (await consumersOf(client, queue)) === 0)
      expect(losses).toEqual([])
    },
    MINUTE,
  )

  test.each(LIMITED)(
    'runs the handler of forEach again, and not twice at once more often than asked for ($kind queue)',
    async ({ declare: args }) => {
      const { client } = await openWatched()
      const queue = await declare(client, args)
      const consumer = client.basicConsume(queue)
      await fill(client, queue, 2)
      const handled: string[] = []
      await consumer.forEach(
        async message => {
          handled.push(message.text())
          // The first message's first handler waits until another delivery of it has been sent.
          if (handled.length === 1) await eventually(() => client.metrics().delivered >= 4)
          if (handled.length === 3) void consumer.cancel()
        },
        { concurrency: 1 },
      )
      // A quorum queue need not keep the order of what comes back.
      expect(handled.toSorted()).toEqual(['0', '0', '1'])
      expect(handled[0]).toBe('0')
      expect(client.metrics().staleSettlements).toBe(1)
      await untilReady(client, queue, 0)
    },
    MINUTE,
  )

  /** Resolves when the broker has taken an unacknowledged message from so many consumers of a quorum queue. */
  async function ackTimeouts(count: number): Promise<void> {
    const client = await open({ recovery: false }, node.url)
    const queue = await declare(client, QUORUM.declare)
    await fill(client, queue, 1)
    for (let holder = 0; holder <= count; holder++) await take(iterate(client.basicConsume(queue)), 1)
  }

  test(
    'may take as long as it likes from a classic queue of RabbitMQ 4.3 or later',
    async () => {
      const { client, losses } = await openWatched()
      const queue = await declare(client, CLASSIC.declare)
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
      await fill(client, queue, 2)
      const [held] = await take(messages, 1)
      await ackTimeouts(2)
      const unlimited = !LIMITED.includes(CLASSIC)
      expect(held?.ack()).toBe(unlimited)
      const [next] = await take(messages, 1)
      expect([next?.text(), next?.redelivered]).toEqual(unlimited ? ['1', false] : ['0', true])
      expect(losses).toEqual([])
    },
    MINUTE,
  )
})

describe('a consumer of a stream, its connection cut time after time', () => {
  const COUNT = 600

  test.each([
    { prefetchCount: 7, how: 'acked at once', settle: true },
    { prefetchCount: 0, how: 'never acked', settle: false },
  ])(
    'goes on behind the last message handed out, with messages $how: none twice, none left out',
    async ({ prefetchCount, settle }) => {
      const link = await TcpProxy.start(brokerUrl())
      const client = await open({ recovery: RECOVERY }, link.url)
      const other = await open()
      const stream = await newQueue(other, { arguments: STREAM.declare })
      await fill(other, stream, COUNT / 2)
      const options = { prefetchCount, arguments: { 'x-stream-offset': 3 } }
      const texts: string[] = []
      const more: Promise<unknown>[] = []
      for await (const message of client.basicConsume(stream, options)) {
        texts.push(message.text())
        if (settle) message.ack()
        if (texts.length % 100 === 50) {
          const recovered = once(client, 'recovered')
          link.cut('reset')
          // One cut finds the loop waiting, the next finds it at work.
          if (texts.length % 200 === 50) await recovered
          else if (more.length < 2)
            more.push(fill(other, stream, COUNT / 4, COUNT / 2 + (more.length * COUNT) / 4))
        }
        if (texts.length === COUNT - 3) break
      }
      await Promise.all(more)
      expect(texts).toEqual(numbers(COUNT - 3, 3))
      expect(client.metrics().reconnects).toBeGreaterThanOrEqual(3)
    },
    MINUTE,
  )

  test(
    'and of a queue beside it, gets each message of the stream once, and each of the queue at least once',
    async () => {
      const link = await TcpProxy.start(brokerUrl())
      const client = await open({ recovery: RECOVERY }, link.url)
      const stream = await newQueue(client, { arguments: STREAM.declare })
      const queue = await newQueue(client)
      await Promise.all([fill(client, stream, 200), fill(client, queue, 200)])
      const fromStream: string[] = []
      const fromQueue = new Set<string>()
      const items = [{ queue: stream, arguments: STREAM.consume }, queue]
      for await (const message of client.basicConsumeMulti(items, { prefetchCount: 20 })) {
        if (message.routingKey === stream) fromStream.push(message.text())
        else fromQueue.add(message.text())
        message.ack()
        if (fromStream.length === 60 || fromQueue.size === 90) link.cut('reset')
        if (fromStream.length >= 200 && fromQueue.size === 200) break
      }
      expect(fromStream).toEqual(numbers(200))
      await untilReady(client, queue, 0)
      expect(client.metrics().reconnects).toBeGreaterThan(0)
    },
    MINUTE,
  )
})
