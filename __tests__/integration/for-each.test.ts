/** Covers forEach: handlers, several at once, and what becomes of their messages. */
import { describe, expect, test } from '@jest/globals'
import type { Consumer, ForEachOptions, Message } from '../../src/index.js'
import { newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { consumersOf, fill, isPending, numbers, readyIn, untilReady } from '../support/broker/consuming.js'
import { errorOf, eventually, gate } from '../support/outcome.js'

const ignore = (): void => undefined

describe('forEach', () => {
  test('acks what its handler has dealt with, one message after the other', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 20)
    const consumer = client.basicConsume(queue)
    const texts: string[] = []
    let running = 0
    await consumer.forEach(async message => {
      expect(++running).toBe(1)
      await client.exchangeDeclare('amq.direct', { passive: true })
      texts.push(message.text())
      if (texts.length === 20) void consumer.cancel()
      running--
    })
    expect(texts).toEqual(numbers(20))
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('runs as many handlers at once as `concurrency` says, and takes out no more', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 50)
    const consumer = client.basicConsume(queue, { noAck: true, prefetchCount: 1 })
    const started: Message[] = []
    const { opened, open: release } = gate()
    const done = consumer.forEach(
      async message => {
        started.push(message)
        await opened
      },
      { concurrency: 5 },
    )
    await eventually(() => started.length === 5)
    // Five are out for good, one waits in the buffer.
    await untilReady(client, queue, 44)
    expect(await isPending(done, client)).toBe(true)
    expect(started).toHaveLength(5)
    await consumer.cancel()
    release()
    await done
    await untilReady(client, queue, 45)
  })

  test('has a prefetch count of twice the concurrency where none was chosen', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 20)
    const { opened, open: release } = gate()
    const untilOpened = (): Promise<void> => opened
    const early = client.basicConsume(queue)
    const first = early.forEach(untilOpened, { concurrency: 3 })
    await untilReady(client, queue, 14)
    const chosen = client.basicConsume(queue, { prefetchCount: 5 })
    const second = chosen.forEach(untilOpened, { concurrency: 3 })
    await untilReady(client, queue, 9)
    await Promise.all([early.cancel(), chosen.cancel()])
    release()
    await Promise.all([first, second])
    await untilReady(client, queue, 14)
  })

  test('nacks what its handler fails on, thrown or rejected, and goes on', async () => {
    const client = await open()
    const exchange = await newExchange(client, { type: 'fanout' })
    const dead = await newQueue(client)
    await client.queueBind(dead, exchange)
    const queue = await newQueue(client, { arguments: { 'x-dead-letter-exchange': exchange } })
    await fill(client, queue, 9)
    const consumer = client.basicConsume(queue)
    const failures: [string, string][] = []
    let seen = 0
    const handler = (message: Message): Promise<void> => {
      if (++seen === 9) void consumer.cancel()
      if (Number(message.text()) % 3 === 0) throw new Error('thrown')
      return Number(message.text()) % 3 === 1 ? Promise.reject(new Error('rejected')) : Promise.resolve()
    }
    await consumer.forEach(handler, {
      concurrency: 2,
      requeue: false,
      onError: (error, message) => failures.push([(error as Error).message, message.text()]),
    })
    expect(new Set(failures.map(String))).toEqual(
      new Set(['thrown,0', 'thrown,3', 'thrown,6', 'rejected,1', 'rejected,4', 'rejected,7']),
    )
    await untilReady(client, dead, 6)
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('gives back by default what its handler fails on', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const consumer = client.basicConsume(queue)
    const seen: boolean[] = []
    await consumer.forEach(message => {
      seen.push(message.redelivered)
      if (seen.length < 3) throw new Error('again')
      void consumer.cancel()
    })
    expect(seen).toEqual([false, true, true])
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('of onError')
      },
    ],
    ['rejects', () => Promise.reject(new Error('of onError'))],
  ])('ends where onError %s, and rejects with that', async (_, onError) => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    const done = client.basicConsume(queue).forEach(
      () => {
        throw new Error('of the handler')
      },
      { onError },
    )
    expect((await errorOf(done)).message).toBe('of onError')
    await untilReady(client, queue, 3)
  })

  test('leaves alone what a handler settles itself', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 4)
    const consumer = client.basicConsume(queue)
    const errors: unknown[] = []
    await consumer.forEach(
      message => {
        const number = Number(message.text())
        if (number === 3) void consumer.cancel()
        if (number % 2 === 0) message.ack()
        else message.nack({ requeue: false })
        if (number < 2) throw new Error('after settling')
      },
      { onError: error => errors.push(error) },
    )
    expect(errors).toHaveLength(2)
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('goes on beside a handler that never ends', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 50)
    const texts: string[] = []
    const done = client.basicConsume(queue).forEach(
      async message => {
        if (message.text() === '0') await new Promise(() => undefined)
        texts.push(message.text())
      },
      { concurrency: 2 },
    )
    await eventually(() => texts.length === 49)
    expect(await isPending(done, client)).toBe(true)
    await client.close()
    expect(await errorOf(done)).toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  test('waits for its handlers when it is cancelled or aborted, and rejects at once when the client is closed', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 2)
    const controller = new AbortController()
    let started = 0
    const never = (): Promise<void> => {
      started++
      return new Promise(() => undefined)
    }
    const aborted = client
      .basicConsume(queue, { prefetchCount: 1 })
      .forEach(never, { signal: controller.signal })
    const cancelled = client.basicConsume(queue, { prefetchCount: 1, noAck: true })
    const done = cancelled.forEach(never)
    await eventually(() => started === 2)
    controller.abort()
    await cancelled.cancel()
    expect(await isPending(Promise.race([aborted, done]), client)).toBe(true)
    await client.close()
    expect(await errorOf(aborted)).toMatchObject({ code: 'CONNECTION_CLOSED' })
    expect(await errorOf(done)).toMatchObject({ code: 'CONNECTION_CLOSED' })
  })

  test('drains when its signal is aborted: handlers end, the rest goes back, and it resolves', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 20)
    const controller = new AbortController()
    const { opened, open: release } = gate()
    let started = 0
    const done = client.basicConsume(queue).forEach(
      async () => {
        if (++started === 4) controller.abort(new Error('enough'))
        await opened
      },
      { concurrency: 4, signal: controller.signal },
    )
    await eventually(async () => started === 4 && (await consumersOf(client, queue)) === 0)
    await untilReady(client, queue, 16)
    expect(await isPending(done, client)).toBe(true)
    release()
    await done
    expect(started).toBe(4)
    await client.drain()
    expect(await readyIn(await open(), queue)).toBe(16)
  })

  test('takes nothing where its signal is aborted already', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const handled: Message[] = []
    await client
      .basicConsume(queue)
      .forEach(message => void handled.push(message), { signal: AbortSignal.abort() })
    expect(handled).toEqual([])
    await untilReady(client, queue, 1)
  })

  test('rejects where the queue does not exist, and where the broker cancels, after its handlers have ended', async () => {
    const client = await open()
    const other = await open()
    expect(await errorOf(client.basicConsume(uniqueName()).forEach(ignore))).toMatchObject({
      code: 'NOT_FOUND',
    })
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const { opened, open: release } = gate()
    let ended = false
    const done = client.basicConsume(queue).forEach(async () => {
      await opened
      ended = true
    })
    await untilReady(client, queue, 0)
    await other.queueDelete(queue)
    expect(await isPending(done, client)).toBe(true)
    release()
    expect(await errorOf(done)).toMatchObject({ code: 'CONSUMER_CANCELLED' })
    expect(ended).toBe(true)
  })

  test.each<[string, unknown]>([
    ['concurrency', 0],
    ['concurrency', 1.5],
    ['concurrency', '2'],
    ['concurrency', Number.NaN],
    ['signal', {}],
    ['requeue', 'no'],
    ['onError', 'log'],
  ])('rejects %s: %p with an ArgumentError, and the consumer keeps nothing', async (name, value) => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 10)
    const options = { [name]: value } as ForEachOptions<Message>
    const refused = (act: (consumer: Consumer) => Promise<void>) =>
      errorOf(act(client.basicConsume(queue, { prefetchCount: 5 })))
    const expected = { code: 'ARGUMENT' }
    expect(await refused(consumer => consumer.forEach(ignore, options))).toMatchObject(expected)
    expect(await refused(consumer => consumer.forEach('handler' as never))).toMatchObject(expected)
    expect(await refused(consumer => consumer.forEach(ignore, null as never))).toMatchObject(expected)
    await eventually(async () => (await consumersOf(client, queue)) === 0)
    await untilReady(client, queue, 10)
    expect(client.metrics().consumers).toBe(0)
  })

  test('takes all that comes with a concurrency of Infinity', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 2000)
    const { opened, open: release } = gate()
    const consumer = client.basicConsume(queue)
    let started = 0
    const done = consumer.forEach(
      async () => {
        started++
        await opened
      },
      { concurrency: Number.POSITIVE_INFINITY },
    )
    await eventually(() => started === 2000)
    await consumer.cancel()
    release()
    await done
  })
})
