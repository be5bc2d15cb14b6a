/** Covers messages beyond `maxMessageSize`, to a scripted peer: what becomes of them, and that nobody else notices. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Consumer, Message } from '../../../src/index.js'
import { type ConsumeOptions, type NoRouteError, ResourceError } from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

const MOST = 10_000
const TOO_LARGE = Buffer.alloc(MOST + 1, 'x')

afterEach(closeClients)

/** A client that never loses its connection, its peer, and what was heard of a loss. */
async function connected() {
  const { client, peer } = await connectToPeer({ maxMessageSize: MOST })
  const losses: unknown[] = []
  client.on('disconnect', error => losses.push(error))
  return { client, peer, losses }
}

/** A client with a consumer, and one of another queue; the peer delivers to the first. */
async function consuming(options: ConsumeOptions) {
  const { client, peer, losses } = await connected()
  const consumer = client.basicConsume('q', { consumerTag: 'tag', ...options })
  await consumer.ready
  const { channel } = await peer.next('basic.consume')
  const other = client.basicConsume('other', { consumerTag: 'other' })
  await other.ready
  const { channel: otherChannel } = await peer.next('basic.consume')
  let tag = 0
  const deliver = (body: Uint8Array): void => send(peer, channel, 'tag', ++tag, body)
  const checkOthers = async (): Promise<void> => {
    send(peer, otherChannel, 'other', 1, Buffer.from('for the other'))
    const { value } = await next(other)
    expect(value?.text()).toBe('for the other')
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
    expect(losses).toEqual([])
    expect(client.isOpen).toBe(true)
  }
  return { peer, consumer, channel, deliver, checkOthers }
}

