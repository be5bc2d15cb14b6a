/**
 * Covers giving operations up by `signal` and `timeout`: at once, with the right reason, and with nothing left behind.
 */
import { describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  ArgumentError,
  type Client,
  type OperationOptions,
  TimeoutError,
} from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { channelsOf } from '../support/broker/listing.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually, namesOf, tally } from '../support/outcome.js'

type Operation = (client: Client, options: OperationOptions) => Promise<unknown>

/** Each of them can be repeated, and is harmless. */
const operations: [string, Operation][] = [
  [
    'exchangeDeclare',
    (client, options) => client.exchangeDeclare('amq.direct', { passive: true, ...options }),
  ],
  ['exchangeDelete', (client, options) => client.exchangeDelete('puka-test-never', options)],
  ['exchangeBind', (client, options) => client.exchangeBind('amq.fanout', 'amq.direct', 'never', options)],
  [
    'exchangeUnbind',
    (client, options) => client.exchangeUnbind('amq.fanout', 'amq.direct', 'never', options),
  ],
  ['queueDeclare', (client, options) => client.queueDeclare('', { exclusive: true, ...options })],
  ['queueDelete', (client, options) => client.queueDelete('puka-test-never', options)],
  ['queuePurge', (client, options) => client.queuePurge('puka-test-never', options)],
  ['queueBind', (client, options) => client.queueBind('puka-test-never', 'amq.direct', 'never', options)],
  ['queueUnbind', (client, options) => client.queueUnbind('puka-test-never', 'amq.direct', 'never', options)],
  ['basicPublish', (client, options) => client.basicPublish('', 'puka-test-never', 'x', options)],
  ['basicGet', (client, options) => client.basicGet('puka-test-never', options)],
]

const REASON = new Error('changed my mind')

/** What is published has a connection of its own, from the first time on. */
const warmUp = (client: Client): Promise<void> => client.basicPublish('', 'puka-test-never', 'x')

describe.each(operations)('%s', (name, operate) => {
  test("rejects with the signal's reason, whenever that is aborted", async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open({}, proxy.url)
    expect(await errorOf(operate(client, { signal: AbortSignal.abort(REASON) }))).toBe(REASON)

    const atOnce = new AbortController()
    const first = errorOf(operate(client, { signal: atOnce.signal }))
    atOnce.abort(REASON)
    expect(await first).toBe(REASON)

    await warmUp(client)
    proxy.stall()
    const later = new AbortController()
    const second = errorOf(operate(client, { signal: later.signal }))
    // It is written in this turn of the event loop.
    setImmediate(() => later.abort(REASON))
    expect(await second).toBe(REASON)

    const without = errorOf<Error>(operate(client, { signal: AbortSignal.abort() }))
    expect((await without).name).toBe('AbortError')
    await proxy.close()
  })

  test('rejects with TimeoutError where the outcome takes too long', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open({}, proxy.url)
    await warmUp(client)
    proxy.stall()
    const error = await errorOf<AmqpError>(operate(client, { timeout: 30 }))
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ code: 'TIMEOUT', operation: name, ticket: expect.any(Number) })
    expect(error.message).toContain('30 ms')
    await proxy.close()
  })

  test('is not hurt by a signal and a timeout that never come true', async () => {
    const client = await open()
    const { signal } = new AbortController()
    const [plain, guarded] = [
      await namesOf([operate(client, {})]),
      await namesOf([operate(client, { signal, timeout: 60_000 })]),
    ]
    expect(guarded).toEqual(plain)
  })

  test.each([{ timeout: 0 }, { timeout: Number.NaN }, { signal: {} as AbortSignal }])(
    'refuses %p with ArgumentError',
    async options => {
      const client = await open()
      const error = await errorOf<AmqpError>(operate(client, options))
      expect(error).toBeInstanceOf(ArgumentError)
      expect(error.operation).toBe(name)
    },
  )
})

test('one signal serves any number of operations, without a warning of the runtime', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  const client = await open()
  const { signal } = new AbortController()
  const operations = Array.from({ length: 50 }, () => client.basicPublish('', 'amq.nowhere', 'x', { signal }))
  await Promise.all(operations)
  await client.close()
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})

