/** Covers a peer that does what no broker would, and harms nobody: on a connection with something of everything outstanding. */
import { describe, expect, test } from '@jest/globals'
import {
  type Attack,
  attack,
  closed,
  content,
  delivery,
  method,
  ONE,
  returned,
  times,
} from '../../support/memory/hostile-frames.js'
import { bytes } from '../../support/wire/vectors.js'

const harmless: [string, Attack][] = [
  [
    'confirms of everything at once, twice',
    (p, c) => times(2, method(p, c.publishing, '003c 0050 0000000000000000 01')),
  ],
  [
    'a confirm, and a refusal of the same',
    (p, c) => [`0050 ${ONE} 00`, `0078 ${ONE} 00`].map(text => method(p, c.publishing, `003c ${text}`)),
  ],
  [
    'confirms where nothing was published',
    (p, c) => [c.declaring, c.consuming].map(channel => method(p, channel, `003c 0050 ${ONE} 00`)),
  ],
  [
    'deliveries for nobody',
    (p, c) => [
      delivery(p, c.consuming, ONE, 'none'),
      ...[c.declaring, c.publishing, c.getting].map(channel => delivery(p, channel, ONE)),
    ],
  ],
  [
    'properties that are cut off, or longer than their frame',
    (p, c) => [
      method(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 00`),
      p.frame(2, c.consuming, bytes('003c 0000 0000000000000000 ffff ff "a"')),
    ],
  ],
  [
    'a table longer than its frame',
    (p, c) => [
      method(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 00`),
      p.frame(2, c.consuming, bytes('003c 0000 0000000000000000 2000 ffffffff 01 "a" 53')),
    ],
  ],
  [
    'basic.cancel for nobody, on every channel',
    (p, c) => Object.values(c).map(channel => method(p, channel, '003c 001e 04 "none" 00')),
  ],
  [
    'returned messages that nobody has published',
    (p, c) => times(100, content(p, c.publishing, '003c 0032 0138 04 "NONE" 01 "x" 04 "none"')),
  ],
  ['the same message returned over and over', (p, c) => times(100, content(p, c.publishing, returned))],
  ['a returned message where nothing was published', (p, c) => [content(p, c.declaring, returned)]],
  [
    'a body of 2 GB that is announced, of which little comes',
    (p, c) => [
      content(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 00`, '0000000080000000'),
      p.frame(3, c.consuming, Buffer.alloc(4000)),
    ],
  ],
  [
    'empty body frames',
    (p, c) => [
      content(p, c.consuming, `003c 003c 04 "mine" ${ONE} 00 00 00`, '0000000000000005'),
      ...times(1000, p.frame(3, c.consuming, Buffer.alloc(0))),
    ],
  ],
  [
    'channel.close-ok for a channel that was closed by the peer',
    (p, c) => [method(p, c.getting, `0014 0028 ${closed}`), method(p, c.getting, '0014 0029')],
  ],
  ['a heartbeat with a payload', p => [p.frame(8, 0, Buffer.alloc(10))]],
]

describe('what harms nobody is passed over:', () => {
  test.each(harmless)('%s', async (_, frames) => {
    const { busy, peer } = await attack(false, frames)
    peer.send(0, 'connection.blocked', { reason: 'behind it' })
    await new Promise(resolve => busy.client.once('blocked', resolve))
    peer.send(busy.channels.declaring, 'queue.declare-ok', { queue: 'd', messageCount: 0, consumerCount: 0 })
    await expect(busy.outstanding.get('declare')).resolves.toMatchObject({ queue: 'd' })
    expect(busy.losses).toEqual([])
    const outcomes = await busy.end()
    for (const outcome of Object.values(outcomes)) expect(outcome).not.toMatch('no AmqpError')
  })
})
