/** Covers a peer that breaks the rules: each violation ends the connection with an error of its own, and is told so. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  AmqpSyntaxError,
  ChannelError,
  CommandInvalidError,
  ConnectionBrokenError,
  FrameError,
  UnexpectedFrameError,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { bytes } from '../../support/wire/vectors.js'

/** The first channel of an operation. */
const LANE = 3
const DELIVER = '003c 003c 01 "t" 0000000000000001 00 00 01 "q"'
const GET_OK = '003c 0047 0000000000000001 00 00 01 "q" 00000000'
const HEADER_OF_5 = '003c 0000 0000000000000005 0000'

afterEach(closeClients)

function method(peer: ScriptedPeer, payload: string, channel = LANE): Buffer {
  return peer.frame(1, channel, bytes(payload))
}

const violations: [string, new (message: string) => AmqpError, number, (peer: ScriptedPeer) => Buffer[]][] = [
  ['a frame of an unknown type', FrameError, 501, peer => [peer.frame(7, LANE, bytes('00'))]],
  ['a frame without its end octet', FrameError, 501, () => [bytes('01 0003 00000004 00140029 00')]],
  ['a frame beyond frame_max', FrameError, 501, peer => [peer.frame(3, LANE, Buffer.alloc(4089))]],
  ['a frame on a channel that is not open', ChannelError, 504, peer => [method(peer, '0014 0029', 9)]],
  ['a heartbeat on a channel', UnexpectedFrameError, 505, peer => [peer.frame(8, LANE, Buffer.alloc(0))]],
  ['content on channel 0', UnexpectedFrameError, 505, peer => [peer.frame(2, 0, bytes(HEADER_OF_5))]],
  [
    'a header that no method announced',
    UnexpectedFrameError,
    505,
    peer => [peer.frame(2, LANE, bytes(HEADER_OF_5))],
  ],
  ['a body that no header announced', UnexpectedFrameError, 505, peer => [peer.frame(3, LANE, bytes('00'))]],
  [
    'a body right behind its method',
    UnexpectedFrameError,
    505,
    peer => [method(peer, DELIVER), peer.frame(3, LANE, bytes('00'))],
  ],
  [
    'a method where a header was announced',
    UnexpectedFrameError,
    505,
    peer => [method(peer, DELIVER), method(peer, DELIVER)],
  ],
  [
    'a method in the middle of a body',
    UnexpectedFrameError,
    505,
    peer => [
      method(peer, DELIVER),
      peer.frame(2, LANE, bytes(HEADER_OF_5)),
      peer.frame(3, LANE, bytes('"abc"')),
      method(peer, DELIVER),
    ],
  ],
  [
    'a second header',
    UnexpectedFrameError,
    505,
    peer => [
      method(peer, DELIVER),
      peer.frame(2, LANE, bytes(HEADER_OF_5)),
      peer.frame(2, LANE, bytes(HEADER_OF_5)),
    ],
  ],
  [
    'a body longer than announced',
    UnexpectedFrameError,
    505,
    peer => [
      method(peer, DELIVER),
      peer.frame(2, LANE, bytes(HEADER_OF_5)),
      peer.frame(3, LANE, bytes('"abcdef"')),
    ],
  ],
  [
    'a body that grows longer than announced',
    UnexpectedFrameError,
    505,
    peer => [
      method(peer, DELIVER),
      peer.frame(2, LANE, bytes(HEADER_OF_5)),
      peer.frame(3, LANE, bytes('"abc"')),
      peer.frame(3, LANE, bytes('"def"')),
    ],
  ],
  [
    'a header of another class',
    UnexpectedFrameError,
    505,
    peer => [method(peer, DELIVER), peer.frame(2, LANE, bytes('0032 0000 0000000000000005 0000'))],
  ],
  [
    'a header that is cut short',
    UnexpectedFrameError,
    505,
    peer => [method(peer, DELIVER), peer.frame(2, LANE, bytes('003c 0000 0000000000000005'))],
  ],
  [
    'a body that grows longer than announced, and is discarded',
    UnexpectedFrameError,
    505,
    peer => [
      method(peer, DELIVER),
      peer.frame(2, LANE, bytes('003c 0000 00000000000186a1 0000')),
      ...Array.from({ length: 25 }, () => peer.frame(3, LANE, Buffer.alloc(4001))),
    ],
  ],
  [
    'a message of 2^63 bytes',
    AmqpSyntaxError,
    502,
    peer => [method(peer, DELIVER), peer.frame(2, LANE, bytes('003c 0000 8000000000000000 0000'))],
  ],
  ['a method that AMQP does not have', CommandInvalidError, 503, peer => [method(peer, '00ff 0001')]],
  [
    'a method on channel 0 that AMQP does not have',
    CommandInvalidError,
    503,
    peer => [method(peer, '00ff 0001', 0)],
  ],
  ['a reply that nobody asked for', CommandInvalidError, 503, peer => [method(peer, '0032 0029 00000000')]],
  [
    'a reply on channel 0 that nobody asked for',
    CommandInvalidError,
    503,
    peer => [method(peer, '000a 0029 00', 0)],
  ],
  [
    'a message that nobody asked for',
    CommandInvalidError,
    503,
    peer => [method(peer, GET_OK), peer.frame(2, LANE, bytes('003c 0000 0000000000000000 0000'))],
  ],
  [
    'a new secret that was never given',
    CommandInvalidError,
    503,
    peer => [peer.method(0, 'connection.update-secret-ok', {})],
  ],
  ['a closing that nobody asked for', CommandInvalidError, 503, peer => [method(peer, '000a 0033', 0)]],
  [
    'a second connection.tune',
    CommandInvalidError,
    503,
    peer => [peer.method(0, 'connection.tune', { channelMax: 1, frameMax: 4096, heartbeat: 1 })],
  ],
  ['a message for a consumer on channel 0', CommandInvalidError, 503, peer => [method(peer, DELIVER, 0)]],
  ['a second channel.open-ok', CommandInvalidError, 503, peer => [method(peer, '0014 000b 00000000')]],
  ['connection.close on another channel', CommandInvalidError, 503, peer => [method(peer, '000a 0033')]],
  [
    'a frame on a channel for publishing, never opened',
    ChannelError,
    504,
    peer => [method(peer, '0014 0029', 1)],
  ],
  ['a method of three bytes', AmqpSyntaxError, 502, peer => [method(peer, '003200')]],
  ['a method on channel 0 of three bytes', AmqpSyntaxError, 502, peer => [method(peer, '000a00', 0)]],
  ['a method whose fields end early', AmqpSyntaxError, 502, peer => [method(peer, '0032 000b 05 "ab"')]],
  [
    'a channel.close whose fields end early',
    AmqpSyntaxError,
    502,
    peer => [method(peer, '0014 0028 0194 ff')],
  ],
  ['a confirm whose fields end early', AmqpSyntaxError, 502, peer => [method(peer, '003c 0050 00000000')]],
]

