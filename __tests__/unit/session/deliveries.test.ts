/** Covers deliveries that a broker must not make, by a scripted peer: wrong tags, too many, cut short, for nobody. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  AmqpSyntaxError,
  type ClientOptions,
  CommandInvalidError,
  type ConsumeOptions,
  type Consumer,
  type Message,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

/** So many deliveries beyond the prefetch count are put up with. */
const TOLERANCE = 1000

afterEach(closeClients)

/** A client and its peer; why the connection has ended, if it has, and when it has. */
async function connected(options: ClientOptions = {}) {
  const { client, peer } = await connectToPeer(options)
  const losses: unknown[] = []
  const lost = new Promise<void>(resolve =>
    client.once('disconnect', error => {
      losses.push(error)
      resolve()
    }),
  )
  return { client, peer, losses, lost }
}

/** The same with a consumer of queue `q`, which the peer delivers to. */
async function consuming(options: ConsumeOptions = {}) {
  const { client, peer, losses, lost } = await connected()
  const consumer = client.basicConsume('q', { consumerTag: 'tag', ...options })
  await consumer.ready
  const { channel } = await peer.next('basic.consume')
  let consumerTag = 'tag'
  peer.on('basic.consume', ({ method: { args } }) => {
    consumerTag = args.consumerTag
    peer.send(channel, 'basic.consume-ok', { consumerTag })
  })
  /** In one chunk. */
  const deliver = (tags: readonly number[], by = consumerTag): void =>
    peer.raw(Buffer.concat(tags.map(tag => delivery(peer, channel, by, tag))))
  return { client, peer, consumer, channel, deliver, losses, lost }
}

function delivery(peer: ScriptedPeer, channel: number, consumerTag: string, deliveryTag: number): Buffer {
  const args = { consumerTag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
  const text = Buffer.from(`message ${deliveryTag}`)
  return Buffer.concat([
    peer.method(channel, 'basic.deliver', args),
    peer.contentHeader(channel, text.length),
    peer.frame(3, channel, text),
  ])
}

const next = async (consumer: Consumer): Promise<Message | undefined> =>
  (await consumer[Symbol.asyncIterator]().next()).value

/** `count` tags in order, from `first` on. */
const tagsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index)

describe('a delivery tag that is not the next one of its channel', () => {
  test.each([
    ['2^28', [1], 2 ** 28],
    ['2^28 as the first', [], 2 ** 28],
    ['2^32 + 2', [1], 2 ** 32 + 2],
    ['2^53 - 1', [1], Number.MAX_SAFE_INTEGER],
    ['0', [1], 0],
    ['0 as the first', [], 0],
    ['one that is unsettled', [1, 2], 2],
    ['an earlier one', [1, 2, 3], 1],
    ['one that leaves another out', [1], 3],
  ])('ends the connection: %s', async (_, before, wrong) => {
    const { peer, consumer, deliver, losses, lost } = await consuming()
    const { arrayBuffers } = process.memoryUsage()
    deliver([...before, wrong])
    await lost
    expect(losses).toEqual([expect.any(CommandInvalidError)])
    expect((await peer.next('connection.close')).method.args.replyCode).toBe(503)
    expect(consumer.state).toMatchObject({ name: 'ended' })
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(20_000_000)
  })

  test('ends the connection where it was settled before', async () => {
    const { consumer, deliver, losses, lost } = await consuming()
    deliver([1])
    const message = await next(consumer)
    expect(message?.ack()).toBe(true)
    deliver([1])
    await lost
    expect(losses).toEqual([expect.any(CommandInvalidError)])
  })

  test('ends the connection where the message is larger than maxMessageSize, too', async () => {
    const { client, peer, losses, lost } = await connected({ maxMessageSize: 10 })
    await client.basicConsume('q', { consumerTag: 'tag', oversized: 'reject' }).ready
    const { channel } = await peer.next('basic.consume')
    const args = { consumerTag: 'tag', redelivered: false, exchange: '', routingKey: 'q' }
    peer.sendContent(channel, 'basic.deliver', { ...args, deliveryTag: 5 }, Buffer.alloc(11))
    await lost
    expect(losses).toEqual([expect.any(CommandInvalidError)])
  })

  test.each([0, 2, 2 ** 28])('ends the connection where a basicGet gets it: %d', async deliveryTag => {
    const { client, peer, losses, lost } = await connected()
    const args = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    peer.on('basic.get', ({ channel }) => peer.sendContent(channel, 'basic.get-ok', args, Buffer.from('x')))
    expect(await errorOf(client.basicGet('q'))).toMatchObject({
      code: 'CONNECTION_BROKEN',
      operation: 'basicGet',
    })
    await lost
    expect(losses).toEqual([expect.any(CommandInvalidError)])
  })
})

