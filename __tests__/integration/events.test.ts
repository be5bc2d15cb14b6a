/** Covers what a client tells of itself, and what the end of its connection means for all that is outstanding. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  type Client,
  ConnectionBrokenError,
  ConnectionClosedError,
  ConnectionForcedError,
} from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { newClient, open } from '../support/broker/client.js'
import { errorOf, namesOf } from '../support/outcome.js'

/** A virtual host of this file: its connections can be closed without harm to other tests. */
const VHOST = `puka-events-${process.pid}`
const url = `${brokerUrl().replace(/\/$/, '')}/${VHOST}`

beforeAll(async () => {
  await ctl('add_vhost', VHOST)
  await ctl('set_permissions', '-p', VHOST, 'guest', '.*', '.*', '.*')
}, 60_000)

afterAll(async () => {
  await ctl('delete_vhost', VHOST)
}, 60_000)

/** The names of the events that a client emits, in order, and what came with them. */
function record(client: Client): [string, unknown][] {
  const events: [string, unknown][] = []
  for (const name of ['connect', 'disconnect', 'blocked', 'unblocked', 'close'] as const) {
    client.on(name, (...args: unknown[]) => events.push([name, args[0]]))
  }
  return events
}

const forceClose = (): Promise<string> => ctl('close_all_connections', '--vhost', VHOST, 'maintenance')

describe('a client tells', () => {
  test('that it is connected, and that it is closed', async () => {
    const client = newClient()
    const events = record(client)
    const info = await client.connect()
    await client.close()
    await client.closed
    await new Promise(resolve => setImmediate(resolve))
    expect(events).toEqual([
      ['connect', info],
      ['close', undefined],
    ])
  })

  test('its end once, however often it is closed', async () => {
    const client = await open()
    const events = record(client)
    await Promise.all([client.close(), client.drain(), client.close()])
    await new Promise(resolve => setImmediate(resolve))
    expect(events).toEqual([['close', undefined]])
  })

  test('nothing of an attempt that failed', async () => {
    const client = newClient({}, `${brokerUrl()}/no-such-vhost`)
    const events = record(client)
    await errorOf(client.connect())
    await client.close()
    await new Promise(resolve => setImmediate(resolve))
    expect(events).toEqual([['close', undefined]])
  })
})

describe('a connection that the broker closes', () => {
  test('fails all that is outstanding with ConnectionBrokenError, and is told', async () => {
    const client = await open({}, url)
    const events = record(client)
    const { queue } = await client.queueDeclare()
    await client.basicPublish('', queue, 'held')
    const held = await client.basicGet(queue)
    const consumer = client.basicConsume(queue)
    await consumer.ready
    const next = errorOf<AmqpError>(consumer[Symbol.asyncIterator]().next())
    // Busy until the end: so that some of them are outstanding then, at each stage.
    const failures: AmqpError[] = []
    const busy = [
      () => client.queueDeclare(queue, { passive: true }),
      () => client.basicPublish('', 'puka-test-nowhere', 'x'),
      () => client.basicGet(queue, { noAck: true }),
    ].map(async operate => {
      for (;;) {
        try {
          await operate()
        } catch (error) {
          failures.push(error as AmqpError)
          return
        }
      }
    })
    await forceClose()
    await Promise.all(busy)
    await client.closed
    for (const error of [...failures, await next]) {
      expect(error).toBeInstanceOf(ConnectionBrokenError)
      expect(error.cause).toBeInstanceOf(ConnectionForcedError)
      expect(error.message).toContain('maintenance')
    }
    expect(failures.map(({ operation }) => operation).sort()).toEqual([
      'basicGet',
      'basicPublish',
      'queueDeclare',
    ])
    expect(held?.ack()).toBe(false)
    await new Promise(resolve => setImmediate(resolve))
    expect(events).toMatchObject([
      ['disconnect', { code: 'CONNECTION_FORCED', replyCode: 320 }],
      ['close', undefined],
    ])
  }, 30_000)

  test('leaves a client on which nothing works any more, and close() and drain() still end', async () => {
    const client = await open({}, url)
    await forceClose()
    await client.closed
    const errors = await Promise.all(
      [client.queueDeclare('x'), client.basicPublish('', 'x', 'x'), client.basicGet('x')].map(promise =>
        errorOf<AmqpError>(promise),
      ),
    )
    for (const error of errors) {
      expect(error).toBeInstanceOf(ConnectionBrokenError)
      expect(error.message).toContain('maintenance')
    }
    expect(() => client.basicConsume('x')).toThrow(ConnectionBrokenError)
    expect(await errorOf(client.connect())).toBeInstanceOf(ConnectionClosedError)
    await client.close()
    await client.drain()
  }, 30_000)

  test('makes no unhandled rejection of what nobody holds', async () => {
    const rejections: unknown[] = []
    const onRejection = (reason: unknown): void => void rejections.push(reason)
    process.on('unhandledRejection', onRejection)
    const client = await open({}, url)
    const { queue } = await client.queueDeclare()
    const consumer = client.basicConsume(queue)
    await forceClose()
    await client.closed
    client.basicCancel(consumer).catch(() => undefined)
    expect(await namesOf([consumer.cancel()])).toEqual(['ok'])
    await new Promise(resolve => setImmediate(resolve))
    process.off('unhandledRejection', onRejection)
    expect(rejections).toEqual([])
  }, 30_000)
})
