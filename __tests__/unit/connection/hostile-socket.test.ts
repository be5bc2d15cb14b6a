/** Covers peers at the other end of a socket that half-close, do not read, or trickle: what only bytes on a wire can do. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  AuthenticationError,
  Client,
  type ClientOptions,
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionForcedError,
} from '../../../src/index.js'
import { startPeer } from '../../support/faults/peers.js'
import { type PeerOptions, ScriptedPeer } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

/** More than the buffers of a socket take. */
const MUCH = 16_777_216

const clients: Client[] = []
afterEach(() => Promise.all(clients.splice(0).map(client => client.close())))

/** A scripted peer at the end of a socket; `send` writes its bytes. */
function serve(socket: Socket, send = (chunk: Buffer): unknown => socket.write(chunk)): ScriptedPeer {
  const options: PeerOptions = {
    capabilities: { publisher_confirms: true, authentication_failure_close: true },
  }
  const peer = new ScriptedPeer(options)
  const wire = peer.transport({ host: 'wire', port: 0 }, new AbortController().signal)
  if (wire instanceof Promise) throw new Error('a scripted peer has its transport at once')
  wire.start({ onData: send, onDrain: () => undefined, onClose: () => socket.end() })
  socket.on('data', chunk => wire.write([chunk]))
  socket.on('close', () => wire.destroy())
  return peer
}

/** A client of a server whose every connection goes to `onSocket`. */
async function clientOf(onSocket: (socket: Socket) => void, options: ClientOptions = {}) {
  const server = await startPeer(onSocket)
  const client = new Client(server.url, {
    publishConnection: 'shared',
    heartbeat: 0,
    recovery: false,
    ...options,
  })
  clients.push(client)
  return client
}

function lossOf(client: Client): Promise<AmqpError> {
  return new Promise(resolve => client.once('disconnect', resolve))
}

describe('a peer that ends its side while it reads nothing', () => {
  /** A client with much unsent, and the socket of its peer, which does not read. */
  async function stuck(options: ClientOptions = {}) {
    const sockets: Socket[] = []
    const peers: ScriptedPeer[] = []
    const client = await clientOf(socket => {
      sockets.push(socket)
      peers.push(serve(socket))
    }, options)
    await client.connect()
    const [socket] = sockets
    const [peer] = peers
    if (socket === undefined || peer === undefined) throw new Error('nobody has connected')
    await client.queueDeclare('q')
    socket.pause()
    const published = client.basicPublish('', 'q', Buffer.alloc(MUCH, 'x'))
    const outcome = errorOf(published)
    return { client, socket, sockets, peer, peers, published, outcome }
  }

  test('has hung up, and everything outstanding is told at once', async () => {
    const { client, socket, outcome } = await stuck()
    const loss = lossOf(client)
    const declared = errorOf(client.queueDeclare('other'))
    socket.end()
    expect(await loss).toMatchObject({ constructor: ConnectionBrokenError, message: 'the broker hung up' })
    expect(await outcome).toBeInstanceOf(ConnectionBrokenError)
    expect(await declared).toBeInstanceOf(ConnectionBrokenError)
    await client.closed
  })

  test('is heard to its last word', async () => {
    const { client, socket, peer, outcome } = await stuck()
    const loss = lossOf(client)
    peer.closeConnection(320, 'CONNECTION_FORCED - maintenance')
    setImmediate(() => socket.end())
    expect(await loss).toBeInstanceOf(ConnectionForcedError)
    expect(await outcome).toBeInstanceOf(ConnectionBrokenError)
    await client.closed
  })

  test('is left for another one', async () => {
    const { client, socket, sockets, peers, published, outcome } = await stuck({
      recovery: { initialDelay: 0 },
    })
    const recovered = once(client, 'recovered')
    outcome.catch(() => undefined)
    socket.end()
    await recovered
    expect(sockets).toHaveLength(2)
    const [, next] = peers
    next?.on('basic.publish', ({ channel }) =>
      next.send(channel, 'basic.ack', { deliveryTag: 0, multiple: true }),
    )
    await published
  })
})

describe('a peer that ends its side during the handshake', () => {
  test.each([
    ['before it has said anything', undefined],
    ['after connection.start', 'connection.start-ok'],
    ['after connection.tune', 'connection.open'],
  ] as const)('fails it at once: %s', async (_, method) => {
    const client = await clientOf(socket => {
      if (method === undefined) {
        socket.pause().end()
        return
      }
      const peer = serve(socket)
      peer.on(method, () => socket.pause().end())
    })
    const error = await errorOf(client.connect())
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error).not.toBeInstanceOf(AuthenticationError)
  })
})

test('a peer that says one byte at a time is understood, from the handshake to the goodbye', async () => {
  const client = await clientOf(socket => {
    socket.setNoDelay(true)
    const unsent: number[] = []
    const next = (): void => {
      const byte = unsent.shift()
      if (byte === undefined || socket.destroyed) return
      socket.write(Buffer.from([byte]))
      setImmediate(next)
    }
    const peer = serve(socket, chunk => {
      if (unsent.push(...chunk) === chunk.length) setImmediate(next)
    })
    peer.on('basic.get', ({ channel }) => {
      const got = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
      peer.sendContent(channel, 'basic.get-ok', got, Buffer.from('a body'), { contentType: 'text/plain' }, 2)
    })
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false }),
    )
  })
  await client.connect()
  await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  await client.basicPublish('', 'q', 'x')
  const message = await client.basicGet('q')
  expect(message?.text()).toBe('a body')
  expect(message?.properties.contentType).toBe('text/plain')
  message?.ack()
  await client.close()
  expect(client.state).toMatchObject({ name: 'closed' })
})

test('a second connection.open-ok in the same read ends the connection, and nothing else', async () => {
  const client = await clientOf(socket => {
    const peer = serve(socket)
    const openOk = peer.method(0, 'connection.open-ok', {})
    peer.on('connection.open', () => peer.raw(Buffer.concat([openOk, openOk])))
  })
  const loss = lossOf(client)
  await client.connect()
  expect(await loss).toBeInstanceOf(CommandInvalidError)
  await client.closed
})