describe('a delivery that ends early', () => {
  /** A method frame with these bytes, and the content behind it. */
  const sendCut = (peer: ScriptedPeer, channel: number, payload: Buffer): void =>
    peer.raw(Buffer.concat([peer.frame(1, channel, payload), peer.contentHeader(channel, 0)]))

  const args = { consumerTag: 'tag', deliveryTag: 1, redelivered: false, exchange: 'x', routingKey: 'q' }

  test('ends the connection, wherever that is', async () => {
    const { peer } = await connectToPeer()
    const payload = peer.method(0, 'basic.deliver', args).subarray(7, -1)
    for (let end = 4; end < payload.length; end++) {
      const { peer, consumer, channel, losses, lost } = await consuming()
      sendCut(peer, channel, payload.subarray(0, end))
      await lost
      expect({ end, losses }).toEqual({ end, losses: [expect.any(AmqpSyntaxError)] })
      expect(consumer.state).toMatchObject({ name: 'ended' })
    }
  })

  test.each([
    ['consumer tag', 4],
    ['exchange', 4 + 4 + 9],
    ['routing key', 4 + 4 + 9 + 2],
  ])('ends the connection where its %s is announced as longer than it is', async (_, at) => {
    const { peer, channel, losses, lost } = await consuming()
    for (const extra of [1, 255]) {
      const payload = Buffer.from(peer.method(0, 'basic.deliver', args).subarray(7, -1))
      payload[at] = Math.min(255, (payload[at] as number) + extra)
      if (extra === 255 || at !== 4) sendCut(peer, channel, payload)
    }
    await lost
    expect(losses).toEqual([expect.any(AmqpSyntaxError)])
  })

  test('ends the connection whomever it is for', async () => {
    const { peer, channel, losses, lost } = await consuming()
    const payload = peer.method(0, 'basic.deliver', { ...args, consumerTag: 'nobody' }).subarray(7, -1)
    sendCut(peer, channel, payload.subarray(0, payload.length - 1))
    await lost
    expect(losses).toEqual([expect.any(AmqpSyntaxError)])
  })
})

describe('deliveries beyond the prefetch count', () => {
  test.each<[string, ConsumeOptions, number]>([
    ['a count', { prefetchCount: 10 }, 10],
    ['no acks', { prefetchCount: 10, noAck: true }, 10],
  ])('end the connection where they are far beyond it, of a consumer with %s', async (_, options, count) => {
    const { consumer, deliver, losses, lost } = await consuming(options)
    deliver(tagsFrom(1, count + TOLERANCE))
    await turns()
    expect(losses).toEqual([])
    // The first count is granted once more: a new consumer may take the place of the first.
    deliver(tagsFrom(count + TOLERANCE + 1, count + 1))
    await lost
    expect(losses).toMatchObject([
      {
        constructor: CommandInvalidError,
        message: expect.stringContaining(`with a prefetch count of ${count}`),
      },
    ])
    expect(consumer.state).toMatchObject({ name: 'ended' })
  })

  test('end the connection also where no count was asked for', async () => {
    const { deliver, losses, lost } = await consuming()
    deliver(tagsFrom(1, 10_000))
    await lost
    expect(losses).toEqual([expect.any(CommandInvalidError)])
  })

  test('do not where what came before is acked', async () => {
    const { consumer, deliver, losses } = await consuming({ prefetchCount: 500 })
    for (let first = 1; first < 5000; first += 500) {
      deliver(tagsFrom(first, 500))
      let last: Message | undefined
      for (let count = 0; count < 500; count++) last = await next(consumer)
      expect(last?.ack({ multiple: true })).toBe(true)
    }
    await turns()
    expect(losses).toEqual([])
    expect(consumer.state).toEqual({ name: 'running' })
  })

  test('do not where the count was changed, up to all that was granted', async () => {
    const { consumer, deliver, losses, lost } = await consuming({ prefetchCount: 2000 })
    deliver(tagsFrom(1, 2000))
    await turns()
    await consumer.qos(3000)
    deliver(tagsFrom(2001, 3000))
    await turns()
    await consumer.qos(1)
    // What the consumer with the larger count was sent before it was cancelled may still be on its way.
    deliver(tagsFrom(5001, 3000))
    await turns()
    expect(losses).toEqual([])
    expect(consumer.state).toEqual({ name: 'running' })
    deliver(tagsFrom(8001, TOLERANCE + 2))
    await lost
    expect(losses).toEqual([expect.any(CommandInvalidError)])
  })
})

describe('a delivery for a consumer that the channel never had', () => {
  test('is ignored, and counts nowhere', async () => {
    const { client, consumer, deliver, losses } = await consuming({ prefetchCount: 10 })
    // It may come from a former channel of the same number, whose tags counted on their own.
    deliver([7, 7, 2 ** 28, 0], 'nobody')
    deliver(tagsFrom(1, 5000), 'nobody')
    deliver([1])
    const message = await next(consumer)
    expect(message?.text()).toBe('message 1')
    deliver([8], 'tag too')
    deliver([2])
    expect((await next(consumer))?.ack({ multiple: true })).toBe(true)
    await turns()
    expect(losses).toEqual([])
    expect(client.metrics()).toMatchObject({ delivered: 2, settled: 2 })
    await client.drain()
  })
})
