/** Covers the beginning of a connection: tuning, mechanisms, and everything that may go wrong on the way. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { decodeMethod, type MethodName } from '../../../src/codec/methods.gen.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { Handshake } from '../../../src/connection/handshake.js'
import {
  AuthenticationError,
  ChannelError,
  Client,
  type ClientOptions,
  CommandInvalidError,
  ConnectionBrokenError,
  connect,
  NotAllowedError,
  ProtocolError,
  TimeoutError,
  UnexpectedFrameError,
} from '../../../src/index.js'
import { Reader } from '../../../src/wire/reader.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type PeerOptions, ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

afterEach(() => {
  jest.useRealTimers()
  return closeClients()
})

function attempt(peer: ScriptedPeer, options: ClientOptions = {}) {
  return connect('amqp://user:s3cret@test', { transport: peer.transport, heartbeat: 0, ...options })
}

describe('tuning', () => {
  test.each([
    ['the server wants less', {}, { channelMax: 10, frameMax: 8192, heartbeat: 5 }, [10, 8192, 5]],
    [
      'the client wants less',
      { channelMax: 9, frameMax: 8192, heartbeat: 3 },
      { channelMax: 10, frameMax: 9000, heartbeat: 5 },
      [9, 8192, 3],
    ],
    ['the server sets no limits', {}, { channelMax: 0, frameMax: 0, heartbeat: 0 }, [2047, 131_072, 30]],
    [
      'the client sets no limits',
      { frameMax: 0, heartbeat: 0 },
      { channelMax: 10, frameMax: 8192, heartbeat: 5 },
      [10, 8192, 0],
    ],
    ['neither sets limits', { frameMax: 0, heartbeat: 0 }, {}, [2047, 0, 0]],
  ])('finds common values where %s', async (_, options, tune, [channelMax, frameMax, heartbeat]) => {
    const { peer } = await connectToPeer({ heartbeat: 30, ...options }, { tune })
    const { args } = (await peer.next('connection.tune-ok')).method
    expect(args).toEqual({ channelMax, frameMax, heartbeat })
  })

  test('refuses frames smaller than AMQP allows', async () => {
    const peer = new ScriptedPeer({ tune: { frameMax: 4095 } })
    await expect(attempt(peer)).rejects.toBeInstanceOf(ProtocolError)
  })

  test('holds for what is sent: a body is cut into frames of the size agreed on', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { frameMax: 4096 } })
    void client.basicPublish('', 'q', Buffer.alloc(10_000)).catch(() => undefined)
    await peer.next('basic.publish')
    const stream = Buffer.concat(peer.writes).subarray(8)
    const bodies: number[] = []
    for (let at = 0; at < stream.length; at += 8 + stream.readUInt32BE(at + 3)) {
      if (stream[at] === 3) bodies.push(stream.readUInt32BE(at + 3))
    }
    expect(bodies).toEqual([4088, 4088, 1824])
  })
})

describe('authentication', () => {
  test.each<[string, ClientOptions, PeerOptions, string, string]>([
    ['PLAIN', {}, {}, 'PLAIN', '\0user\0s3cret'],
    [
      'AMQPLAIN where there is no PLAIN',
      {},
      { mechanisms: 'X AMQPLAIN' },
      'AMQPLAIN',
      '\x05LOGINS\0\0\0\x04user\x08PASSWORDS\0\0\0\x06s3cret',
    ],
    [
      'EXTERNAL where the user says so',
      { mechanism: 'EXTERNAL' },
      { mechanisms: 'PLAIN EXTERNAL' },
      'EXTERNAL',
      '',
    ],
  ])('goes by %s', async (_, options, peerOptions, mechanism, response) => {
    const peer = new ScriptedPeer(peerOptions)
    const client = await attempt(peer, options)
    const { args } = (await peer.next('connection.start-ok')).method
    expect(args).toMatchObject({ mechanism, locale: 'en_US' })
    expect(args.response.toString('latin1')).toBe(response)
    await client.close()
  })

  test('answers a challenge with the same response again', async () => {
    const peer = new ScriptedPeer()
    peer.on('connection.start-ok', () => peer.send(0, 'connection.secure', { challenge: Buffer.from('?') }))
    let asked = 0
    peer.on('connection.secure-ok', ({ method: { args } }) => {
      expect(args.response.toString()).toBe('\0user\0s3cret')
      if (++asked < 2) peer.send(0, 'connection.secure', { challenge: Buffer.from('??') })
      else peer.send(0, 'connection.tune', { channelMax: 0, frameMax: 0, heartbeat: 0 })
    })
    const client = await attempt(peer)
    expect(asked).toBe(2)
    await client.close()
  })

  test('fails where challenges do not end', async () => {
    const peer = new ScriptedPeer()
    const challenge = (): void => peer.send(0, 'connection.secure', { challenge: Buffer.from('?') })
    peer.on('connection.start-ok', challenge)
    peer.on('connection.secure-ok', challenge)
    await expect(attempt(peer)).rejects.toMatchObject({
      constructor: AuthenticationError,
      message: expect.stringContaining('connection.secure'),
    })
    expect(peer.all('connection.secure-ok')).toHaveLength(3)
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('fails where the server offers no mechanism of ours', async () => {
    const peer = new ScriptedPeer({ mechanisms: 'GSSAPI CRAM-MD5' })
    await expect(attempt(peer)).rejects.toMatchObject({
      constructor: AuthenticationError,
      message: expect.stringContaining('GSSAPI, CRAM-MD5'),
    })
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test.each([
    ['says 403', (peer: ScriptedPeer) => peer.closeConnection(403, 'ACCESS_REFUSED')],
    ['says 530', (peer: ScriptedPeer) => peer.closeConnection(530, 'NOT_ALLOWED', 'connection.start-ok')],
    ['hangs up', (peer: ScriptedPeer) => peer.hangUp()],
  ])('fails with AuthenticationError, without the password, where the server %s', async (_, refuse) => {
    const peer = new ScriptedPeer()
    peer.on('connection.start-ok', () => refuse(peer))
    const error: unknown = await attempt(peer).catch(error => error)
    expect(error).toBeInstanceOf(AuthenticationError)
    const { inspect } = await import('node:util')
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('s3cret')
    await turns()
    expect(peer.clientGone).toBe(true)
  })
})

describe('a handshake that fails', () => {
  test('is no refusal where a server hangs up that would have said so', async () => {
    const peer = new ScriptedPeer({ capabilities: { authentication_failure_close: true } })
    peer.on('connection.start-ok', () => peer.hangUp())
    await expect(attempt(peer)).rejects.toMatchObject({ constructor: ConnectionBrokenError })
  })

  test('says so where the virtual host is not allowed', async () => {
    const peer = new ScriptedPeer()
    peer.on('connection.open', () =>
      peer.closeConnection(530, "NOT_ALLOWED - vhost 'x' not found", 'connection.open'),
    )
    await expect(attempt(peer)).rejects.toMatchObject({
      constructor: NotAllowedError,
      operation: 'connect',
      replyCode: 530,
    })
    await peer.next('connection.close-ok')
  })

  test.each([
    ['another version of AMQP', 'AMQP\x03\x01\x00\x00'],
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['AMQP with anything but a method', '\x08\0\0\0\0\0\0\xce'],
  ])('says so where the server speaks %s', async (_, greeting) => {
    const transport: ClientOptions['transport'] = () => ({
      start: events => queueMicrotask(() => events.onData(Buffer.from(greeting, 'latin1'))),
      write: () => true,
      end: () => undefined,
      destroy: () => undefined,
    })
    await expect(connect('amqp://test', { transport })).rejects.toBeInstanceOf(ProtocolError)
  })

  test('says so where the server speaks AMQP 0-8', async () => {
    const peer = new ScriptedPeer()
    const start = peer.method(0, 'connection.start', {
      versionMajor: 0,
      versionMinor: 8,
      serverProperties: {},
      mechanisms: Buffer.from('PLAIN'),
      locales: Buffer.from('en_US'),
    })
    const transport: ClientOptions['transport'] = () => ({
      start: events => queueMicrotask(() => events.onData(start)),
      write: () => true,
      end: () => undefined,
      destroy: () => undefined,
    })
    await expect(connect('amqp://test', { transport })).rejects.toMatchObject({
      constructor: ProtocolError,
      message: 'connect: the server speaks AMQP 0-8, not 0-9-1',
    })
  })

  test('says so where a method comes out of turn', async () => {
    const peer = new ScriptedPeer()
    peer.on('connection.start-ok', () => peer.send(0, 'connection.open-ok', {}))
    await expect(attempt(peer)).rejects.toMatchObject({
      constructor: CommandInvalidError,
      message: expect.stringContaining('connection.tune or connection.secure was due'),
    })
  })

  const start = (peer: ScriptedPeer): Buffer =>
    peer.method(0, 'connection.start', {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: {},
      mechanisms: Buffer.from('PLAIN'),
      locales: Buffer.from('en_US'),
    })
  const tune = (peer: ScriptedPeer): Buffer =>
    peer.method(0, 'connection.tune', { channelMax: 0, frameMax: 0, heartbeat: 0 })

  test.each<[string, MethodName, (peer: ScriptedPeer) => Buffer]>([
    ['a second connection.start', 'connection.start-ok', start],
    ['a second connection.tune', 'connection.tune-ok', tune],
    [
      'connection.secure behind connection.tune',
      'connection.tune-ok',
      peer => peer.method(0, 'connection.secure', { challenge: Buffer.from('?') }),
    ],
    [
      'connection.blocked',
      'connection.start-ok',
      peer => peer.method(0, 'connection.blocked', { reason: 'why' }),
    ],
    ['connection.close-ok', 'connection.start-ok', peer => peer.method(0, 'connection.close-ok', {})],
    ['a method of another class', 'connection.start-ok', peer => peer.method(0, 'basic.qos-ok', {})],
  ])('says so where there is %s', async (_, after, method) => {
    const peer = new ScriptedPeer()
    peer.on(after, () => peer.raw(method(peer)))
    await expect(attempt(peer)).rejects.toBeInstanceOf(CommandInvalidError)
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('says so where methods come faster than they can be taken, and keeps few of them', async () => {
    const peer = new ScriptedPeer()
    const flood = Buffer.concat(Array.from({ length: 100 }, () => tune(peer)))
    peer.on('connection.start-ok', () => peer.raw(flood))
    await expect(attempt(peer)).rejects.toBeInstanceOf(CommandInvalidError)
    const handshake = new Handshake(
      { send: () => undefined, onTuned: () => undefined },
      resolveConfig('amqp://test', {}),
    )
    const method = decodeMethod(new Reader(tune(peer).subarray(7)))
    for (let count = 0; count < 64; count++) handshake.onMethod(method)
    expect(() => handshake.onMethod(method)).toThrow(
      'connection.tune came behind 64 others during the handshake',
    )
    expect(handshake.rest()).toHaveLength(64)
  })

  test.each([
    ['content on channel 0', 2, 0, UnexpectedFrameError],
    ['a large body on channel 0', 3, 0, UnexpectedFrameError],
    ['a frame on a channel that was never opened', 1, 1, ChannelError],
    ['a frame on a channel beyond all', 1, 65_535, ChannelError],
  ] as const)('says so where there is %s', async (_, type, channel, ErrorClass) => {
    const peer = new ScriptedPeer()
    peer.on('connection.start-ok', () => peer.raw(peer.frame(type, channel, Buffer.alloc(20_000))))
    await expect(attempt(peer)).rejects.toBeInstanceOf(ErrorClass)
  })

  test('says so where the server hangs up before it has said anything', async () => {
    const peer = new ScriptedPeer()
    const connecting = attempt(peer)
    peer.hangUp()
    await expect(connecting).rejects.toMatchObject({ constructor: ConnectionBrokenError })
  })

  test('says so where the server goes silent, and lets go of the transport', async () => {
    const peer = new ScriptedPeer()
    peer.on('connection.open', () => undefined)
    await expect(attempt(peer, { connectTimeout: 30 })).rejects.toBeInstanceOf(TimeoutError)
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('leaves a client that can try again', async () => {
    let peer = new ScriptedPeer({ mechanisms: 'NONE' })
    const client = new Client('amqp://test', {
      transport: (...args) => peer.transport(...args),
      heartbeat: 0,
    })
    await expect(client.connect()).rejects.toBeInstanceOf(AuthenticationError)
    peer = new ScriptedPeer()
    await expect(client.connect()).resolves.toMatchObject({ product: 'peer', host: 'test:5672' })
    await client.close()
  })
})

describe('what comes on the heels of connection.open-ok, in the same chunk,', () => {
  test('is heard: connection.blocked', async () => {
    const peer = new ScriptedPeer()
    peer.on('connection.open', () =>
      peer.raw(
        Buffer.concat([
          peer.method(0, 'connection.open-ok', {}),
          peer.method(0, 'connection.blocked', { reason: 'disk' }),
        ]),
      ),
    )
    const client = new Client('amqp://test', { transport: peer.transport, heartbeat: 0 })
    const blocked = new Promise(resolve => client.once('blocked', resolve))
    await client.connect()
    expect(await blocked).toBe('disk')
    void client.basicPublish('', 'q', 'x').catch(() => undefined)
    await turns()
    expect(peer.all('basic.publish')).toEqual([])
    await client.close()
  })

  test('is heard before what comes behind it', async () => {
    const peer = new ScriptedPeer()
    const client = new Client('amqp://test', { transport: peer.transport, heartbeat: 0 })
    const told: string[] = []
    client.on('blocked', reason => told.push(reason))
    client.on('unblocked', () => told.push('unblocked'))
    peer.on('connection.open', () => {
      const blocked = peer.method(0, 'connection.blocked', { reason: 'disk' })
      peer.raw(Buffer.concat([peer.method(0, 'connection.open-ok', {}), blocked]))
    })
    await client.connect()
    peer.send(0, 'connection.unblocked', {})
    await turns()
    expect(told).toEqual(['disk', 'unblocked'])
    await client.close()
  })

  test('is heard where the server hangs up behind it', async () => {
    const peer = new ScriptedPeer()
    const client = new Client('amqp://test', { transport: peer.transport, heartbeat: 0, recovery: false })
    const lost = new Promise(resolve => client.once('disconnect', resolve))
    await client.connect()
    peer.closeConnection(320, 'CONNECTION_FORCED')
    peer.hangUp()
    expect(await lost).toMatchObject({ replyCode: 320 })
  })

  test('does not keep the connection from being closed at once', async () => {
    const peer = new ScriptedPeer()
    const client = await attempt(peer)
    // Where connection.close-ok is not heard, closing waits for a timer, which never comes.
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'queueMicrotask', 'nextTick'] })
    await client.close()
    expect(client.state.name).toBe('closed')
  })

  test('is heard: connection.close', async () => {
    const peer = new ScriptedPeer()
    const close = { replyCode: 320, replyText: 'CONNECTION_FORCED', classId: 0, methodId: 0 }
    peer.on('connection.open', () =>
      peer.raw(
        Buffer.concat([peer.method(0, 'connection.open-ok', {}), peer.method(0, 'connection.close', close)]),
      ),
    )
    await expect(attempt(peer)).rejects.toMatchObject({ replyCode: 320 })
    await peer.next('connection.close-ok')
  })
})
