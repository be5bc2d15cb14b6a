/**
 * Covers a broker at its limits: one that is short of memory blocks publishers, one that takes small messages only
 * refuses large ones. Both need a node of their own.
 */
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  type Client,
  PreconditionFailedError,
  ResourceError,
  TimeoutError,
} from '../../src/index.js'
import { type PrivateNode, startPrivateNode } from '../support/broker/broker.js'
import { getTexts, open } from '../support/broker/client.js'
import { untilReady } from '../support/broker/consuming.js'
import { errorOf, namesOf } from '../support/outcome.js'

const MINUTE = 60_000
const LIMIT = 1_000_000

let node: PrivateNode
let names = 0

beforeAll(async () => {
  node = await startPrivateNode({ config: [`max_message_size = ${LIMIT}`] })
}, 2 * MINUTE)

afterAll(() => node.stop(), MINUTE)

let alarmed = false

async function alarm(): Promise<void> {
  alarmed = true
  await node.ctl('set_vm_memory_high_watermark', '0.0001')
}

async function allClear(): Promise<void> {
  if (!alarmed) return
  await node.ctl('set_vm_memory_high_watermark', '0.4')
  alarmed = false
}

async function declare(client: Client): Promise<string> {
  return (await client.queueDeclare(`queue-${names++}`)).queue
}

/** Publishes during an alarm, until the broker has blocked the connection over it; what was published waits. */
async function publishIntoAlarm(client: Client, queue: string): Promise<{ first: Promise<void> }> {
  await alarm()
  const blocked = once(client, 'blocked')
  const first = client.basicPublish('', queue, 'first')
  expect(await blocked).toEqual([expect.stringContaining('memory')])
  // Within an object, since a promise in a promise would be waited for.
  return { first }
}

