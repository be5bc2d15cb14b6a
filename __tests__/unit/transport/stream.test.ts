/** Covers the behaviour of the transport over TCP and unix sockets, against servers of this process. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { connectStream } from '../../../src/transport/stream.js'
import { closeAll, connect, connectedPair, listen, MUCH, NEVER, Recorder, read } from './sockets.js'

afterEach(closeAll)

describe('a transport over TCP', () => {
  test('carries bytes both ways, in order, in one piece or in several', async () => {
    const { transport, events, socket } = await connectedPair()
    expect(transport.write([Buffer.from('one ')])).toBe(true)
    expect(transport.write([Buffer.from('two '), Buffer.from(''), Buffer.from('three')])).toBe(true)
    expect(transport.write([])).toBe(true)
    expect(await read(socket, 13)).toBe('one two three')
    socket.write('back')
    expect(await events.received(4)).toBe('back')
  })

  test('delivers what the peer said before its owner began to listen', async () => {
    const server = createServer(socket => socket.end('early'))
    const port = await listen(server)
    const peer = once(server, 'connection') as Promise<[Socket]>
    const transport = await connectStream({ host: '127.0.0.1', port }, NEVER)
    await once((await peer)[0], 'finish')
    const events = new Recorder()
    transport.start(events)
    expect(await events.received(5)).toBe('early')
    expect(await events.closed.promise).toBeUndefined()
  })

  test('asks for a pause when the peer does not read, sends all the same, and tells when it takes more', async () => {
    const { transport, events, socket } = await connectedPair()
    socket.pause()
    const piece = Buffer.alloc(MUCH, 'x')
    expect(transport.write([piece])).toBe(false)
    expect(transport.write([Buffer.from('the '), Buffer.from('end')])).toBe(false)
    const text = await read(socket, MUCH + 7)
    expect(text.slice(-8)).toBe('xthe end')
    await events.drained.promise
    expect(transport.write([Buffer.from('more')])).toBe(true)
    expect(await read(socket, 4)).toBe('more')
  })

  test('sends all that was written before it ends, and reports its close without an error', async () => {
    const { transport, events, socket } = await connectedPair()
    transport.write([Buffer.alloc(MUCH, 'y')])
    transport.end()
    const ended = once(socket, 'end')
    expect(await read(socket, MUCH)).toHaveLength(MUCH)
    socket.resume()
    await ended
    expect(await events.closed.promise).toBeUndefined()
  })

  test('reports the close by the peer once, without an error, after all data', async () => {
    const { transport, events, socket } = await connectedPair()
    socket.end('goodbye')
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('goodbye')
    transport.destroy()
    transport.end()
    await new Promise(resolve => setImmediate(resolve))
    expect(events.closes).toHaveLength(1)
  })

  test('reports the end of a peer that does not read, while writes wait for it', async () => {
    const { transport, events, socket } = await connectedPair({ allowHalfOpen: true })
    socket.pause()
    expect(transport.write([Buffer.alloc(MUCH, 'x')])).toBe(false)
    socket.end('goodbye')
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('goodbye')
    const gone = once(socket, 'close')
    transport.destroy()
    socket.resume()
    await gone
    expect(events.closes).toHaveLength(1)
  })

  test('sends what was written before it ends, though the peer has ended before', async () => {
    const { transport, events, socket } = await connectedPair({ allowHalfOpen: true })
    transport.write([Buffer.alloc(MUCH, 'y')])
    transport.end()
    socket.end()
    expect(await events.closed.promise).toBeUndefined()
    expect(await read(socket, MUCH)).toHaveLength(MUCH)
  })

  test('reports the end of a peer that said all before its owner began to listen, and then no more', async () => {
    const server = createServer({ allowHalfOpen: true }, socket => socket.pause().end('early'))
    const port = await listen(server)
    const peer = once(server, 'connection') as Promise<[Socket]>
    const transport = await connectStream({ host: '127.0.0.1', port }, NEVER)
    const [socket] = await peer
    transport.write([Buffer.alloc(MUCH, 'z')])
    if (!socket.writableFinished) await once(socket, 'finish')
    // The end is in the system's hands; it comes with one of the next rounds of the event loop.
    for (let round = 0; round < 20; round++) await new Promise(resolve => setImmediate(resolve))
    const events = new Recorder()
    transport.start(events)
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('early')
    transport.destroy()
  })

  test('reports a reset by the peer as an error', async () => {
    const { events, socket } = await connectedPair()
    socket.resetAndDestroy()
    expect(await events.closed.promise).toMatchObject({ code: 'ECONNRESET' })
  })

  test('reports a reset that came before its owner began to listen', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const accepted = once(server, 'connection')
    const { port } = server.address() as AddressInfo
    const transport = await connectStream({ host: '127.0.0.1', port }, NEVER)
    const [socket] = (await accepted) as [Socket]
    socket.resetAndDestroy()
    await once(socket, 'close')
    // Node notices a reset when it writes or reads.
    transport.write([Buffer.from('x')])
    const closed = new Promise<Error | undefined>(resolve =>
      transport.start({ onData: () => undefined, onDrain: () => undefined, onClose: resolve }),
    )
    expect(await closed).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) })
    server.close()
  })

  test('takes writes after it was destroyed without failing, and reports one close', async () => {
    const { transport, events } = await connectedPair()
    transport.destroy()
    transport.write([Buffer.from('nobody')])
    transport.write([Buffer.from('hears'), Buffer.from('this')])
    expect(await events.closed.promise).toBeUndefined()
    expect(events.closes).toHaveLength(1)
  })

  test('leaves no handle when it is destroyed', async () => {
    const clients = (): number =>
      process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
    const { transport, events, socket } = await connectedPair()
    const both = clients()
    const peerClosed = once(socket, 'close')
    transport.destroy()
    await events.closed.promise
    await peerClosed
    expect(clients()).toBe(both - 2)
  })
})

describe('connectStream', () => {
  test('rejects with the reason where nobody listens', async () => {
    const server = createServer()
    const port = await listen(server)
    await new Promise(resolve => server.close(resolve))
    await expect(connectStream({ host: '127.0.0.1', port }, NEVER)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      port,
    })
  })

  test('rejects with the reason where the host is not known', async () => {
    // RFC 6761: no name under "invalid" exists.
    await expect(connectStream({ host: 'broker.invalid', port: 5672 }, NEVER)).rejects.toMatchObject({
      code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
      hostname: 'broker.invalid',
    })
  })

  test('rejects with the reason of a signal that is aborted already, and connects to nothing', async () => {
    const server = createServer()
    const port = await listen(server)
    let connections = 0
    server.on('connection', () => connections++)
    const reason = new Error('changed my mind')
    await expect(connectStream({ host: '127.0.0.1', port }, AbortSignal.abort(reason))).rejects.toBe(reason)
    await connect({ host: '127.0.0.1', port })
    expect(connections).toBe(1)
  })

  test('rejects with the reason of a signal that aborts on the way, and hangs up', async () => {
    const server = createServer()
    const port = await listen(server)
    const peer = once(server, 'connection') as Promise<[Socket]>
    const controller = new AbortController()
    const reason = new Error('too slow')
    // The server never answers the client's TLS greeting.
    const connecting = connectStream({ host: '127.0.0.1', port, tls: {} }, controller.signal)
    const [socket] = await peer
    socket.resume()
    const hungUp = once(socket, 'close')
    controller.abort(reason)
    await expect(connecting).rejects.toBe(reason)
    await hungUp
  })

  test('does not mind a signal that aborts when the connection is made', async () => {
    const server = createServer()
    const port = await listen(server)
    const peer = once(server, 'connection') as Promise<[Socket]>
    const controller = new AbortController()
    const { transport, events } = await connect({ host: '127.0.0.1', port }, controller.signal)
    const [socket] = await peer
    controller.abort()
    transport.write([Buffer.from('still there')])
    expect(await read(socket, 11)).toBe('still there')
    expect(events.closes).toEqual([])
  })
})

describe('a transport over a unix socket', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'puka-socket-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('carries bytes both ways', async () => {
    const path = join(folder, 'broker.sock')
    const server = createServer()
    await listen(server, { path })
    const peer = once(server, 'connection') as Promise<[Socket]>
    const { transport, events } = await connect({ host: 'localhost', port: 5672, path })
    const [socket] = await peer
    transport.write([Buffer.from('there')])
    expect(await read(socket, 5)).toBe('there')
    socket.end('back')
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('back')
  })

  test('reports the end of a peer that does not read, while writes wait for it', async () => {
    const path = join(folder, 'half.sock')
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, socket =>
      socket.end('goodbye'),
    )
    await listen(server, { path })
    const { transport, events } = await connect({ host: 'localhost', port: 5672, path })
    transport.write([Buffer.alloc(MUCH, 'x')])
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('goodbye')
  })

  test('rejects with the reason where no socket is at its path', async () => {
    const path = join(folder, 'missing.sock')
    await expect(connectStream({ host: 'localhost', port: 5672, path }, NEVER)).rejects.toMatchObject({
      code: 'ENOENT',
      address: path,
    })
  })
})