describe('after many operations were given up', () => {
  test('ten thousand of them, the next ones work, on as few channels as before', async () => {
    const connectionName = uniqueName()
    const client = await open({ connectionName, operationConcurrency: 10 })
    const queue = await newQueue(client)
    const controller = new AbortController()
    const { signal } = controller
    const abandoned = Array.from({ length: 10_000 }, (_, n) =>
      n % 2 === 0 ? client.queueDeclare(queue, { signal }) : client.basicGet(queue, { signal }),
    )
    // The first is done, others are under way, and most wait for a lane.
    await abandoned[0]
    controller.abort(REASON)
    const outcomes = await Promise.allSettled(abandoned)
    const reasons = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(reasons.length).toBeGreaterThan(5000)
    expect(new Set(reasons)).toEqual(new Set([REASON]))
    await Promise.all(Array.from({ length: 20 }, () => client.queueDeclare(queue)))
    await eventually(async () => (await channelsOf(connectionName)) <= 2)
  }, 60_000)

  test('that were under way each, every lane is free again', async () => {
    const client = await open({ operationConcurrency: 2 })
    const queue = await newQueue(client)
    for (let round = 0; round < 20; round++) {
      const controller = new AbortController()
      const { signal } = controller
      const abandoned = [client.queueDeclare(queue, { signal }), client.queuePurge(queue, { signal })]
      // They are written in this turn of the event loop, and given up in the next one.
      setImmediate(() => controller.abort(REASON))
      await namesOf(abandoned)
      expect(await client.queueDeclare(queue)).toMatchObject({ queue })
    }
  })

  test('an error that comes too late for its operation harms nobody', async () => {
    const client = await open({ operationConcurrency: 1 })
    const queue = await newQueue(client)
    for (let round = 0; round < 10; round++) {
      const controller = new AbortController()
      const abandoned = namesOf([
        client.queueDeclare(uniqueName(), { passive: true, signal: controller.signal }),
      ])
      setImmediate(() => controller.abort(REASON))
      await abandoned
      expect(await client.queueDeclare(queue)).toMatchObject({ queue })
    }
  })

  test('a message that was got too late goes back to its queue', async () => {
    const client = await open()
    const queue = await newQueue(client)
    for (let n = 0; n < 20; n++) await client.basicPublish('', queue, `${n}`)
    const controller = new AbortController()
    const gets = Array.from({ length: 40 }, () => client.basicGet(queue, { signal: controller.signal }))
    setImmediate(() => controller.abort(REASON))
    const got = (await Promise.allSettled(gets)).flatMap(outcome =>
      outcome.status === 'fulfilled' && outcome.value !== null ? [outcome.value] : [],
    )
    await eventually(
      async () => (await client.queueDeclare(queue, { passive: true })).messageCount === 20 - got.length,
    )
  })

  test('a message that was got too late with noAck is not lost', async () => {
    const client = await open()
    const queue = await newQueue(client)
    for (let n = 0; n < 20; n++) await client.basicPublish('', queue, `${n}`)
    const controller = new AbortController()
    const gets = Array.from({ length: 40 }, () =>
      client.basicGet(queue, { noAck: true, signal: controller.signal }),
    )
    setImmediate(() => controller.abort(REASON))
    const got = (await Promise.allSettled(gets)).filter(
      outcome => outcome.status === 'fulfilled' && outcome.value !== null,
    )
    await eventually(
      async () => (await client.queueDeclare(queue, { passive: true })).messageCount === 20 - got.length,
    )
  })
})

describe('a publish that was given up', () => {
  test('before it was written is not sent', async () => {
    const client = await open()
    const queue = await newQueue(client)
    for (const confirm of [true, false]) {
      const controller = new AbortController()
      const abandoned = namesOf(
        Array.from({ length: 10 }, (_, n) =>
          client.basicPublish('', queue, `abandoned ${n}`, { confirm, signal: controller.signal }),
        ),
      )
      controller.abort(REASON)
      expect(tally(await abandoned)).toEqual({ Error: 10 })
      await client.basicPublish('', queue, `kept ${confirm}`)
    }
    await client
      .basicPublish('', queue, 'never', { signal: AbortSignal.abort(REASON) })
      .catch(() => undefined)
    await client.basicPublish('', queue, 'the last')
    expect(await getTexts(client, queue)).toEqual(['kept true', 'kept false', 'the last'])
  })

  test('after it was written leaves those behind it alone', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const controller = new AbortController()
    const { signal } = controller
    const published = Array.from({ length: 300 }, (_, n) =>
      client.basicPublish('', queue, `${n}`, n % 3 === 0 ? { signal } : {}),
    )
    setImmediate(() => controller.abort(REASON))
    const names = await namesOf(published)
    expect(new Set(names.filter((_, n) => n % 3 !== 0))).toEqual(new Set(['ok']))
    const texts = await getTexts(client, queue)
    expect(texts.filter(text => Number(text) % 3 !== 0)).toHaveLength(200)
    // They went out in order, whatever became of some.
    expect(texts).toEqual(texts.toSorted((a, b) => Number(a) - Number(b)))
  })

  test('waiting for the outcome of one that may fail makes way for those behind it', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const exchange = await newExchange(client)
    const controller = new AbortController()
    const risky = client.basicPublish(exchange, 'x', 'first of its exchange')
    const abandoned = errorOf(client.basicPublish('', queue, 'abandoned', { signal: controller.signal }))
    const behind = client.basicPublish('', queue, 'behind')
    controller.abort(REASON)
    expect(await abandoned).toBe(REASON)
    await Promise.all([risky, behind])
    expect(await getTexts(client, queue)).toEqual(['behind'])
  })
})
