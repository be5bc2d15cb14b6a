/** Covers ways to a broker other than plain TCP: a unix socket, and transports of a user's own, good and bad. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  ConnectionBrokenError,
  ConnectionClosedError,
  TimeoutError,
  type Transport,
} from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getOne, newClient, newQueue, open } from '../support/broker/client.js'
import { type OwnTransport, reachBroker } from '../support/broker/own-transport.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

const broker = new URL(brokerUrl())

describe('a unix socket', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'puka-socket-'))
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  test('leads to the broker', async () => {
    const path = join(folder, 'amqp.sock')
    await TcpProxy.start(brokerUrl(), {}, path)
    const client = await open({ path })
    expect((await client.connect()).host).toBe(path)
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'by unix socket')
    expect((await getOne(client, queue)).text()).toBe('by unix socket')
  })

  test('that does not exist is named in the error', async () => {
    const path = join(folder, 'nobody.sock')
    const error = await errorOf<AmqpError>(newClient({ path }).connect())
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain(path)
    expect(error.cause).toMatchObject({ code: 'ENOENT' })
  })
})

describe("a transport of the user's own", () => {
  test('is told where to go, is started once, and ended by close()', async () => {
    let transport: OwnTransport | undefined
    const client = await open({
      transport: async address => {
        expect(address).toEqual({
          host: broker.hostname,
          port: Number(broker.port),
          path: undefined,
          tls: undefined,
        })
        transport = await reachBroker()
        return transport
      },
    })
    const queue = await newQueue(client)
    const body = Buffer.alloc(3_000_000, 'x')
    await client.basicPublish('', queue, body)
    expect((await getOne(client, queue)).body.equals(body)).toBe(true)
    await client.close()
    expect(transport?.calls).toMatchObject({ start: 1, end: 1, destroy: 0 })
  })

  test('is written to at most once per tick', async () => {
    const transport = await reachBroker()
    const client = await open({ transport: () => transport })
    const queue = await newQueue(client)
    const before = transport.calls.write
    const published = Array.from({ length: 100 }, (_, n) => client.basicPublish('', queue, `${n}`))
    await Promise.all(published)
    expect(transport.calls.write - before).toBeLessThanOrEqual(2)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no way there')
      },
    ],
    ['rejects', () => Promise.reject(new Error('no way there'))],
    ['rejects with no error at all', () => Promise.reject('no way there')],
  ])('that %s makes connect() reject', async (_, transport) => {
    const client = newClient({ transport })
    const error = await errorOf<AmqpError>(client.connect())
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain('no way there')
  })

  test('may fail at first: the same client can try again', async () => {
    let attempts = 0
    const client = newClient({
      transport: () => (attempts++ === 0 ? Promise.reject(new Error('not yet')) : reachBroker()),
    })
    expect(await errorOf(client.connect())).toBeInstanceOf(ConnectionBrokenError)
    expect((await client.connect()).product).toBe('RabbitMQ')
  })

  test('that comes only after connectTimeout is destroyed', async () => {
    const transport = await reachBroker()
    let arrive: (transport: Transport) => void = () => undefined
    const client = newClient({
      connectTimeout: 50,
      transport: () =>
        new Promise(resolve => {
          arrive = resolve
        }),
    })
    expect(await errorOf(client.connect())).toBeInstanceOf(TimeoutError)
    arrive(transport)
    await eventually(() => transport.socket.destroyed)
    expect(transport.calls).toEqual({ start: 0, write: 0, end: 0, destroy: 1 })
  })

  test('that comes only after close() is destroyed', async () => {
    const transport = await reachBroker()
    let arrive: (transport: Transport) => void = () => undefined
    let ask: (signal: AbortSignal) => void = () => undefined
    const asked = new Promise<AbortSignal>(resolve => {
      ask = resolve
    })
    const client = newClient({
      transport: (_, signal) => {
        ask(signal)
        return new Promise(resolve => {
          arrive = resolve
        })
      },
    })
    const connecting = errorOf(client.connect())
    const signal = await asked
    await client.close()
    expect(await connecting).toBeInstanceOf(ConnectionClosedError)
    expect(signal.aborted).toBe(true)
    arrive(transport)
    await eventually(() => transport.socket.destroyed)
    expect(transport.calls.start).toBe(0)
  })

  test('that throws in write ends the connection, and nothing else', async () => {
    const transport = await reachBroker()
    const client = await open({ transport: () => transport })
    const lost = new Promise<AmqpError>(resolve => client.once('disconnect', resolve))
    transport.failing = true
    const error = await errorOf<AmqpError>(client.queueDeclare('x', { passive: true }))
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.cause).toMatchObject({ message: 'the wire was cut' })
    expect((await lost).message).toContain('the wire was cut')
    expect(transport.calls.destroy).toBe(1)
  })

  test('that loses its connection ends the client, with the reason', async () => {
    const transport = await reachBroker()
    const client = await open({ transport: () => transport })
    const operation = errorOf(client.queueDeclare('x', { passive: true }))
    transport.socket.destroy()
    expect(await operation).toBeInstanceOf(ConnectionBrokenError)
    await client.closed
  })
})
