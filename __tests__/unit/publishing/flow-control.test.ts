/** Covers what makes publishes wait - blocked, channel.flow, a full transport - in order, and the bounds on waiting. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { type Client, ResourceError } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { bodiesOf, confirmAll } from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

const CONFIRMED = 1
const UNCONFIRMED = 2

afterEach(closeClients)

/** A client that has published once, so that its channels are open. */
async function warm(...args: Parameters<typeof connectToPeer>) {
  const { client, peer } = await connectToPeer(...args)
  let tag = 0
  peer.on('basic.publish', ({ channel }) => {
    if (channel === CONFIRMED) peer.send(channel, 'basic.ack', { deliveryTag: ++tag, multiple: false })
  })
  await client.basicPublish('', 'q', 'first')
  await client.basicPublish('', 'q', 'first', { confirm: false })
  await turns()
  peer.received.length = 0
  return { client, peer }
}

function publishSome(client: Client, confirm: boolean): Promise<void>[] {
  return ['a', 'b', 'c'].map(body => quiet(client.basicPublish('', 'q', body, { confirm })))
}

/** How publishing is stopped, and let go on again. */
const stops: [string, (peer: ScriptedPeer) => unknown, (peer: ScriptedPeer) => unknown][] = [
  [
    'connection.blocked',
    peer => peer.send(0, 'connection.blocked', { reason: 'memory' }),
    peer => peer.send(0, 'connection.unblocked', {}),
  ],
  [
    'channel.flow',
    peer => [CONFIRMED, UNCONFIRMED].map(channel => peer.send(channel, 'channel.flow', { active: false })),
    peer => [CONFIRMED, UNCONFIRMED].map(channel => peer.send(channel, 'channel.flow', { active: true })),
  ],
]

describe.each(stops)('%s', (_, stop, resume) => {
  test.each([true, false])('makes publishes wait, and lets them go in order (confirm: %p)', async confirm => {
    const { client, peer } = await warm()
    stop(peer)
    await turns()
    const publishes = publishSome(client, confirm)
    await turns()
    expect(bodiesOf(peer)).toEqual([])
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
    resume(peer)
    await Promise.all(publishes)
    await turns()
    expect(bodiesOf(peer)).toEqual(['a', 'b', 'c'])
  })

  test('lets a publish that waits be given up', async () => {
    const { client, peer } = await warm()
    stop(peer)
    await turns()
    const abort = new AbortController()
    const [first, second] = [
      quiet(client.basicPublish('', 'q', 'given up', { signal: abort.signal })),
      client.basicPublish('', 'q', 'kept'),
    ]
    abort.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    resume(peer)
    await second
    expect(bodiesOf(peer)).toEqual(['kept'])
  })
})

describe('channel.flow', () => {
  test('is answered', async () => {
    const { peer } = await warm()
    peer.send(CONFIRMED, 'channel.flow', { active: false })
    expect(await peer.next('channel.flow-ok')).toMatchObject({
      channel: CONFIRMED,
      method: { args: { active: false } },
    })
    peer.send(CONFIRMED, 'channel.flow', { active: true })
    expect(await peer.next('channel.flow-ok')).toMatchObject({ method: { args: { active: true } } })
  })
})

describe('a channel.flow that was never taken back', () => {
  test('does not hold for the channel that follows', async () => {
    const { client, peer } = await warm()
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false }),
    )
    peer.send(CONFIRMED, 'channel.flow', { active: false })
    await turns()
    const publish = client.basicPublish('', 'q', 'waiting')
    peer.closeChannel(CONFIRMED, 541, 'INTERNAL_ERROR', undefined)
    await expect(publish).resolves.toBeUndefined()
  })
})