describe('a broker short of memory', () => {
  afterEach(allClear, MINUTE)

  test(
    'blocks those who publish: what they publish waits, and leaves in order afterwards',
    async () => {
      const client = await open({}, node.url)
      const queue = await declare(client)
      const unblocked = once(client, 'unblocked')
      const { first } = await publishIntoAlarm(client, queue)
      let settled = 0
      const waiting = Array.from({ length: 200 }, (_, n) =>
        client.basicPublish('', queue, `${n}`, { confirm: n % 2 === 0 }).finally(() => settled++),
      )
      const timedOut = errorOf<AmqpError>(client.basicPublish('', queue, 'too late', { timeout: 100 }))
      const controller = new AbortController()
      const aborted = errorOf(client.basicPublish('', queue, 'unwanted', { signal: controller.signal }))
      expect(await timedOut).toBeInstanceOf(TimeoutError)
      controller.abort(new Error('changed my mind'))
      expect((await aborted) as Error).toMatchObject({ message: 'changed my mind' })
      expect(settled).toBe(0)
      await allClear()
      await unblocked
      await Promise.all([first, ...waiting])
      // Nobody says when those without a confirm have arrived.
      await untilReady(client, queue, 201)
      const texts = await getTexts(client, queue)
      const byConfirm = (rest: number): string[] => texts.filter(text => Number(text) % 2 === rest)
      expect(texts[0]).toBe('first')
      expect(byConfirm(0)).toEqual(Array.from({ length: 100 }, (_, n) => `${2 * n}`))
      expect(byConfirm(1)).toEqual(Array.from({ length: 100 }, (_, n) => `${2 * n + 1}`))
      expect(texts).toHaveLength(201)
    },
    MINUTE,
  )

  test(
    'leaves everything else of the same client alone: declaring, getting, consuming, acking, closing',
    async () => {
      const client = await open({}, node.url)
      const queue = await declare(client)
      const numbers = [0, 1, 2, 3]
      for (const n of numbers) await client.basicPublish('', queue, `${n}`)
      const consumer = client.basicConsume(queue, { prefetchCount: 1 })
      const read: string[] = []
      const { first } = await publishIntoAlarm(client, await declare(client))
      expect(client.isOpen).toBe(false)
      for await (const message of consumer) {
        read.push(message.text())
        // Each of them comes only when the one before is acked.
        expect(message.ack()).toBe(true)
        if (read.length === numbers.length) break
      }
      expect(read).toEqual(numbers.map(String))
      expect(await client.basicGet(await declare(client))).toBeNull()
      await expect(client.queueDelete(queue)).resolves.toEqual({ messageCount: 0 })
      await allClear()
      await first
    },
    MINUTE,
  )

  test(
    'leaves those alone who do not publish',
    async () => {
      const [client, other] = [await open({}, node.url), await open({}, node.url)]
      const queue = await declare(client)
      await client.basicPublish('', queue, 'there already')
      const consumer = other.basicConsume(queue)
      await consumer.ready
      let blocked = false
      other.on('blocked', () => {
        blocked = true
      })
      const { first } = await publishIntoAlarm(client, queue)
      for await (const message of consumer) {
        expect(message.ack()).toBe(true)
        break
      }
      expect(await other.queueDeclare(queue, { passive: true })).toMatchObject({ messageCount: 0 })
      expect(await other.basicGet(queue)).toBeNull()
      expect(blocked).toBe(false)
      await allClear()
      await first
    },
    MINUTE,
  )

  test(
    'does not keep close() from ending, nor what waits from being told',
    async () => {
      const client = await open({}, node.url)
      const queue = await declare(client)
      const { first } = await publishIntoAlarm(client, queue)
      const inLine = [true, false].map(confirm => client.basicPublish('', queue, 'in line', { confirm }))
      const outcomes = namesOf([first, ...inLine])
      await client.close()
      expect(await outcomes).toEqual(Array(3).fill('ConnectionClosedError'))
    },
    MINUTE,
  )

  test(
    'is waited for within bounds: what is beyond maxPendingPublishes fails at once',
    async () => {
      const client = await open({ maxPendingPublishes: 10 }, node.url)
      const queue = await declare(client)
      const { first } = await publishIntoAlarm(client, queue)
      const published = [first]
      for (let n = 1; n < 15; n++) published.push(client.basicPublish('', queue, `${n}`))
      const outcomes = namesOf(published)
      const error = await errorOf<AmqpError>(published[10] as Promise<void>)
      expect(error).toBeInstanceOf(ResourceError)
      expect(error.message).toContain('maxPendingPublishes')
      await allClear()
      expect(await outcomes).toEqual([...Array(10).fill('ok'), ...Array(5).fill('ResourceError')])
    },
    MINUTE,
  )
})

describe('a broker that takes messages up to a size', () => {
  test(
    'refuses larger ones, and nothing but those, among many in flight',
    async () => {
      const client = await open({}, node.url)
      const queue = await declare(client)
      const large = Buffer.alloc(LIMIT + 1)
      const culprits = [3, 4, 150, 299]
      const outcomes = await Promise.allSettled(
        Array.from({ length: 300 }, (_, n) =>
          client.basicPublish('', queue, culprits.includes(n) ? large : `${n}`),
        ),
      )
      const refused = outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [n] : []))
      expect(refused).toEqual(culprits)
      for (const n of culprits) {
        const { reason } = outcomes[n] as PromiseRejectedResult
        expect(reason).toBeInstanceOf(PreconditionFailedError)
        expect(reason).toMatchObject({ replyCode: 406, operation: 'basicPublish' })
        expect(reason.message).toContain('size')
      }
      const texts = [...new Set(await getTexts(client, queue))]
      const expected = Array.from({ length: 300 }, (_, n) => `${n}`).filter((_, n) => !culprits.includes(n))
      expect(texts).toEqual(expected)
    },
    MINUTE,
  )

  test('takes one of just that size', async () => {
    const client = await open({}, node.url)
    const queue = await declare(client)
    await client.basicPublish('', queue, Buffer.alloc(LIMIT))
    expect((await client.basicGet(queue, { noAck: true }))?.body.length).toBe(LIMIT)
  })
})
