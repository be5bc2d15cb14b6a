/** Covers a peer that sends far too much of what is allowed, at once or for ever: the client stays itself, and usable. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Message } from '../../../src/client/message.js'
import { Client, CommandInvalidError, connect } from '../../../src/index.js'
import { BusyClient } from '../../support/memory/busy-client.js'
import { closed, content, method, ONE, times } from '../../support/memory/hostile-frames.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { bytes } from '../../support/wire/vectors.js'

const MANY = 100_000

afterEach(closeClients)

describe('one read full of', () => {
  test('connection.blocked and unblocked leaves the client as the last one says, each told once', async () => {
    const { client, peer } = await connectToPeer()
    await turns()
    const told = { blocked: 0, unblocked: 0 }
    client.on('blocked', () => void told.blocked++)
    client.on('unblocked', () => void told.unblocked++)
    const both = [
      peer.method(0, 'connection.blocked', { reason: '' }),
      peer.method(0, 'connection.unblocked', {}),
    ]
    peer.raw(Buffer.concat(Array.from({ length: MANY / 2 }, () => both).flat()))
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
    expect(told).toEqual({ blocked: MANY / 2, unblocked: MANY / 2 })
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: 0, multiple: true }),
    )
    await client.basicPublish('', 'q', 'x')
  })

  test('connection.blocked on the heels of the handshake ends the connection', async () => {
    const peer = new ScriptedPeer()
    const blocked = peer.method(0, 'connection.blocked', { reason: '' })
    peer.on('connection.open', () =>
      peer.raw(Buffer.concat([peer.method(0, 'connection.open-ok', {}), ...times(MANY, blocked)])),
    )
    const attempt = connect('amqp://flood', { transport: peer.transport, heartbeat: 0, recovery: false })
    const error = await attempt.then(
      async client => {
        await client.closed
        return (client.state as { error?: Error }).error
      },
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(CommandInvalidError)
  })

  test('heartbeats is heard as signs of life, and nothing else', async () => {
    const { client, peer } = await connectToPeer()
    peer.raw(Buffer.concat(times(MANY, peer.frame(8, 0, Buffer.alloc(0)))))
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })

  test('channel.flow is answered, one for one', async () => {
    const busy = new BusyClient({ recovery: false })
    const peer = await busy.begin()
    const { publishing } = busy.channels
    const both = ['0014 0014 00', '0014 0014 01'].map(flow => method(peer, publishing, flow))
    peer.raw(Buffer.concat(Array.from({ length: 10_000 }, () => both).flat()))
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: 0, multiple: true }),
    )
    await busy.client.basicPublish('', 'q', 'x')
    expect(peer.all('channel.flow-ok')).toHaveLength(20_000)
    await busy.end()
  })

  test('basic.cancel ends the consumer once', async () => {
    const busy = new BusyClient({ recovery: false })
    const peer = await busy.begin()
    const { consuming } = busy.channels
    let begun = 0
    peer.on('basic.consume', ({ channel }) => {
      begun++
      peer.closeChannel(channel, 404, 'NOT_FOUND - no queue', 'basic.consume')
    })
    peer.raw(Buffer.concat(times(MANY, method(peer, consuming, '003c 001e 04 "mine" 01'))))
    await expect(busy.outstanding.get('message')).rejects.toMatchObject({ name: 'ConsumerCancelledError' })
    expect(begun).toBeLessThan(10)
    await busy.end()
  })

  test('channel.close is answered once for each channel, and harms no other', async () => {
    const busy = new BusyClient({ recovery: false })
    const peer = await busy.begin()
    const { declaring, getting } = busy.channels
    peer.raw(
      Buffer.concat(
        [declaring, getting].flatMap(channel =>
          times(MANY / 2, method(peer, channel, `0014 0028 ${closed}`)),
        ),
      ),
    )
    await expect(busy.outstanding.get('declare')).rejects.toMatchObject({ replyCode: 320 })
    await expect(busy.outstanding.get('get')).rejects.toMatchObject({ replyCode: 320 })
    await turns()
    expect(peer.all('channel.close-ok').map(({ channel }) => channel)).toEqual([declaring, getting])
    const outcomes = await busy.end()
    expect(outcomes).toMatchObject({ purge: 'ConnectionClosedError', publish: 'ConnectionClosedError' })
  })

  test('confirms of what is confirmed is passed over', async () => {
    const busy = new BusyClient({ recovery: false })
    const peer = await busy.begin()
    const { publishing } = busy.channels
    const confirms = [`0050 ${ONE} 00`, `0050 ${ONE} 01`, `0078 ${ONE} 00`]
    peer.raw(
      Buffer.concat(confirms.flatMap(text => times(MANY / 4, method(peer, publishing, `003c ${text}`)))),
    )
    await busy.outstanding.get('publish')
    expect(busy.client.metrics()).toMatchObject({ confirmed: 1, nacked: 0 })
    expect(busy.client.state.name).toBe('open')
    await busy.end()
  })

  test('empty parts of a body is no part of it', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('basic.get', ({ channel }) => {
      const got = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
      const parts = [
        peer.frame(3, channel, Buffer.from('a')),
        ...times(MANY, peer.frame(3, channel, Buffer.alloc(0))),
      ]
      peer.raw(
        Buffer.concat([
          peer.method(channel, 'basic.get-ok', got),
          peer.contentHeader(channel, 2),
          ...parts,
          peer.frame(3, channel, Buffer.from('b')),
        ]),
      )
    })
    expect((await client.basicGet('q'))?.text()).toBe('ab')
  })

  test('messages that came back, which nobody has published, is passed over', async () => {
    const busy = new BusyClient({ recovery: false })
    const peer = await busy.begin()
    const returned = content(peer, busy.channels.publishing, '003c 0032 0138 04 "NONE" 01 "x" 04 "none"')
    peer.raw(Buffer.concat(times(MANY / 10, returned)))
    await turns()
    expect(busy.client.metrics().returned).toBe(0)
    await busy.end()
  })
})

describe('a message whose headers are nested 10,000 deep', () => {
  const DEPTH = 10_000
  /** The headers of a message, `innermost` in so many tables or arrays. */
  function nested(type: 'F' | 'A'): Buffer {
    let value = Buffer.from('t\x01')
    for (let depth = 0; depth < DEPTH; depth++) {
      const fields = type === 'F' ? Buffer.concat([bytes('01 "k"'), value]) : value
      const head = Buffer.from([type.charCodeAt(0), 0, 0, 0, 0])
      head.writeUInt32BE(fields.length, 1)
      value = Buffer.concat([head, fields])
    }
    const table = Buffer.concat([bytes('01 "h"'), value])
    const size = Buffer.alloc(4)
    size.writeUInt32BE(table.length)
    return Buffer.concat([size, table])
  }

  test.each(['F', 'A'] as const)('is delivered, and fails where they are looked at (%s)', async type => {
    const { client, peer } = await connectToPeer()
    const headers = nested(type)
    peer.on('basic.get', ({ channel }) =>
      peer.raw(
        Buffer.concat([
          method(peer, channel, `003c 0047 ${ONE} 00 00 01 "q" 00000000`),
          peer.frame(2, channel, Buffer.concat([bytes('003c 0000 0000000000000000 2000'), headers])),
        ]),
      ),
    )
    const message = (await client.basicGet('q')) as Message
    expect(() => message.headers).toThrow('deep')
    expect(message.ack()).toBe(true)
    expect(client.state.name).toBe('open')
  })

  test.each(['F', 'A'] as const)('is refused as properties of a server (%s)', async type => {
    const peer = new ScriptedPeer()
    const texts = bytes('00000005 "PLAIN" 00000005 "en_US"')
    const start = peer.frame(1, 0, Buffer.concat([bytes('000a 000a 00 09'), nested(type), texts]))
    const client = new Client('amqp://deep', {
      transport: () => ({
        start: events => queueMicrotask(() => events.onData(start)),
        write: () => true,
        end: () => undefined,
        destroy: () => undefined,
      }),
    })
    await expect(client.connect()).rejects.toMatchObject({ name: 'AmqpSyntaxError' })
    await client.close()
  })
})
