/** Covers a peer that breaks the protocol, on a connection with something of everything outstanding. */
import { describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  AmqpSyntaxError,
  ChannelError,
  CommandInvalidError,
  ConnectionForcedError,
  FrameError,
  ProtocolError,
  UnexpectedFrameError,
} from '../../../src/index.js'
import {
  type Attack,
  attack,
  closed,
  content,
  declared,
  delivery,
  got,
  HIGHEST,
  lying,
  method,
  ONE,
  returned,
  TWO_TO_63,
  times,
} from '../../support/memory/hostile-frames.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { bytes } from '../../support/wire/vectors.js'

const violations: [string, new (message: string) => AmqpError, Attack][] = [
  [
    'a confirm of tag 0',
    CommandInvalidError,
    (p, c) => [method(p, c.publishing, '003c 0050 0000000000000000 00')],
  ],
  [
    'a confirm of a tag never sent',
    CommandInvalidError,
    (p, c) => [method(p, c.publishing, '003c 0050 0000000000000009 00')],
  ],
  [
    'a refusal of all up to a tag never sent',
    CommandInvalidError,
    (p, c) => [method(p, c.publishing, '003c 0078 0000000000000009 01')],
  ],
  [
    'a confirm of tag 2^63',
    AmqpSyntaxError,
    (p, c) => [method(p, c.publishing, `003c 0050 ${TWO_TO_63} 00`)],
  ],
  [
    'a refusal of all up to the highest tag',
    AmqpSyntaxError,
    (p, c) => [method(p, c.publishing, `003c 0078 ${HIGHEST} 01`)],
  ],
  ['a confirm on channel 0', CommandInvalidError, p => [method(p, 0, `003c 0050 ${ONE} 00`)]],
  [
    'basic.reject, which is for clients',
    CommandInvalidError,
    (p, c) => [method(p, c.publishing, `003c 005a ${ONE} 00`)],
  ],
  [
    'a publish, which is for clients',
    CommandInvalidError,
    (p, c) => [method(p, c.publishing, '003c 0028 0000 00 00 00')],
  ],
  ['a delivery tag of 0', CommandInvalidError, (p, c) => [delivery(p, c.consuming, '0000000000000000')]],
  ['a delivery tag of 2^63', CommandInvalidError, (p, c) => [delivery(p, c.consuming, TWO_TO_63)]],
  [
    'a delivery tag for the second time',
    CommandInvalidError,
    (p, c) => times(2, delivery(p, c.consuming, ONE)),
  ],
  [
    'more deliveries than the prefetch count allows',
    CommandInvalidError,
    (p, c) =>
      Array.from({ length: 2000 }, (_, index) =>
        delivery(p, c.consuming, (index + 1).toString(16).padStart(16, '0')),
      ),
  ],
  [
    'a delivery whose consumer tag is longer than its frame',
    AmqpSyntaxError,
    (p, c) => [content(p, c.consuming, '003c 003c ff "mi"')],
  ],
  [
    'a delivery whose routing key is longer than its frame',
    AmqpSyntaxError,
    (p, c) => [content(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 ff "q"`)],
  ],
  [
    'a returned message whose text is longer than its frame',
    AmqpSyntaxError,
    (p, c) => [content(p, c.publishing, '003c 0032 0138 ff "NO"')],
  ],
  [
    'a message that was got with tag 0',
    CommandInvalidError,
    (p, c) => [content(p, c.getting, got('0000000000000000'))],
  ],
  [
    'a message that was got with tag 2^63',
    AmqpSyntaxError,
    (p, c) => [content(p, c.getting, got(TWO_TO_63))],
  ],
  [
    'two messages for one basic.get',
    CommandInvalidError,
    (p, c) => times(2, content(p, c.getting, got(ONE))),
  ],
  ['the fields of basic.get-empty cut off', AmqpSyntaxError, (p, c) => [method(p, c.getting, '003c 0048')]],
  ['a reply for the second time', CommandInvalidError, (p, c) => times(2, method(p, c.declaring, declared))],
  [
    'the reply to another request',
    CommandInvalidError,
    (p, c) => [method(p, c.declaring, '0032 001f 00000000')],
  ],
  [
    'basic.consume-ok for nobody',
    CommandInvalidError,
    (p, c) => [method(p, c.consuming, '003c 0015 04 "mine"')],
  ],
  [
    'basic.cancel-ok for nobody',
    CommandInvalidError,
    (p, c) => [method(p, c.consuming, '003c 001f 04 "mine"')],
  ],
  [
    'confirm.select-ok for the second time',
    CommandInvalidError,
    (p, c) => [method(p, c.publishing, '0055 000b')],
  ],
  ['channel.close-ok for nobody', CommandInvalidError, (p, c) => [method(p, c.declaring, '0014 0029')]],
  [
    'channel.close whose text is longer than its frame',
    AmqpSyntaxError,
    (p, c) => [method(p, c.declaring, '0014 0028 0194 ff "x"')],
  ],
  [
    'two new secrets taken, where one was given',
    CommandInvalidError,
    p => times(2, method(p, 0, '000a 0047')),
  ],
  [
    'connection.start in the middle',
    CommandInvalidError,
    p => [method(p, 0, '000a 000a 00 09 00000000 00000005 "PLAIN" 00000005 "en_US"')],
  ],
  ['connection.open-ok for the second time', CommandInvalidError, p => [method(p, 0, '000a 0029 00')]],
  [
    'connection.blocked whose text is longer than its frame',
    AmqpSyntaxError,
    p => [method(p, 0, '000a 003c ff "x"')],
  ],
  [
    'connection.close, over and over',
    ConnectionForcedError,
    p => times(100, method(p, 0, `000a 0032 ${closed}`)),
  ],
  [
    'connection.close with a text that is no UTF-8',
    ConnectionForcedError,
    p => [method(p, 0, '000a 0032 0140 03 fffe80 0000 0000')],
  ],
  ['connection.close with a code of 0', ProtocolError, p => [method(p, 0, '000a 0032 0000 00 0000 0000')]],
  [
    'connection.close with a code of success',
    ProtocolError,
    p => [method(p, 0, '000a 0032 00c8 00 0000 0000')],
  ],
  [
    'connection.close with a code and a method that nobody knows',
    ProtocolError,
    p => [method(p, 0, '000a 0032 ffff 00 ffff ffff')],
  ],
  ['a frame of 4 GB', FrameError, () => [bytes('01 0000 ffffffff 000a')]],
  ['a frame that says it is smaller', FrameError, (p, c) => [lying(method(p, c.declaring, declared), 4)]],
  [
    'a frame that says it is larger',
    FrameError,
    (p, c) => [lying(method(p, c.declaring, declared), 40), ...times(3, method(p, 0, '000a 003d'))],
  ],
  ['a frame that says it is empty', FrameError, (p, c) => [lying(method(p, c.declaring, declared), 0)]],
  ['a method without any bytes', AmqpSyntaxError, (p, c) => [p.frame(1, c.declaring, Buffer.alloc(0))]],
  ['a method without any bytes on channel 0', AmqpSyntaxError, p => [p.frame(1, 0, Buffer.alloc(0))]],
  ['a method on the highest channel', ChannelError, p => [method(p, 65_535, '0014 0029')]],
  ['a heartbeat on a channel', UnexpectedFrameError, (p, c) => [p.frame(8, c.consuming, Buffer.alloc(0))]],
  [
    'a heartbeat on a channel that was closed',
    UnexpectedFrameError,
    (p, c) => [p.frame(8, c.closed, Buffer.alloc(0))],
  ],
  [
    'a body of 2^53 bytes',
    AmqpSyntaxError,
    (p, c) => [content(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 00`, '0020000000000000')],
  ],
  [
    'a confirm within a content',
    UnexpectedFrameError,
    (p, c) => [method(p, c.publishing, returned), method(p, c.publishing, `003c 0050 ${ONE} 00`)],
  ],
  [
    'channel.close within a content',
    UnexpectedFrameError,
    (p, c) => [
      method(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 00`),
      method(p, c.consuming, `0014 0028 ${closed}`),
    ],
  ],
]

describe('what breaks the protocol ends the connection with its own error, and everything outstanding:', () => {
  test.each(violations)('%s', async (_, ErrorClass, frames) => {
    const { busy, peer } = await attack(false, frames)
    await busy.client.closed
    expect(busy.losses).toEqual([expect.any(ErrorClass)])
    const { declare, purge, ...others } = await busy.end()
    expect(purge).toBe('ConnectionBrokenError')
    // Some of it has an outcome before the connection ends.
    for (const outcome of [declare, ...Object.values(others)])
      expect(outcome).toMatch(/^(done|ConnectionBrokenError)$/)
    await turns()
    expect(peer.clientGone).toBe(true)
  })
})

describe('a client that recovers goes on with the next peer, where the last one broke the protocol:', () => {
  test.each(violations)('%s', async (_, ErrorClass, frames) => {
    const { busy } = await attack({ initialDelay: 0 }, frames)
    const next = await busy.hosts.next()
    next.on('basic.publish', ({ channel }) =>
      next.send(channel, 'basic.ack', { deliveryTag: 0, multiple: true }),
    )
    next.on('queue.purge', ({ channel }) => next.send(channel, 'queue.purge-ok', { messageCount: 0 }))
    await Promise.all(['declare', 'purge', 'publish', 'mandatory'].map(name => busy.outstanding.get(name)))
    expect(busy.losses).toEqual([expect.any(ErrorClass)])
    expect(busy.client.state.name).toBe('open')
    await busy.end()
  })
})
