/** Covers close(): at once, with everything outstanding told; and that nothing of it goes unhandled. */
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { connect } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newClient, newQueue, open } from '../support/broker/client.js'
import { fill, iterate, take, untilReady } from '../support/broker/consuming.js'
import { runTypeScript } from '../support/child.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

const WORST_MIX = fileURLToPath(new URL('./worst-mix.ts', import.meta.url))
const MINUTE = 60_000
const CLOSED = { code: 'CONNECTION_CLOSED' }

describe('close', () => {
  test('ends iterators that wait, and those that come later, by throwing', async () => {
    const client = await open()
    const consumer = client.basicConsume(await newQueue(client))
    await consumer.ready
    const waiting = iterate(consumer).next()
    const closed = client.close()
    expect(await errorOf(waiting)).toMatchObject({ ...CLOSED, operation: 'basicConsume' })
    await closed
    expect(await errorOf(iterate(consumer).next())).toMatchObject(CLOSED)
    await client.closed
  })

  test('inside the loop ends the loop by throwing, and gives everything unsettled back', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 10)
    const run = async (): Promise<void> => {
      for await (const message of client.basicConsume(queue)) {
        if (message.text() === '0') message.ack()
        if (message.text() === '2') await client.close()
      }
    }
    expect(await errorOf(run())).toMatchObject(CLOSED)
    await untilReady(other, queue, 9)
  })

  test('inside a handler ends forEach by rejecting', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 3)
    const done = client.basicConsume(queue).forEach(async () => {
      await client.close()
    })
    expect(await errorOf(done)).toMatchObject(CLOSED)
    await untilReady(other, queue, 3)
  })

  test('rejects `ready` of a consumer that is not subscribed yet', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const early = client.basicConsume(queue)
    const closed = client.close()
    expect(await errorOf(early.ready)).toMatchObject(CLOSED)
    expect(await errorOf(iterate(early).next())).toMatchObject(CLOSED)
    await closed
  })

  test('still sends what was written: acks of the same tick count', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 100)
    const messages = await take(iterate(client.basicConsume(queue)), 100)
    for (const message of messages) message.ack()
    await client.close()
    const other = await open()
    expect(await other.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('twice, after drain and before connect is fine', async () => {
    const client = await open()
    await Promise.all([client.close(), client.close()])
    await client.close()
    await client.drain()
    const drained = await open()
    await drained.drain()
    await drained.close()
    const never = newClient()
    await never.close()
    await never.closed
    expect(await errorOf(never.connect())).toMatchObject(CLOSED)
  })
})

describe('a lost connection that is not to be recovered', () => {
  test('ends iterators by throwing ConnectionBrokenError, and acks return false', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await connect(proxy.url, { recovery: false })
    try {
      const queue = await newQueue(client, { exclusive: true })
      await fill(client, queue, 3)
      const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
      const [message] = await take(messages, 1)
      const waiting = messages.next()
      await proxy.close()
      expect(await errorOf(waiting)).toMatchObject({ code: 'CONNECTION_BROKEN', operation: 'basicConsume' })
      expect(message?.ack()).toBe(false)
      await client.closed
    } finally {
      await client.close()
    }
  })
})

describe('a program that looks at nothing', () => {
  test.each(['close', 'drain', 'both'])(
    'sees no unhandled rejection and no warning, and exits by itself (%s)',
    async way => {
      const client = await open()
      const queue = await newQueue(client)
      const outcome = await runTypeScript(WORST_MIX, [brokerUrl(), way, queue])
      expect(outcome).toEqual({ status: 0, stdout: 'ended\n', stderr: '' })
      await eventually(async () => (await client.queueDeclare(queue, { passive: true })).consumerCount === 0)
    },
    MINUTE,
  )
})