function send(
  peer: ScriptedPeer,
  channel: number,
  consumerTag: string,
  deliveryTag: number,
  body: Uint8Array,
) {
  const args = { consumerTag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
  peer.sendContent(channel, 'basic.deliver', args, body)
}

const next = (consumer: Consumer): Promise<IteratorResult<Message, undefined>> =>
  consumer[Symbol.asyncIterator]().next()

/** What was settled on a channel, in order. */
const settled = (peer: ScriptedPeer, channel: number) =>
  peer.received.flatMap(({ channel: on, method: { name, args } }) =>
    on === channel && /^basic.(ack|nack|reject)$/.test(name) ? [{ name, ...args }] : [],
  )

describe('a message beyond maxMessageSize ends its consumer', () => {
  test.each<[string, ConsumeOptions]>([
    ['by default', {}],
    ['that needs no acks', { noAck: true }],
  ])('%s, and goes back to its queue: nobody else notices', async (_, options) => {
    const { peer, consumer, channel, deliver, checkOthers } = await consuming(options)
    const waiting = errorOf(next(consumer))
    deliver(TOO_LARGE)
    expect(await waiting).toMatchObject({
      constructor: ResourceError,
      operation: 'basicConsume',
      message: expect.stringContaining(`${MOST + 1} bytes`),
    })
    expect(consumer.state).toMatchObject({ name: 'ended', error: expect.any(ResourceError) })
    await peer.next('basic.nack')
    expect(settled(peer, channel)).toMatchObject([{ name: 'basic.nack', requeue: true }])
    expect(peer.all('basic.cancel')).toHaveLength(1)
    await checkOthers()
  })
})

describe("a message beyond maxMessageSize, with `oversized: 'reject'`,", () => {
  test('is rejected without requeue, and the loop goes on', async () => {
    const { peer, consumer, channel, deliver, checkOthers } = await consuming({ oversized: 'reject' })
    deliver(Buffer.from('before'))
    deliver(TOO_LARGE)
    deliver(Buffer.from('behind'))
    const texts = []
    for (let count = 0; count < 2; count++) {
      const { value } = await next(consumer)
      texts.push(value?.text())
      value?.ack()
    }
    expect(texts).toEqual(['before', 'behind'])
    await turns()
    expect(settled(peer, channel)).toContainEqual({ name: 'basic.reject', deliveryTag: 2, requeue: false })
    expect(settled(peer, channel).filter(({ name }) => name === 'basic.ack')).not.toEqual([])
    expect(consumer.state).toEqual({ name: 'running' })
    await checkOthers()
  })

  test('is rejected where the consumer needs no acks, too', async () => {
    const options = { oversized: 'reject', noAck: true } as const
    const { peer, consumer, channel, deliver, checkOthers } = await consuming(options)
    deliver(TOO_LARGE)
    deliver(Buffer.from('behind'))
    expect((await next(consumer)).value?.text()).toBe('behind')
    await turns()
    expect(settled(peer, channel)).toContainEqual({ name: 'basic.reject', deliveryTag: 1, requeue: false })
    await checkOthers()
  })

  test('is rejected frame by frame: others are served between its frames', async () => {
    const { peer, channel, consumer, checkOthers } = await consuming({ oversized: 'reject' })
    const size = 20 * MOST
    const args = { consumerTag: 'tag', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    peer.raw(Buffer.concat([peer.method(channel, 'basic.deliver', args), peer.contentHeader(channel, size)]))
    for (let frames = 0; frames < 19; frames++) peer.raw(peer.frame(3, channel, Buffer.alloc(MOST)))
    await checkOthers()
    expect(peer.all('basic.reject')).toEqual([])
    peer.raw(peer.frame(3, channel, Buffer.alloc(MOST)))
    await peer.next('basic.reject')
    send(peer, channel, 'tag', 2, Buffer.from('behind'))
    expect((await next(consumer)).value?.text()).toBe('behind')
  })
})

describe('basicGet of a message beyond maxMessageSize', () => {
  /** The peer gives out these bodies, one for each get. */
  function giveOut(peer: ScriptedPeer, ...bodies: Uint8Array[]): void {
    let deliveryTag = 0
    peer.on('basic.get', ({ channel }) => {
      const args = { deliveryTag: ++deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
      const body = bodies.shift() ?? Buffer.alloc(0)
      peer.sendContent(channel, 'basic.get-ok', { ...args, messageCount: 0 }, body)
    })
  }

  test.each([{ noAck: false }, { noAck: true }])('fails, and gives it back: %p', async options => {
    const { client, peer, losses } = await connected()
    giveOut(peer, Buffer.from('a'), TOO_LARGE, Buffer.from('b'))
    const first = await client.basicGet('q')
    const error = await errorOf(client.basicGet('q', options))
    expect(error).toMatchObject({
      constructor: ResourceError,
      operation: 'basicGet',
      ticket: 2,
      message: `basicGet: the message at the head of queue 'q' has ${MOST + 1} bytes, beyond maxMessageSize (${MOST})`,
    })
    const last = await client.basicGet('q')
    expect([first?.text(), last?.text()]).toEqual(['a', 'b'])
    expect([first?.ack(), last?.ack()]).toEqual([true, true])
    await turns()
    const channel = peer.all('basic.get')[0]?.channel ?? 0
    expect(settled(peer, channel)[0]).toEqual({
      name: 'basic.nack',
      deliveryTag: 2,
      multiple: false,
      requeue: true,
    })
    expect(peer.all('channel.open')).toHaveLength(1)
    expect(losses).toEqual([])
    // Nothing is left that draining would wait for.
    await client.drain()
  })

  test('that nobody waits for any more is given back once', async () => {
    const { client, peer } = await connected()
    const abort = new AbortController()
    peer.on('basic.get', () => undefined)
    const got = errorOf(client.basicGet('q', { signal: abort.signal }))
    const { channel } = await peer.next('basic.get')
    abort.abort(new Error('enough'))
    expect(await got).toMatchObject({ message: 'enough' })
    const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    peer.sendContent(channel, 'basic.get-ok', args, TOO_LARGE)
    await turns()
    expect(settled(peer, channel)).toMatchObject([{ name: 'basic.nack', deliveryTag: 1 }])
  })
})

describe('a published message beyond maxMessageSize that comes back', () => {
  const returned = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'nowhere' }

  test('rejects its publish, without its body', async () => {
    const { client, peer, losses } = await connected()
    peer.on('basic.publish', ({ channel, body }) => {
      peer.sendContent(channel, 'basic.return', returned, body, { messageId: 'id' })
      peer.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false })
    })
    const error = await errorOf<NoRouteError>(
      client.basicPublish('', 'nowhere', TOO_LARGE, { mandatory: true }),
    )
    expect(error).toMatchObject({ name: 'NoRouteError', returned: { routingKey: 'nowhere' } })
    expect(error.returned.body).toHaveLength(0)
    expect(error.returned.properties.messageId).toBe('id')
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
    expect(losses).toEqual([])
  })

  test('is told without its body where it needed no confirm', async () => {
    const { client, peer, losses } = await connected()
    peer.on('basic.publish', ({ channel, body }) => peer.sendContent(channel, 'basic.return', returned, body))
    const told = new Promise(resolve => client.once('return', message => resolve(message)))
    await client.basicPublish('', 'nowhere', TOO_LARGE, { mandatory: true, confirm: false })
    expect(await told).toMatchObject({ routingKey: 'nowhere', body: Buffer.alloc(0) })
    expect(losses).toEqual([])
  })
})