describe('a transport that asks for a pause', () => {
  test.each([true, false])(
    'makes publishes wait, keeps their order, and goes on (confirm: %p)',
    async confirm => {
      const { client, peer } = await warm()
      peer.congested = true
      const publishes = ['0', '1', '2'].map(body => client.basicPublish('', 'q', body, { confirm }))
      await turns()
      // What was handed over before the transport said so is sent.
      expect(bodiesOf(peer)).toEqual(['0', '1', '2'])
      const later = publishSome(client, confirm)
      const declared = client.queueDeclare('q')
      await turns()
      expect(bodiesOf(peer)).toEqual(['0', '1', '2'])
      expect(peer.all('queue.declare')).toEqual([])
      peer.drain()
      await Promise.all([...publishes, ...later, declared])
      await turns()
      expect(bodiesOf(peer)).toEqual(['0', '1', '2', 'a', 'b', 'c'])
    },
  )

  test('makes a publish without confirm wait for its hand-over', async () => {
    const { client, peer } = await warm()
    peer.congested = true
    await client.basicPublish('', 'q', 'fills it', { confirm: false })
    await turns()
    let handedOver = false
    const publish = client.basicPublish('', 'q', 'waits', { confirm: false }).then(() => {
      handedOver = true
    })
    await turns()
    expect(handedOver).toBe(false)
    peer.drain()
    await publish
  })

  test('may pause again and again', async () => {
    const { client, peer } = await warm()
    const body = Buffer.alloc(300_000, 'x')
    confirmAll(peer)
    // The first one of this size is tried.
    await client.basicPublish('', 'q', body)
    await turns()
    peer.received.length = 0
    peer.on('basic.publish', ({ channel }) =>
      peer.send(channel, 'basic.ack', { deliveryTag: 0, multiple: true }),
    )
    const publishes: Promise<void>[] = []
    peer.congested = true
    for (let index = 0; index < 8; index++) publishes.push(client.basicPublish('', 'q', body))
    for (let round = 0; round < 20 && bodiesOf(peer).length < 8; round++) {
      await turns()
      const before = bodiesOf(peer).length
      peer.drain(true)
      await turns()
      // Each pause lets through no more than was gathered by one write.
      expect(bodiesOf(peer).length - before).toBeLessThanOrEqual(2)
    }
    peer.drain()
    await Promise.all(publishes)
    expect(bodiesOf(peer)).toHaveLength(8)
  })
})

describe('bounds', () => {
  test('maxPendingPublishes: one more rejects at once, and there is room again after a confirm', async () => {
    const { client, peer } = await connectToPeer({ maxPendingPublishes: 2 })
    const pending = [client.basicPublish('', 'q', '1'), client.basicPublish('', 'q', '2')]
    await expect(client.basicPublish('', 'q', '3')).rejects.toMatchObject({
      constructor: ResourceError,
      message: expect.stringContaining('maxPendingPublishes'),
      operation: 'basicPublish',
      ticket: 3,
    })
    await peer.several('basic.publish', 2)
    peer.send(CONFIRMED, 'basic.ack', { deliveryTag: 1, multiple: false })
    await pending[0]
    pending.push(client.basicPublish('', 'q', '4'))
    await peer.next('basic.publish')
    peer.send(CONFIRMED, 'basic.ack', { deliveryTag: 3, multiple: true })
    await Promise.all(pending)
    expect(bodiesOf(peer)).toEqual(['1', '2', '4'])
  })

  test('maxPendingPublishBytes: counts what waits, also without confirm', async () => {
    const { client, peer } = await connectToPeer({ maxPendingPublishBytes: 100_000 })
    peer.send(0, 'connection.blocked', { reason: 'memory' })
    await turns()
    const pending = [
      client.basicPublish('', 'q', Buffer.alloc(60_000)),
      client.basicPublish('', 'q', Buffer.alloc(60_000), { confirm: false }),
    ].map(quiet)
    await expect(client.basicPublish('', 'q', '')).rejects.toMatchObject({
      constructor: ResourceError,
      message: expect.stringContaining('maxPendingPublishBytes'),
    })
    await client.close()
    await Promise.allSettled(pending)
  })

  test('maxPendingOperations: one more rejects at once, and the others are done', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 1, maxPendingOperations: 2 })
    const names = ['runs', 'waits', 'waits too']
    const pending = names.map(name => client.queueDeclare(name))
    await expect(client.queueDeclare('too many')).rejects.toMatchObject({
      constructor: ResourceError,
      message: expect.stringContaining('maxPendingOperations'),
      operation: 'queueDeclare',
      ticket: 4,
    })
    await expect(Promise.all(pending)).resolves.toHaveLength(3)
    expect(peer.all('queue.declare').map(({ method }) => method.args.queue)).toEqual(names)
    await expect(client.queueDeclare('later')).resolves.toMatchObject({ queue: 'later' })
  })
})

describe('one tick of the event loop', () => {
  test('makes one write, whatever it produces', async () => {
    const { client, peer } = await warm()
    peer.writes.length = 0
    const work = [
      ...publishSome(client, true),
      ...publishSome(client, false),
      client.queueDeclare('a'),
      client.basicPublish('', 'q', Buffer.alloc(100_000)),
    ]
    await turns(1)
    expect(peer.writes).toHaveLength(1)
    await Promise.all(work)
  })
})
