/**
 * Covers a broker that throws its clients out, stops, is killed, and comes back on the same data, while a producer and
 * a consumer run; and operations that are begun before, or while it is away.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Client, ConnectionBrokenError, TimeoutError } from '../../src/index.js'
import { brokerUrl, type PrivateNode, startPrivateNode } from '../support/broker/broker.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'
import { CLASSIC, QUORUM, type QueueKind, readyIn } from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { measured, Producer, Taker } from '../support/faults/traffic.js'
import { errorOf, eventually } from '../support/outcome.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 20, maxDelay: 500 }

describe('a broker that goes away', () => {
  let node: PrivateNode

  beforeAll(async () => {
    node = await startPrivateNode()
  }, 2 * MINUTE)

  afterAll(() => node.stop(), MINUTE)

  /** A producer and a consumer run while the broker is away, again and again. */
  async function survive(kind: QueueKind, rounds: number, leave: () => Promise<unknown>): Promise<void> {
    const client = await open({ recovery: RECOVERY }, node.url)
    const troubles: unknown[] = []
    client.on('topologyError', (...trouble) => troubles.push(trouble))
    const { queue } = await client.queueDeclare(`${kind.kind}-${performance.now()}`, {
      arguments: kind.declare,
    })
    const consumer = client.basicConsume(queue, { prefetchCount: 50 })
    const taker = new Taker(consumer)
    const producer = new Producer(client, queue)
    for (let round = 1; round <= rounds; round++) {
      await producer.more(200)
      const recovered = once(client, 'recovered')
      await leave()
      await recovered
    }
    await producer.more(200)
    await producer.stop()
    await eventually(() => taker.missing(producer.confirmed).length === 0)
    await eventually(async () => (await readyIn(client, queue)) === 0)
    await consumer.cancel()
    await taker.ended
    measured(`${kind.kind} queue`, {
      published: producer.published,
      confirmed: producer.confirmed.size,
      duplicates: taker.duplicates,
      resent: client.metrics().resent,
      'longest time without a confirm, ms': producer.gap.longest,
    })
    expect(producer.failures).toEqual([])
    expect(producer.confirmed.size).toBe(producer.published)
    expect(troubles).toEqual([])
    expect(client.metrics().reconnects).toBeGreaterThanOrEqual(rounds)
    await client.queueDelete(queue)
    await client.drain()
  }

  test(
    'to close all connections, loses nothing that was confirmed, and everything resolves',
    () => survive(CLASSIC, 3, () => node.ctl('close_all_connections', 'a test')),
    3 * MINUTE,
  )

  test(
    'to stop and start, loses nothing that was confirmed, and everything resolves',
    () =>
      survive(CLASSIC, 1, async () => {
        await node.ctl('stop_app')
        await node.ctl('start_app')
      }),
    3 * MINUTE,
  )

  test.each([CLASSIC, QUORUM])(
    'killed, and started again on its data, loses nothing that was confirmed ($kind queue), and everything resolves',
    kind =>
      survive(kind, 1, async () => {
        // RabbitMQ 3.10 writes what a quorum queue has voted for seconds later: one that is younger than that does not
        // come back from a crash of its only node.
        await node.ctl('eval', '[dets:sync(Table) || Table <- dets:all()].')
        await node.kill()
        await node.restart()
      }),
    3 * MINUTE,
  )

  test(
    'is waited for by operations begun meanwhile: they succeed, in order; a timeout holds throughout',
    async () => {
      const client = await open({ recovery: RECOVERY }, node.url)
      for (const queue of ['consumed', 'got']) await client.queueDeclare(queue)
      await client.basicPublish('', 'got', 'kept')
      const lost = once(client, 'disconnect')
      await node.kill()
      await lost
      const timedOut = errorOf(client.queueDeclare('timed-out', { timeout: 100 }))
      const aborted = errorOf(client.basicGet('got', { signal: AbortSignal.timeout(100) }))
      const message = client.basicGet('got')
      const declared = client.queueDeclare('meanwhile')
      const exchange = client.exchangeDeclare('meanwhile')
      const published = client.basicPublish('', 'consumed', 'meanwhile')
      const named = client.queueDeclare('')
      const consumer = client.basicConsume('consumed', { prefetchCount: 1 })
      expect(await timedOut).toBeInstanceOf(TimeoutError)
      expect(await aborted).toMatchObject({ name: 'TimeoutError' })
      expect(client.state.name).toBe('reconnecting')
      expect(client.isOpen).toBe(false)
      const began = performance.now()
      await node.restart()
      const got = await message
      expect(got?.text()).toBe('kept')
      expect(got?.ack()).toBe(true)
      expect(await declared).toMatchObject({ queue: 'meanwhile' })
      await exchange
      await published
      expect((await named).queue).toMatch(/^amq\.gen-/)
      await consumer.ready
      for await (const taken of consumer) {
        expect(taken.text()).toBe('meanwhile')
        expect(taken.ack()).toBe(true)
        break
      }
      measured('offline', { 'ms until all was done': performance.now() - began })
      expect(await errorOf(client.queueDeclare('timed-out', { passive: true }))).toMatchObject({
        replyCode: 404,
      })
      await client.drain()
    },
    3 * MINUTE,
  )
})

describe('an operation under way when the connection is lost', () => {
  /** What was asked for has been written, and has not arrived. */
  async function inFlight<T>(begin: (client: Client) => T): Promise<T> {
    const link = await TcpProxy.start(brokerUrl())
    const client = await open({ recovery: RECOVERY }, link.url)
    link.stall()
    const begun = begin(client)
    // It leaves with the other output of this tick.
    await new Promise(setImmediate)
    link.cut('reset')
    return begun
  }

  test('is repeated where that is harmless', async () => {
    const [queue, exchange] = [uniqueName(), uniqueName()]
    const outcomes = await inFlight(async client => [
      await Promise.all([
        client.queueDeclare(queue),
        client.exchangeDeclare(exchange),
        client.queueDeclare('', { exclusive: true }),
        client.queueDelete(uniqueName()),
      ]),
      await client.queueBind(queue, exchange, 'k'),
      await client.basicPublish(exchange, 'k', 'through'),
      (await client.basicGet(queue))?.text(),
    ])
    expect(outcomes).toEqual([
      [
        { queue, messageCount: 0, consumerCount: 0 },
        undefined,
        { queue: expect.stringMatching(/^amq\.gen-/), messageCount: 0, consumerCount: 0 },
        { messageCount: 0 },
      ],
      undefined,
      undefined,
      'through',
    ])
  })

  test('fails with ConnectionBrokenError where it would be done twice', async () => {
    const outcome = inFlight(async client => {
      const error = await errorOf(client.queueDeclare(''))
      return { error, queue: await newQueue(client) }
    })
    const { error, queue } = await outcome
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error).toMatchObject({ operation: 'queueDeclare', code: 'CONNECTION_BROKEN' })
    expect(queue).toMatch(/^puka-test-/)
  })
})
