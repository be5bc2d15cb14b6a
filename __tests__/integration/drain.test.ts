/** Covers drain() and `await using`: everything under way comes to its end first. */
import { describe, expect, test } from '@jest/globals'
import { AlreadySettledError, connect, type Message } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newClient, newQueue, open } from '../support/broker/client.js'
import {
  ack,
  consumersOf,
  fill,
  isPending,
  iterate,
  readyIn,
  take,
  untilReady,
} from '../support/broker/consuming.js'
import { errorOf, eventually, gate } from '../support/outcome.js'

const MINUTE = 60_000

describe('drain', () => {
  test(
    'after 30,000 publishes that nobody awaited loses none',
    async () => {
      const client = await open()
      const other = await open()
      const queue = await newQueue(client)
      let confirmed = 0
      for (let index = 0; index < 30_000; index++) {
        void client.basicPublish('', queue, 'x').then(() => confirmed++)
      }
      await client.drain({ timeout: MINUTE })
      expect(confirmed).toBe(30_000)
      expect(await other.queueDelete(queue)).toEqual({ messageCount: 30_000 })
    },
    2 * MINUTE,
  )

  test(
    'after publishes without confirm loses none',
    async () => {
      const client = await open()
      const other = await open()
      const queue = await newQueue(client)
      for (let index = 0; index < 20_000; index++) {
        void client.basicPublish('', queue, 'x', { confirm: false })
      }
      await client.drain()
      await untilReady(other, queue, 20_000)
    },
    MINUTE,
  )

  test('waits for a handler that runs, and takes no more messages', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    const results = await newQueue(client)
    await fill(client, queue, 5)
    let drained = false
    const { opened, open: release } = gate()
    let started = 0
    const done = client.basicConsume(queue).forEach(
      async message => {
        started++
        await opened
        await client.basicPublish('', results, message.body)
      },
      { concurrency: 2 },
    )
    await eventually(() => started === 2)
    const draining = client.drain().then(() => {
      drained = true
    })
    await eventually(async () => (await consumersOf(other, queue)) === 0)
    expect(await isPending(draining, other)).toBe(true)
    expect(drained).toBe(false)
    release()
    await draining
    await done
    expect(started).toBe(2)
    expect(await readyIn(other, results)).toBe(2)
    await untilReady(other, queue, 3)
  })

  test('waits for a handler of a noAck consumer', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    let ended = false
    let started = false
    const done = client.basicConsume(queue, { noAck: true }).forEach(async () => {
      started = true
      for (let turn = 0; turn < 10; turn++) await client.exchangeDeclare('amq.direct', { passive: true })
      ended = true
    })
    await eventually(() => started)
    await client.drain()
    await done
    expect(ended).toBe(true)
  })

  test('waits until what was handed out is settled, also where its loop has ended', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    const consumer = client.basicConsume(queue)
    const held = await take(iterate(consumer), 3)
    await consumer.cancel()
    const draining = client.drain()
    for (const message of held) {
      expect(await isPending(draining, other)).toBe(true)
      expect(message.ack()).toBe(true)
    }
    await draining
    expect(await other.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('does not wait for what a loop held that was left, whether before or meanwhile', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 4)
    for await (const message of client.basicConsume(queue, { prefetchCount: 2 })) {
      if (message.text() === '1') break
    }
    const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
    await take(messages, 1)
    const draining = client.drain()
    expect(await isPending(draining, other)).toBe(true)
    await messages.return?.()
    await draining
    await untilReady(other, queue, 4)
  })

  test('ends loops normally', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    const waiting = iterate(client.basicConsume(await newQueue(client))).next()
    const texts: string[] = []
    let draining: Promise<void> | undefined
    for await (const message of client.basicConsume(queue)) {
      texts.push(message.text())
      message.ack()
      if (texts.length === 2) draining = client.drain()
    }
    await draining
    expect(texts).toEqual(['0', '1'])
    expect(await waiting).toEqual({ done: true, value: undefined })
    await client.closed
  })

  test('can be awaited inside the loop and inside a handler whose message is settled', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    for await (const message of client.basicConsume(queue)) {
      message.ack()
      await client.drain()
    }
    const second = await open()
    let drained = false
    await second.basicConsume(queue).forEach(async message => {
      message.ack()
      await second.drain()
      drained = true
    })
    expect(drained).toBe(true)
    const other = await open()
    await untilReady(other, queue, 1)
  })

  test('with `timeout` ends with TimeoutError, and the client is closed', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const [message] = await take(iterate(client.basicConsume(queue)), 1)
    expect(await errorOf(client.drain({ timeout: 50 }))).toMatchObject({
      code: 'TIMEOUT',
      operation: 'drain',
    })
    await client.closed
    expect(message?.ack()).toBe(false)
    await untilReady(other, queue, 1)
    // What there was to drain is gone: it is over.
    await client.drain()
  })

  test('cut short by close rejects with ConnectionClosedError', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    await take(iterate(client.basicConsume(queue)), 1)
    const draining = client.drain()
    await client.close()
    expect(await errorOf(draining)).toMatchObject({ code: 'CONNECTION_CLOSED', operation: 'drain' })
  })

  test('twice, after close, and before connect is fine', async () => {
    const client = await open()
    await Promise.all([client.drain(), client.drain()])
    await client.drain()
    const closed = await open()
    await closed.close()
    await closed.drain()
    const never = newClient()
    await never.drain()
    await never.closed
  })

  test.each([0, -1, 'soon', Number.NaN])(
    'rejects a timeout of %p with an ArgumentError, and does nothing',
    async timeout => {
      const client = await open()
      expect(await errorOf(client.drain({ timeout: timeout as number }))).toMatchObject({ code: 'ARGUMENT' })
      expect(await errorOf(client.drain(null as never))).toMatchObject({ code: 'ARGUMENT' })
      await client.exchangeDeclare('amq.direct', { passive: true })
      await client.drain()
    },
  )
})

describe('await using', () => {
  test('drains the client', async () => {
    const other = await open()
    const queue = await newQueue(other)
    let held: Message | undefined
    {
      await using client = await connect(brokerUrl())
      for (let index = 0; index < 1000; index++) void client.basicPublish('', queue, 'x')
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 10 }))
      await take(messages, 9, ack)
      ;[held] = await take(messages, 1)
      setImmediate(() => held?.ack())
    }
    // It was waited for.
    expect(() => held?.ack()).toThrow(AlreadySettledError)
    await untilReady(other, queue, 990)
  })
})
