/** Covers credentials and client properties that may not fit what a server takes before the limits are agreed on. */
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  ArgumentError,
  Client,
  type ClientOptions,
  ConnectionBrokenError,
  connect,
  TimeoutError,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type PeerOptions, ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

afterEach(closeClients)

const TOKEN = 'hunter2'.repeat(720)
const AS_SENT = { capabilities: { authentication_failure_close: true } }

function attempt(peer: ScriptedPeer, options: ClientOptions = {}): Promise<AmqpError> {
  const url = `amqp://user:${TOKEN}@test`
  const connecting = connect(url, { transport: peer.transport, heartbeat: 0, ...options })
  return connecting.then(
    () => {
      throw new Error('it has connected')
    },
    (error: AmqpError) => {
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('hunter2')
      return error
    },
  )
}

const rabbit = (version: string): PeerOptions => ({ ...AS_SENT, product: 'RabbitMQ', version })

describe('a token of 5,000 bytes', () => {
  test.each(['3.7.28', '3.10.8', '3.13.7', '4.0.5', '4.0'])(
    'is refused with ArgumentError before it is sent to RabbitMQ %s, which cannot take it',
    async version => {
      const peer = new ScriptedPeer(rabbit(version))
      const error = await attempt(peer)
      expect(error).toMatchObject({ constructor: ArgumentError, operation: 'connect' })
      expect(error.message).toMatch(/the credentials take 5046 bytes, and clientProperties \d+/)
      expect(error.message).toContain(`RabbitMQ ${version} takes no more than 4096`)
      expect(error.message).toContain('8192 from 4.1 on')
      expect(peer.all('connection.start-ok')).toEqual([])
      await turns()
      expect(peer.clientGone).toBe(true)
    },
  )

  test.each([
    rabbit('4.1.0'),
    rabbit('4.3.6'),
    rabbit('10.0.1'),
    {},
    { ...AS_SENT, product: 'Other', version: '3.1' },
  ])('is sent to %j, which may take it', async peerOptions => {
    const { peer } = await connectToPeer({ password: TOKEN }, peerOptions)
    expect((await peer.next('connection.start-ok')).method.args.response).toHaveLength(5047)
  })

  test.each<[string, PeerOptions, (peer: ScriptedPeer) => void]>([
    ['hangs up', AS_SENT, peer => peer.hangUp()],
    ['hangs up, and does so for wrong credentials, too', {}, peer => peer.hangUp()],
    ['says that a frame is too large', AS_SENT, peer => peer.closeConnection(501, 'FRAME_ERROR')],
  ])('is what was tried where a server %s', async (_, peerOptions, refuse) => {
    const peer = new ScriptedPeer(peerOptions)
    peer.on('connection.start-ok', () => refuse(peer))
    const error = await attempt(peer)
    expect(error).toMatchObject({ constructor: ArgumentError, operation: 'connect' })
    expect(error.message).toMatch(/most likely since it has 5\d\d\d bytes: the credentials take 5046 bytes/)
  })

  test('is what was tried where a server says nothing more', async () => {
    const peer = new ScriptedPeer(AS_SENT)
    peer.on('connection.start-ok', () => undefined)
    const error = await attempt(peer, { connectTimeout: 30 })
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toContain('the credentials take 5046 bytes')
  })

  test('is no reason where the server gives another one', async () => {
    const peer = new ScriptedPeer(AS_SENT)
    peer.on('connection.start-ok', () => peer.closeConnection(403, 'ACCESS_REFUSED'))
    expect(await attempt(peer)).toMatchObject({ code: 'AUTHENTICATION', replyCode: 403 })
  })

  test('out of a function for the URL is refused by connect(), too', async () => {
    const peer = new ScriptedPeer(rabbit('3.10.8'))
    const client = new Client(async () => `amqp://user:${TOKEN}@test`, { transport: peer.transport })
    await expect(client.connect()).rejects.toBeInstanceOf(ArgumentError)
    await client.close()
  })

  test('that replaces another one is told with each attempt to reconnect', async () => {
    const peers = [new ScriptedPeer(rabbit('3.10.8')), new ScriptedPeer(rabbit('3.10.8'))]
    const [first] = peers as [ScriptedPeer]
    let attempts = 0
    const client = await connect('amqp://test', {
      transport: (...args) => (peers[attempts++] ?? new ScriptedPeer(rabbit('3.10.8'))).transport(...args),
      heartbeat: 0,
      recovery: { initialDelay: 1, maxDelay: 1 },
    })
    first.on('connection.update-secret', () => first.send(0, 'connection.update-secret-ok', {}))
    await client.updateSecret(TOKEN)
    const told = new Promise<Error>(resolve =>
      client.on('reconnecting', ({ error }) => error instanceof ArgumentError && resolve(error)),
    )
    first.hangUp()
    expect((await told).message).toContain('the credentials take')
    await client.close()
  })

  test('ends a client that is not to retry what is refused', async () => {
    const client = new Client(`amqp://user:${TOKEN}@test`, {
      transport: (...args) => new ScriptedPeer(rabbit('3.10.8')).transport(...args),
      retryInitial: true,
      recovery: { retryRefused: false },
    })
    await expect(client.connect()).rejects.toBeInstanceOf(ArgumentError)
    await client.close()
  })
})

test('client properties that are too large are told as such', async () => {
  const peer = new ScriptedPeer(rabbit('3.10.8'))
  const clientProperties = { note: 'x'.repeat(5000) }
  await expect(
    connect('amqp://u:p@test', { transport: peer.transport, clientProperties }),
  ).rejects.toMatchObject({
    constructor: ArgumentError,
    message: expect.stringMatching(/the credentials take 4 bytes, and clientProperties 5\d\d\d/),
  })
})

test('nothing is sent that is larger than frameMax', async () => {
  const peer = new ScriptedPeer()
  const error = await attempt(peer, { frameMax: 8192, clientProperties: { note: 'x'.repeat(5000) } })
  expect(error).toBeInstanceOf(ArgumentError)
  expect(error.message).toContain('frameMax is 8192')
  expect(peer.all('connection.start-ok')).toEqual([])
})

test('a small frame is no reason where a server hangs up', async () => {
  const peer = new ScriptedPeer(AS_SENT)
  peer.on('connection.start-ok', () => peer.hangUp())
  await expect(connect('amqp://u:p@test', { transport: peer.transport })).rejects.toBeInstanceOf(
    ConnectionBrokenError,
  )
})
