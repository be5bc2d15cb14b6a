/** Covers the life of a client: connecting twice, closing in every state, operations before and after, its end. */
import { describe, expect, test } from '@jest/globals'
import { type AmqpError, ConnectionClosedError } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newClient, newQueue, open, uniqueName } from '../support/broker/client.js'
import { reachBroker } from '../support/broker/own-transport.js'
import { startPeer } from '../support/faults/peers.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually, namesOf } from '../support/outcome.js'

describe('connect()', () => {
  test('called twice at once makes one connection', async () => {
    const client = newClient()
    let connected = 0
    client.on('connect', () => connected++)
    const [first, second] = await Promise.all([client.connect(), client.connect()])
    expect(second).toBe(first)
    expect(await client.connect()).toBe(first)
    expect(connected).toBe(1)
  })

  test('after close() says that the client has ended', async () => {
    const client = await open()
    await client.close()
    expect(await errorOf(client.connect())).toBeInstanceOf(ConnectionClosedError)
  })
})

describe('close()', () => {
  test('of a client that never connected resolves, and is its end', async () => {
    const client = newClient()
    await client.close()
    await client.closed
    expect(await errorOf(client.connect())).toBeInstanceOf(ConnectionClosedError)
  })

  test('while connecting ends the attempt with ConnectionClosedError', async () => {
    const peer = await startPeer(socket => socket.resume())
    const client = newClient({}, peer.url)
    const connecting = errorOf(client.connect())
    await eventually(() => peer.connections === 1)
    await client.close()
    expect(await connecting).toBeInstanceOf(ConnectionClosedError)
    await client.closed
    await eventually(() => peer.connections === 0)
  })

  test('in the very moment in which the connection is made still wins', async () => {
    const openOk = Buffer.from([0, 10, 0, 41])
    // It takes some steps from the last frame of the handshake to the end of connect(): each may be the moment.
    for (let steps = 0; steps < 20; steps++) {
      const transport = await reachBroker()
      const client = newClient({ transport: () => transport })
      const closing = new Promise<void>(resolve => {
        transport.onChunk = async chunk => {
          if (!chunk.includes(openOk)) return
          for (let step = 0; step < steps; step++) await null
          resolve(client.close())
        }
      })
      const [outcome] = await namesOf([client.connect()])
      expect(['ok', 'ConnectionClosedError']).toContain(outcome)
      await closing
      expect(await errorOf(client.queueDeclare('x', { passive: true }))).toBeInstanceOf(ConnectionClosedError)
      await eventually(() => transport.socket.destroyed)
    }
  })

  test('twice, and at once after connect(), is fine', async () => {
    const client = newClient()
    const connecting = namesOf([client.connect()])
    await Promise.all([client.close(), client.close()])
    await client.close()
    expect(await connecting).toEqual(['ConnectionClosedError'])
  })

  test('rejects everything outstanding with ConnectionClosedError, each with its operation', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const outstanding = [
      client.queueDeclare(queue, { passive: true }),
      client.basicPublish('', queue, 'x'),
      client.basicGet(queue),
      client.exchangeDelete(uniqueName()),
    ]
    const errors = Promise.all(outstanding.map(promise => errorOf<AmqpError>(promise)))
    await client.close()
    for (const error of await errors) expect(error).toBeInstanceOf(ConnectionClosedError)
    expect((await errors).map(({ operation }) => operation)).toEqual([
      'queueDeclare',
      'basicPublish',
      'basicGet',
      'exchangeDelete',
    ])
    expect(new Set((await errors).map(({ ticket }) => ticket)).size).toBe(4)
  })

  test('still sends what was written', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'first')
    for (let n = 0; n < 100; n++) void client.basicPublish('', queue, `${n}`, { confirm: false })
    await client.close()
    const other = await open()
    await eventually(async () => (await other.queueDeclare(queue, { passive: true })).messageCount === 101)
  })

  test('leaves a broker that does not answer after a while', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open({}, proxy.url)
    proxy.stall()
    await client.close()
    await client.closed
    for (const connection of proxy.connections) connection.resume()
    await eventually(() => proxy.connections.length === 0)
  }, 15_000)
})

describe('an operation', () => {
  test.each(['before connect', 'while connecting', 'after close'])(
    '%s rejects with ConnectionClosedError',
    async when => {
      const client = newClient()
      let connecting: Promise<unknown> = Promise.resolve()
      if (when === 'while connecting') connecting = client.connect()
      if (when === 'after close') {
        await client.connect()
        await client.close()
      }
      const operations: [string, Promise<unknown>][] = [
        ['exchangeDeclare', client.exchangeDeclare('e')],
        ['exchangeDelete', client.exchangeDelete('e')],
        ['exchangeBind', client.exchangeBind('e', 'f')],
        ['exchangeUnbind', client.exchangeUnbind('e', 'f')],
        ['queueDeclare', client.queueDeclare('q')],
        ['queueDelete', client.queueDelete('q')],
        ['queuePurge', client.queuePurge('q')],
        ['queueBind', client.queueBind('q', 'e')],
        ['queueUnbind', client.queueUnbind('q', 'e')],
        ['basicPublish', client.basicPublish('', 'q', 'x')],
        ['basicPublish', client.basicPublish('', 'q', 'x', { confirm: false })],
        ['basicGet', client.basicGet('q')],
      ]
      for (const [operation, promise] of operations) {
        const error = await errorOf<AmqpError>(promise)
        expect(error).toBeInstanceOf(ConnectionClosedError)
        expect(error.operation).toBe(operation)
      }
      expect(() => client.basicConsume('q')).toThrow(ConnectionClosedError)
      await connecting
    },
  )
})
