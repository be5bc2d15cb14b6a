/** Covers the behaviour of the transport over TLS, against servers of this process with throw-away certificates. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { connectStream } from '../../../src/transport/stream.js'
import { type Certificates, makeCertificates } from '../../support/broker/certificates.js'
import { closeAll, connect, listen, MUCH, NEVER, read } from './sockets.js'

afterEach(closeAll)

describe('a transport over TLS', () => {
  let certificates: Certificates

  beforeAll(async () => {
    certificates = await makeCertificates()
  })
  afterAll(() => certificates.remove())

  const pem = (file: string): Buffer => readFileSync(file)

  async function tlsServer(options: { requestCert?: boolean; allowHalfOpen?: boolean } = {}) {
    const { server: pair, caPem: ca } = certificates
    const server = createTlsServer({ cert: pem(pair.cert), key: pem(pair.key), ca, ...options })
    server.on('tlsClientError', () => undefined)
    const port = await listen(server)
    const peer = once(server, 'secureConnection') as Promise<[TLSSocket]>
    return { port, peer }
  }

  test('carries bytes both ways, and names the host to the server', async () => {
    const { port, peer } = await tlsServer()
    const { transport, events } = await connect({ host: 'localhost', port, tls: { ca: certificates.caPem } })
    const [socket] = await peer
    expect(Reflect.get(socket, 'servername')).toBe('localhost')
    transport.write([Buffer.from('se'), Buffer.from('cret')])
    expect(await read(socket, 6)).toBe('secret')
    socket.end('answer')
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('answer')
  })

  test('asks for a pause when the peer does not read, and tells when it takes more', async () => {
    const { port, peer } = await tlsServer()
    const { transport, events } = await connect({ host: 'localhost', port, tls: { ca: certificates.caPem } })
    const [socket] = await peer
    expect(transport.write([Buffer.alloc(MUCH, 'z')])).toBe(false)
    expect(await read(socket, MUCH)).toHaveLength(MUCH)
    await events.drained.promise
    expect(transport.write([Buffer.from('more')])).toBe(true)
  })

  test('reports the end of a peer that does not read, while writes wait for it', async () => {
    const { port, peer } = await tlsServer({ allowHalfOpen: true })
    const { transport, events } = await connect({ host: 'localhost', port, tls: { ca: certificates.caPem } })
    const [socket] = await peer
    socket.pause()
    expect(transport.write([Buffer.alloc(MUCH, 'x')])).toBe(false)
    socket.end('goodbye')
    expect(await events.closed.promise).toBeUndefined()
    expect(events.text).toBe('goodbye')
  })

  test('connects to an address, which is never sent as a server name', async () => {
    const { port, peer } = await tlsServer()
    await connect({ host: '127.0.0.1', port, tls: { ca: certificates.caPem } })
    const [socket] = await peer
    expect(Reflect.get(socket, 'servername')).toBe(false)
  })

  test('shows the certificate of the client', async () => {
    const { port, peer } = await tlsServer({ requestCert: true })
    const { cert, key } = certificates.client
    const tls = { ca: certificates.caPem, cert: pem(cert), key: pem(key) }
    await connect({ host: 'localhost', port, tls })
    const [socket] = await peer
    expect(socket.authorized).toBe(true)
    expect(socket.getPeerCertificate().subject.CN).toBe('guest')
  })

  test('rejects a server that an unknown authority vouches for', async () => {
    const { port } = await tlsServer()
    await expect(connectStream({ host: 'localhost', port, tls: {} }, NEVER)).rejects.toMatchObject({
      code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/),
    })
  })

  test('rejects a server whose certificate is for another name', async () => {
    const { port } = await tlsServer()
    const tls = { ca: certificates.caPem, servername: 'elsewhere.example' }
    await expect(connectStream({ host: 'localhost', port, tls }, NEVER)).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  test('rejects a server that hangs up during the handshake, or does not speak TLS', async () => {
    const rude = await listen(createServer(socket => socket.destroy()))
    await expect(connectStream({ host: '127.0.0.1', port: rude, tls: {} }, NEVER)).rejects.toMatchObject({
      code: 'ECONNRESET',
    })
    const plain = await listen(createServer(socket => socket.end('AMQP\0\0\x09\x01')))
    await expect(connectStream({ host: '127.0.0.1', port: plain, tls: {} }, NEVER)).rejects.toThrow(/SSL|TLS/)
  })
})
