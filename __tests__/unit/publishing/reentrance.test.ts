/** Covers tables whose getters send something themselves, in the middle of the encoding of the message they are in. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { type Client, ConnectionClosedError } from '../../../src/index.js'
import type { Table } from '../../../src/util/field-value.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import type { ScriptedPeer } from '../../support/memory/scripted-peer.js'

afterEach(closeClients)

/** Headers with a getter that does something, once, and what that came to. */
function headersThat(act: () => Promise<unknown>) {
  const outcomes: Promise<unknown>[] = []
  const headers: Table = {
    get tricky() {
      if (outcomes.length === 0) outcomes.push(act())
      return 'x'.repeat(100)
    },
  }
  return { headers, outcomes }
}

/** Confirms every publish, and is told of their bodies in order. */
function confirming(peer: ScriptedPeer): string[] {
  const bodies: string[] = []
  let deliveryTag = 0
  peer.on('basic.publish', ({ channel, body }) => {
    bodies.push(body.toString())
    if (channel === 1) peer.send(channel, 'basic.ack', { deliveryTag: ++deliveryTag, multiple: false })
  })
  return bodies
}

const acts: [string, (client: Client) => Promise<unknown>][] = [
  ['publishes', client => client.basicPublish('', 'q', 'inner')],
  ['publishes without a confirm', client => client.basicPublish('', 'q', 'inner', { confirm: false })],
  ['publishes a large body', client => client.basicPublish('', 'q', Buffer.alloc(100_000, 'i'))],
  ['declares a queue', client => client.queueDeclare('inner')],
]

describe('a getter in headers', () => {
  test.each(acts)('that %s harms neither, where the message is written at once', async (_, act) => {
    const { client, peer } = await connectToPeer()
    const bodies = confirming(peer)
    for (const confirm of [true, false]) await client.basicPublish('', 'q', 'warm', { confirm })
    const { headers, outcomes } = headersThat(() => act(client))
    await client.basicPublish('', 'q', 'outer', { headers })
    await Promise.all(outcomes)
    await client.basicPublish('', 'q', 'after')
    expect(outcomes).toHaveLength(1)
    expect(bodies.filter(body => ['outer', 'after'].includes(body))).toEqual(['outer', 'after'])
  })

  test.each(acts)('that %s harms neither, where the message waits', async (_, act) => {
    const { client, peer } = await connectToPeer()
    const bodies = confirming(peer)
    const { signal } = new AbortController()
    const { headers, outcomes } = headersThat(() => act(client))
    const outer = client.basicPublish('', 'q', 'outer', { headers, signal })
    await Promise.all([outer, ...outcomes])
    expect(outcomes).toHaveLength(1)
    expect(bodies).toContain('outer')
  })
})

test.each([
  ['is written at once', undefined],
  ['waits', new AbortController().signal],
])(
  'a getter in headers that closes the client leaves no publish unsettled, where it %s',
  async (_, signal) => {
    const { client, peer } = await connectToPeer()
    confirming(peer)
    await client.basicPublish('', 'q', 'warm')
    const { headers, outcomes } = headersThat(() => client.close())
    await expect(client.basicPublish('', 'q', 'outer', { headers, signal })).rejects.toBeInstanceOf(
      ConnectionClosedError,
    )
    await Promise.all(outcomes)
    expect(client.metrics().pendingPublishes).toBe(0)
  },
)

test('a getter in the arguments of a request that makes another one harms neither', async () => {
  const { client, peer } = await connectToPeer()
  const { headers, outcomes } = headersThat(() => client.queueDeclare('inner', { arguments: { a: 'b' } }))
  expect(await client.queueDeclare('outer', { arguments: headers })).toMatchObject({ queue: 'outer' })
  expect(await Promise.all(outcomes)).toMatchObject([{ queue: 'inner' }])
  const sent = peer.all('queue.declare').map(({ method }) => [method.args.queue, method.args.arguments])
  expect(sent).toEqual(
    expect.arrayContaining([
      ['outer', { tricky: 'x'.repeat(100) }],
      ['inner', { a: 'b' }],
    ]),
  )
})
