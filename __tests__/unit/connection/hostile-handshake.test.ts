/** Covers a peer that does what no broker would before the connection is open: each attempt fails at once, or works. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { MethodName } from '../../../src/codec/methods.gen.js'
import {
  type AmqpError,
  AmqpSyntaxError,
  AuthenticationError,
  CommandInvalidError,
  ConnectionForcedError,
  connect,
  FrameError,
  ProtocolError,
  ResourceError,
} from '../../../src/index.js'
import { times } from '../../support/memory/hostile-frames.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'
import { bytes } from '../../support/wire/vectors.js'

afterEach(closeClients)

const method = (peer: ScriptedPeer, payload: string): Buffer => peer.frame(1, 0, bytes(payload))
const CLOSE = '000a 0032 0140 01 "x" 0000 0000'

describe('a greeting fails the attempt where', () => {
  const start = (properties: string, rest = '00000005 "PLAIN" 00000005 "en_US"'): Buffer =>
    new ScriptedPeer().frame(1, 0, bytes(`000a 000a 00 09 ${properties} ${rest}`))
  const huge = (bytes: number): Buffer => {
    const value = Buffer.alloc(bytes, 'x').toString('hex')
    const size = (length: number): string => length.toString(16).padStart(8, '0')
    return start(`${size(bytes + 7)} 01 "k" 53 ${size(bytes)} ${value}`)
  }

  test.each<[string, Buffer, new (message: string) => AmqpError]>([
    ['its table is longer than its frame', start('ffffffff 01 "a" 53'), AmqpSyntaxError],
    ['its table is shorter than its fields', start('00000003 01 "a" 53 00000001 "b"'), AmqpSyntaxError],
    ['a name in its table is longer than the table', start('00000003 ff "ab"'), AmqpSyntaxError],
    ['a value in its table has a type that nobody knows', start('00000003 01 "a" 7a'), AmqpSyntaxError],
    ['its mechanisms are longer than its frame', start('00000000', 'ffffffff "PLAIN"'), AmqpSyntaxError],
    ['its properties are beyond any frame', huge(200_000), FrameError],
    ['it says that it is larger than it is', bytes(`01 0000 00000020 ${'0'.repeat(80)}`), FrameError],
    ['it is of another version', start('00000000').fill(1, 11, 12), ProtocolError],
  ])('%s', async (_, greeting, ErrorClass) => {
    let dropped = false
    const transport = () => ({
      start: (events: { onData(chunk: Buffer): void }) => queueMicrotask(() => events.onData(greeting)),
      write: () => true,
      end: () => undefined,
      destroy: () => {
        dropped = true
      },
    })
    expect(await errorOf(connect('amqp://hostile', { transport }))).toBeInstanceOf(ErrorClass)
    expect(dropped).toBe(true)
  })
})

describe('an attempt to connect fails where there comes', () => {
  test.each<[string, MethodName, (peer: ScriptedPeer) => Buffer[], new (message: string) => AmqpError]>([
    [
      'connection.close, over and over',
      'connection.start-ok',
      p => times(100, method(p, CLOSE)),
      ConnectionForcedError,
    ],
    [
      'connection.close right behind the last step, over and over',
      'connection.open',
      p => [method(p, '000a 0029 00'), ...times(100, method(p, CLOSE))],
      ConnectionForcedError,
    ],
    [
      'connection.close with a text that is cut off',
      'connection.open',
      p => [method(p, '000a 0032 0140 ff "x"')],
      AmqpSyntaxError,
    ],
    [
      'connection.secure, over and over',
      'connection.start-ok',
      p => times(1000, method(p, '000a 0014 00000001 "?"')),
      AuthenticationError,
    ],
    [
      'a challenge longer than its frame',
      'connection.start-ok',
      p => [method(p, '000a 0014 ffffffff "?"')],
      AmqpSyntaxError,
    ],
    ['connection.tune, cut off', 'connection.start-ok', p => [method(p, '000a 001e 0000')], AmqpSyntaxError],
    [
      'a limit on frames of one byte',
      'connection.start-ok',
      p => [method(p, '000a 001e 0000 00000001 0000')],
      ProtocolError,
    ],
    ['a frame of 4 GB', 'connection.start-ok', () => [bytes('01 0000 ffffffff')], FrameError],
    [
      'a frame with a wrong end',
      'connection.open',
      () => [bytes('01 0000 00000005 000a 0029 00 cd')],
      FrameError,
    ],
    ['connection.update-secret-ok', 'connection.open', p => [method(p, '000a 0047')], CommandInvalidError],
  ])('%s', async (_, after, frames, ErrorClass) => {
    const peer = new ScriptedPeer()
    peer.on(after, () => peer.raw(Buffer.concat(frames(peer))))
    const attempt = connect('amqp://hostile', { transport: peer.transport, heartbeat: 0 })
    expect(await errorOf(attempt)).toBeInstanceOf(ErrorClass)
    await turns()
    expect(peer.clientGone).toBe(true)
  })
})

describe('a connection works within the limits of its peer:', () => {
  test('one channel is enough to publish, and too little for the rest', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { channelMax: 1 } })
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: 0, multiple: true }),
    )
    await client.basicPublish('', 'q', 'x')
    await expect(client.queueDeclare('q')).rejects.toBeInstanceOf(ResourceError)
    await expect(client.basicPublish('', 'q', 'x', { confirm: false })).rejects.toBeInstanceOf(ResourceError)
    expect(client.state.name).toBe('open')
  })

  test.each([
    ['the longest heartbeat', { heartbeat: 65_535 }, { heartbeat: 65_535 }],
    [
      'the highest limits there are',
      { channelMax: 65_535, frameMax: 0xff_ff_ff_ff },
      { channelMax: 65_535, frameMax: 0 },
    ],
    ['no limits at all', {}, { channelMax: 65_535, frameMax: 0 }],
  ])('%s', async (_, tune, options) => {
    const { client } = await connectToPeer(options, { tune })
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })
})