describe('a violation ends the connection with its own error:', () => {
  test.each(violations)('%s', async (_, ErrorClass, replyCode, frames) => {
    const { client, peer } = await connectToPeer({ maxMessageSize: 100_000 }, { tune: { frameMax: 4096 } })
    peer.on('queue.declare', () => peer.raw(Buffer.concat(frames(peer))))
    const disconnected = new Promise(resolve => client.once('disconnect', resolve))
    const declared = client.queueDeclare('q')
    await expect(declared).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      cause: expect.any(ErrorClass),
      operation: 'queueDeclare',
      ticket: 1,
    })
    expect(await disconnected).toBeInstanceOf(ErrorClass)
    const { args } = (await peer.next('connection.close')).method
    expect(args.replyCode).toBe(replyCode)
    expect(args.replyText).not.toBe('')
    await client.closed
    expect(peer.clientGone).toBe(true)
  })

  test('what came before it in the same chunk still counts, what comes behind it does not', async () => {
    const { client, peer } = await connectToPeer()
    const seen: string[] = []
    client.on('blocked', reason => seen.push(reason))
    const blocked = (reason: string) => peer.method(0, 'connection.blocked', { reason })
    peer.raw(Buffer.concat([blocked('before'), method(peer, '00ff 0001', 0), blocked('behind')]))
    await client.closed
    expect(seen).toEqual(['before'])
  })
})

describe('not a violation:', () => {
  test('a message of exactly maxMessageSize', async () => {
    const { client, peer } = await connectToPeer({ maxMessageSize: 10_000 })
    peer.on('basic.get', ({ channel }) => {
      const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
      peer.sendContent(channel, 'basic.get-ok', args, Buffer.alloc(10_000, 'x'))
    })
    const message = await client.basicGet('q')
    expect(message?.body).toEqual(Buffer.alloc(10_000, 'x'))
  })

  test('a frame of exactly frame_max', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { frameMax: 4096 } })
    peer.on('basic.get', ({ channel }) => {
      const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
      peer.sendContent(channel, 'basic.get-ok', args, Buffer.alloc(4088, 'x'), {}, 4088)
    })
    expect((await client.basicGet('q'))?.body).toHaveLength(4088)
  })

  test('an empty body frame, and frames of other channels between those of a body', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('queue.purge', () => undefined)
    const purged = client.queuePurge('other')
    const purge = await peer.next('queue.purge')
    peer.on('basic.get', ({ channel }) => {
      const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
      peer.raw(
        Buffer.concat([
          peer.method(channel, 'basic.get-ok', args),
          peer.method(purge.channel, 'queue.purge-ok', { messageCount: 7 }),
          peer.contentHeader(channel, 4),
          peer.frame(3, channel, Buffer.alloc(0)),
          peer.frame(3, channel, Buffer.from('ab')),
          peer.frame(8, 0, Buffer.alloc(0)),
          peer.frame(3, channel, Buffer.from('cd')),
        ]),
      )
    })
    expect((await client.basicGet('q'))?.text()).toBe('abcd')
    await expect(purged).resolves.toEqual({ messageCount: 7 })
  })

  test('frames of a channel that is being closed', async () => {
    const { client, peer } = await connectToPeer()
    const consumer = client.basicConsume('q', { consumerTag: 't' })
    await consumer.ready
    peer.on('channel.close', () => undefined)
    await consumer.cancel()
    const { channel } = await peer.next('channel.close')
    peer.raw(Buffer.concat([method(peer, DELIVER, channel), peer.frame(2, channel, bytes(HEADER_OF_5))]))
    peer.send(channel, 'channel.close-ok', {})
    await turns()
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })

  test('channel.close from both sides at once', async () => {
    const { client, peer } = await connectToPeer()
    const consumer = client.basicConsume('q')
    await consumer.ready
    peer.on('channel.close', ({ channel }) => {
      peer.closeChannel(channel, 406, 'PRECONDITION_FAILED', undefined)
      peer.send(channel, 'channel.close-ok', {})
    })
    await consumer.cancel()
    await peer.next('channel.close-ok')
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })
})
