/** Covers the end of a connection from either side, whom the broker blames for it, and what comes on channel 0. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import {
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionClosedError,
  ConnectionForcedError,
  connect,
  NotAllowedError,
} from '../../../src/index.js'
import type { TransportFactory } from '../../../src/transport-types.js'
import { quiet } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

afterEach(closeClients)

describe("a transport of the user's own that throws", () => {
  test.each(['end', 'destroy'] as const)('in %s keeps nothing outstanding from its outcome', async method => {
    const peer = new ScriptedPeer()
    const transport: TransportFactory = async (...args) => {
      const own = await peer.transport(...args)
      return {
        start: events => own.start(events),
        write: pieces => own.write(pieces),
        end: () => own.end(),
        destroy: () => own.destroy(),
        [method]: () => {
          throw new Error('not now')
        },
      }
    }
    peer.on('queue.declare', () => undefined)
    const client = await connect('amqp://peer', { transport, heartbeat: 0, recovery: false })
    const declared = expect(client.queueDeclare('q')).rejects.toBeInstanceOf(ConnectionBrokenError)
    await peer.next('queue.declare')
    if (method === 'end') peer.closeConnection(320, 'CONNECTION_FORCED - bye')
    else peer.raw(Buffer.from([7, 0, 0, 0, 0, 0, 0, 0xce]))
    await declared
    await client.closed
  })
})

test('a method on the heels of the handshake that nothing asked for ends the connection, and nothing else', async () => {
  const peer = new ScriptedPeer()
  peer.on('connection.open', () => {
    peer.raw(
      Buffer.concat([
        peer.method(0, 'connection.open-ok', {}),
        peer.method(0, 'queue.declare-ok', { queue: 'q', messageCount: 0, consumerCount: 0 }),
      ]),
    )
  })
  const client = await connect('amqp://peer', { transport: peer.transport, heartbeat: 0, recovery: false })
  await client.closed
  expect(client.state).toMatchObject({ name: 'closed', error: { constructor: CommandInvalidError } })
})

describe('connection.close of the broker', () => {
  test('is answered, and everything outstanding rejects with ConnectionBrokenError, its cause behind it', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('queue.declare', () => undefined)
    const outstanding = [
      client.queueDeclare('a'),
      client.queueDeclare('b'),
      client.basicPublish('', 'q', 'x'),
      client.basicConsume('q')[Symbol.asyncIterator]().next(),
    ].map(promise =>
      expect(promise).rejects.toMatchObject({
        constructor: ConnectionBrokenError,
        cause: expect.any(ConnectionForcedError),
      }),
    )
    await peer.several('queue.declare', 2)
    peer.closeConnection(320, 'CONNECTION_FORCED - bye')
    await Promise.all(outstanding)
    await client.closed
    await peer.next('connection.close-ok')
    await expect(client.queueDeclare('c')).rejects.toMatchObject({ constructor: ConnectionBrokenError })
  })

  test('that blames no method leaves its reply code with all that it ended', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('queue.declare', () => undefined)
    const outstanding = [
      client.queueDeclare('a'),
      client.basicPublish('', 'q', 'x'),
      client.basicConsume('q')[Symbol.asyncIterator]().next(),
    ].map(promise =>
      expect(promise).rejects.toMatchObject({ constructor: ConnectionBrokenError, replyCode: 541 }),
    )
    await peer.next('queue.declare')
    peer.closeConnection(541, 'INTERNAL_ERROR')
    await Promise.all(outstanding)
  })

  test('that blames a method gives its error to the one operation that can be meant', async () => {
    const { client, peer } = await connectToPeer()
    for (const name of ['queue.declare', 'exchange.declare'] as const) peer.on(name, () => undefined)
    const innocent = quiet(client.queueDeclare('a'))
    const guilty = client.exchangeDeclare('e', { type: 'none' })
    await peer.next('exchange.declare')
    peer.closeConnection(503, "COMMAND_INVALID - unknown exchange type 'none'", 'exchange.declare')
    await expect(guilty).rejects.toMatchObject({
      constructor: CommandInvalidError,
      message: "exchangeDeclare: COMMAND_INVALID - unknown exchange type 'none' (503)",
      replyCode: 503,
      operation: 'exchangeDeclare',
      ticket: 2,
      classId: 40,
      methodId: 10,
    })
    await expect(innocent).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      cause: expect.any(CommandInvalidError),
      operation: 'queueDeclare',
    })
  })

  test('that blames a method which several operations use blames none of them', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('exchange.declare', () => undefined)
    const suspects = [client.exchangeDeclare('a'), client.exchangeDeclare('b')].map(quiet)
    await peer.several('exchange.declare', 2)
    peer.closeConnection(530, 'NOT_ALLOWED', 'exchange.declare')
    for (const suspect of suspects) {
      await expect(suspect).rejects.toMatchObject({
        constructor: ConnectionBrokenError,
        cause: expect.any(NotAllowedError),
      })
    }
  })
})

describe('a transport that comes to its end', () => {
  test('ends everything outstanding, and the client', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('queue.declare', () => undefined)
    const declared = quiet(client.queueDeclare('a'))
    await peer.next('queue.declare')
    peer.hangUp()
    await expect(declared).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      message: 'queueDeclare: the connection was lost: the broker hung up',
    })
    await client.closed
  })
})

describe('close()', () => {
  test('sends what was written before, rejects what is outstanding, and says goodbye last', async () => {
    const { client, peer } = await connectToPeer()
    const publish = quiet(client.basicPublish('', 'q', 'x'))
    await client.close()
    await expect(publish).rejects.toBeInstanceOf(ConnectionClosedError)
    expect(peer.received.map(({ method }) => method.name).slice(3)).toEqual([
      'channel.open',
      'confirm.select',
      'basic.publish',
      'connection.close',
    ])
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('meets a connection.close of the broker half way', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('connection.close', () => peer.closeConnection(320, 'CONNECTION_FORCED'))
    await client.close()
    await peer.next('connection.close-ok')
  })

  test('does not mind what a broker sends before it answers', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('connection.close', () => {
      peer.send(1, 'basic.ack', { deliveryTag: 1, multiple: false })
      peer.send(77, 'channel.close-ok', {})
      peer.send(0, 'connection.blocked', { reason: 'disk' })
      peer.send(0, 'connection.close-ok', {})
    })
    await expect(client.close()).resolves.toBeUndefined()
  })

  describe('where the broker does not answer', () => {
    beforeEach(() => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'queueMicrotask', 'nextTick'] })
    })
    afterEach(() => {
      jest.useRealTimers()
    })

    test('ends after three seconds all the same', async () => {
      const { client, peer } = await connectToPeer()
      peer.on('connection.close', () => undefined)
      let over = false
      const closed = client.close().then(() => {
        over = true
      })
      await peer.next('connection.close')
      jest.advanceTimersByTime(2999)
      await turns()
      expect(over).toBe(false)
      jest.advanceTimersByTime(1)
      await closed
      await turns()
      expect(peer.clientGone).toBe(true)
    })
  })
})

describe('connection.blocked and connection.unblocked', () => {
  test('are told, and other operations go on', async () => {
    const { client, peer } = await connectToPeer()
    const told: unknown[] = []
    client.on('blocked', reason => told.push(reason))
    client.on('unblocked', () => told.push('unblocked'))
    peer.send(0, 'connection.blocked', { reason: 'low on memory' })
    await turns()
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
    peer.send(0, 'connection.unblocked', {})
    await turns()
    expect(told).toEqual(['low on memory', 'unblocked'])
  })
})
