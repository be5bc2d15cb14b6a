/** Covers the `debug` lines of whole connections: each namespace says something, and none ever prints a password. */
import { format } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import debug from 'debug'
import { debugError } from '../../src/debug.js'
import { AuthenticationError, type ClientOptions, connect } from '../../src/index.js'
import { type PeerOptions, ScriptedPeer, turns } from '../support/memory/scripted-peer.js'

const PASSWORD = 'pa55w0rd'
const SECRETS = [PASSWORD, Buffer.from(PASSWORD).toString('base64'), Buffer.from(PASSWORD).toString('hex')]

const log = debug.log
let lines: string[] = []

beforeEach(() => {
  lines = []
  debug.log = (...args: unknown[]) => lines.push(format(...args))
})
afterEach(() => {
  debug.disable()
  debug.log = log
})

/** A connection from beginning to end, with something of everything. */
async function converse(options: ClientOptions, peerOptions: PeerOptions = {}): Promise<void> {
  const peer = new ScriptedPeer(peerOptions)
  peer.on('basic.publish', ({ channel }) => peer.closeChannel(channel, 404, 'NOT_FOUND', 'basic.publish'))
  const client = await connect(`amqp://user:${PASSWORD}@test`, { transport: peer.transport, ...options })
  await client.queueDeclare('q')
  await expect(client.basicPublish('', 'q', 'x')).rejects.toThrow('NOT_FOUND')
  const consumer = client.basicConsume('q')
  await consumer.ready
  await consumer.cancel()
  await client.close()
}

describe('the debug lines', () => {
  test.each<[string, ClientOptions, PeerOptions]>([
    ['PLAIN', {}, {}],
    ['AMQPLAIN', { mechanism: 'AMQPLAIN' }, {}],
  ])('of a whole connection never hold the password (%s)', async (mechanism, options, peerOptions) => {
    debug.enable('puka:*')
    await converse({ heartbeat: 5, ...options }, peerOptions)
    const text = lines.join('\n')
    for (const secret of SECRETS) expect(text).not.toContain(secret)
    expect(text).toContain(`authenticating by ${mechanism}`)
    for (const namespace of ['connection', 'frame', 'channel', 'ticket'])
      expect(text).toContain(`puka:${namespace}`)
  })

  test('of a connection that is refused, or challenged, never hold it either', async () => {
    debug.enable('puka:*')
    const peer = new ScriptedPeer()
    peer.on('connection.start-ok', () => peer.send(0, 'connection.secure', { challenge: Buffer.from('?') }))
    peer.on('connection.secure-ok', () => peer.closeConnection(403, 'ACCESS_REFUSED'))
    const options = { transport: peer.transport, username: 'user', password: PASSWORD }
    await expect(connect('amqp://test', options)).rejects.toBeInstanceOf(AuthenticationError)
    await turns()
    const text = lines.join('\n')
    expect(text).toContain('secure-ok')
    for (const secret of SECRETS) expect(text).not.toContain(secret)
  })

  test('name every frame, with its channel and direction', async () => {
    debug.enable('puka:frame')
    await converse({ heartbeat: 0 })
    const text = lines.join('\n')
    for (const line of [
      '< 0 connection.start',
      '> 0 connection.start-ok',
      '> 3 queue.declare',
      '< 3 queue.declare-ok',
    ]) {
      expect(text).toContain(line)
    }
  })

  test('follow an operation by its ticket, to its outcome', async () => {
    debug.enable('puka:ticket')
    await converse({ heartbeat: 0 })
    const text = lines.join('\n')
    expect(text).toContain('1: queueDeclare')
    expect(text).toContain('1: queueDeclare: done')
  })

  test('are none where no namespace is enabled', async () => {
    await converse({ heartbeat: 0 })
    expect(lines).toEqual([])
  })
})

test('a line that cannot be shown, or that nobody takes, throws nothing', () => {
  debug.enable('puka:error')
  const unspeakable = {
    toString: () => {
      throw new Error('no words')
    },
  }
  expect(() => debugError('%s', unspeakable)).not.toThrow()
  debug.log = () => {
    throw new Error('the disk is full')
  }
  expect(() => debugError('x')).not.toThrow()
})
