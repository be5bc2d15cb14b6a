/** Covers what a consumer says on the wire, to a scripted peer: changes of the prefetch count, the end, streams. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { Client } from '../../../src/client/client.js'
import type { Consumer } from '../../../src/client/consumer.js'
import type { Message } from '../../../src/client/message.js'
import { LONGEST_GATHERING } from '../../../src/connection/outbox.js'
import type { ConsumeOptions } from '../../../src/options.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

const clients: Client[] = []

afterEach(async () => {
  await Promise.all(clients.splice(0).map(client => client.close()))
})

/** A client on a peer, and a consumer of queue `q` that the peer has confirmed. */
async function consumerOf(options: ConsumeOptions) {
  const peer = new ScriptedPeer()
  const client = new Client('amqp://peer', { transport: peer.transport, recovery: false })
  clients.push(client)
  await client.connect()
  const consumer = client.basicConsume('q', { consumerTag: 'tag', ...options })
  await consumer.ready
  const { channel } = await peer.next('basic.consume')
  let deliveryTag = 0
  const deliver = (consumerTag: string, text: string, offset?: number): void => {
    const args = {
      consumerTag,
      deliveryTag: ++deliveryTag,
      redelivered: false,
      exchange: '',
      routingKey: 'q',
    }
    const headers = offset === undefined ? undefined : { 'x-stream-offset': offset }
    peer.raw(contentOf(peer, channel, args, text, headers))
  }
  return { peer, client, consumer, channel, deliver }
}

function contentOf(
  peer: ScriptedPeer,
  channel: number,
  args: Parameters<ScriptedPeer['sendContent']>[2],
  text: string,
  headers: Record<string, number> | undefined,
): Buffer {
  const body = Buffer.from(text)
  return Buffer.concat([
    peer.method(channel, 'basic.deliver', args as never),
    headers === undefined
      ? peer.contentHeader(channel, body.length)
      : headerWith(peer, channel, body.length, headers),
    peer.frame(3, channel, body),
  ])
}

/** A content header with a table of 64-bit integers: flags 0x2000, then the table. */
function headerWith(
  peer: ScriptedPeer,
  channel: number,
  size: number,
  headers: Record<string, number>,
): Buffer {
  const fields = Object.entries(headers).map(([name, value]) => {
    const field = Buffer.alloc(1 + name.length + 1 + 8)
    field.writeUInt8(name.length, 0)
    field.write(name, 1)
    field.write('l', 1 + name.length)
    field.writeBigInt64BE(BigInt(value), 2 + name.length)
    return field
  })
  const table = Buffer.concat(fields)
  const head = Buffer.alloc(18)
  head.writeUInt16BE(60, 0)
  head.writeBigUInt64BE(BigInt(size), 4)
  head.writeUInt16BE(0x2000, 12)
  head.writeUInt32BE(table.length, 14)
  return peer.frame(2, channel, Buffer.concat([head, table]))
}

/** The names of what came on a channel, with the tag that it names, if any. */
const heard = (peer: ScriptedPeer, channel: number): string[] =>
  peer.received.flatMap(({ channel: on, method }) => {
    if (on !== channel) return []
    const { consumerTag } = method.args as { consumerTag?: string }
    return [consumerTag === undefined ? method.name : `${method.name} ${consumerTag}`]
  })

const texts = async (consumer: Consumer, count: number): Promise<Message[]> => {
  const messages: Message[] = []
  const iterator = consumer[Symbol.asyncIterator]()
  while (messages.length < count) messages.push((await iterator.next()).value as Message)
  return messages
}

const START = ['channel.open', 'basic.qos', 'basic.consume tag']

describe('a change of the prefetch count', () => {
  test('gives a queue a new consumer before the old one goes, never with `global`', async () => {
    const { peer, consumer, channel } = await consumerOf({ prefetchCount: 1 })
    await consumer.qos(5)
    await consumer.qos(6)
    expect(heard(peer, channel)).toEqual([
      ...START,
      ...['basic.qos', 'basic.consume tag~2.0', 'basic.cancel tag'],
      ...['basic.qos', 'basic.consume tag~3.0', 'basic.cancel tag~2.0'],
    ])
    expect(peer.all('basic.qos').map(({ method }) => method.args)).toEqual(
      [1, 5, 6].map(prefetchCount => ({ prefetchSize: 0, prefetchCount, global: false })),
    )
    expect(peer.all('basic.consume').every(({ method }) => !method.args.noAck)).toBe(true)
  })

  test('that nobody asked for waits until nothing is on its way to the old consumer', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({})
    const iterator = consumer[Symbol.asyncIterator]()
    for (let number = 1; number <= 8; number++) {
      const step = iterator.next()
      deliver('tag', String(number))
      const message = (await step).value
      message?.ack()
      await peer.next('basic.ack')
    }
    // The reader waits: it is faster than a window of one message allows. But the next message may be on its way.
    const step = iterator.next()
    await turns(3)
    expect(heard(peer, channel).slice(START.length)).toEqual(Array(8).fill('basic.ack'))
    deliver('tag', '9')
    const ninth = (await step).value
    ninth?.ack()
    await peer.next('basic.ack')
    expect(heard(peer, channel).slice(START.length + 8)).toEqual([
      ...['basic.qos', 'basic.consume tag~2.0', 'basic.cancel tag'],
      'basic.ack',
    ])
  })

  test('that nobody asked for is given up for the one that the user asks for', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({})
    const iterator = consumer[Symbol.asyncIterator]()
    for (let number = 1; number <= 8; number++) {
      const step = iterator.next()
      deliver('tag', String(number))
      ;(await step).value?.ack()
      await peer.next('basic.ack')
    }
    const step = iterator.next()
    await turns(3)
    await consumer.qos(1)
    deliver('tag', '9')
    ;(await step).value?.ack()
    await peer.next('basic.ack')
    expect(heard(peer, channel).slice(START.length + 8)).toEqual(['basic.qos', 'basic.ack'])
  })

  test('is not sent where nothing changes, and counts in what basicConsume was told at once', async () => {
    const { peer, client, consumer, channel } = await consumerOf({ prefetchCount: 4 })
    await consumer.qos(4)
    expect(heard(peer, channel)).toEqual(START)
    const other = client.basicConsume('q', { prefetchCount: 1 })
    await Promise.all([other.qos(2), other.qos(3)])
    await other.ready
    expect(peer.all('basic.qos').map(({ method }) => method.args.prefetchCount)).toEqual([4, 3])
  })

  test('lets an exclusive consumer go first, and spares it where the count is lower', async () => {
    const { peer, consumer, channel } = await consumerOf({ prefetchCount: 5, exclusive: true })
    await consumer.qos(2)
    await consumer.qos(9)
    expect(heard(peer, channel)).toEqual([
      ...START,
      'basic.qos',
      ...['basic.qos', 'basic.cancel tag', 'basic.consume tag~2.0'],
    ])
  })

  test('leaves messages the tag that the user knows', async () => {
    const { consumer, deliver } = await consumerOf({ prefetchCount: 1, consumerTag: 'mine~7.0' })
    deliver('mine~7.0', 'a')
    const [first] = await texts(consumer, 1)
    await consumer.qos(8)
    deliver('mine~7.0~2.0', 'b')
    const [second] = await texts(consumer, 1)
    await consumer.qos(9)
    await consumer.qos(10)
    deliver('mine~7.0~4.0', 'c')
    const [third] = await texts(consumer, 1)
    expect([first, second, third].map(message => message?.consumerTag)).toEqual([
      'mine~7.0',
      'mine~7.0',
      'mine~7.0',
    ])
  })

  test('goes on behind the last message of a stream, which the old consumer delivers up to its end', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({
      prefetchCount: 2,
      arguments: { 'x-stream-offset': 'next' },
    })
    deliver('tag', 'a', 40)
    await turns()
    peer.on('basic.cancel', ({ method }) => {
      deliver('tag', 'b', 41)
      peer.send(channel, 'basic.cancel-ok', { consumerTag: method.args.consumerTag })
    })
    await consumer.qos(5)
    expect(heard(peer, channel)).toEqual([...START, 'basic.qos', 'basic.cancel tag', 'basic.consume tag~2.0'])
    expect(peer.all('basic.consume')[1]?.method.args.arguments).toEqual({ 'x-stream-offset': 42 })
  })

  test('keeps the offset that was asked for where a stream has delivered nothing', async () => {
    const args = { 'x-stream-offset': 'first', other: 1 }
    const { peer, consumer, channel } = await consumerOf({ prefetchCount: 2, arguments: args })
    await consumer.qos(5)
    expect(heard(peer, channel)).toEqual([...START, 'basic.qos', 'basic.cancel tag', 'basic.consume tag~2.0'])
    expect(peer.all('basic.consume')[1]?.method.args.arguments).toEqual(args)
  })

  test('that is under way is finished before a cancel, and one that is not is left out', async () => {
    const { peer, consumer, channel } = await consumerOf({ prefetchCount: 2 })
    const change = consumer.qos(5)
    await peer.several('basic.qos', 2)
    await Promise.all([change, consumer.qos(6), consumer.cancel(), consumer.qos(7)])
    await turns()
    expect(heard(peer, channel)).toEqual([
      ...START,
      ...['basic.qos', 'basic.consume tag~2.0', 'basic.cancel tag', 'basic.cancel tag~2.0', 'channel.close'],
    ])
  })
})

describe('the end of a consumer', () => {
  test('gives back what was not handed out only when no more can come', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({})
    deliver('tag', 'a')
    deliver('tag', 'b')
    await texts(consumer, 1)
    await consumer.cancel()
    await turns()
    expect(heard(peer, channel)).toEqual([...START, 'basic.cancel tag', 'basic.nack'])
  })

  test('closes the channel when the last message in hand is settled', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({})
    deliver('tag', 'a')
    const [message] = await texts(consumer, 1)
    await consumer.cancel()
    await turns()
    expect(heard(peer, channel)).toEqual([...START, 'basic.cancel tag'])
    expect(message?.ack()).toBe(true)
    await turns()
    expect(heard(peer, channel)).toEqual([...START, 'basic.cancel tag', 'basic.ack', 'channel.close'])
  })

  test('by the closing of its channel says what the broker said, of which operation', async () => {
    const { peer, client, consumer, channel, deliver } = await consumerOf({ prefetchCount: 1 })
    deliver('tag', 'a')
    const [message] = await texts(consumer, 1)
    const waiting = errorOf(consumer[Symbol.asyncIterator]().next())
    peer.closeChannel(channel, 406, 'PRECONDITION_FAILED - delivery acknowledgement timed out', undefined)
    const expected = { code: 'PRECONDITION_FAILED', operation: 'basicConsume', ticket: expect.any(Number) }
    expect(await waiting).toMatchObject(expected)
    expect(await errorOf(consumer[Symbol.asyncIterator]().next())).toMatchObject(expected)
    expect(message?.ack()).toBe(false)
    // Nobody can settle the message any more: draining does not wait for it.
    await client.drain()
  })

  test.each<[string, ConsumeOptions]>([
    ['acked by its user', { prefetchCount: 2 }],
    ['that needs no ack', { noAck: true }],
  ])('by the closing of its channel keeps back what is due for a message %s', async (_, options) => {
    const { peer, client, consumer, channel, deliver } = await consumerOf(options)
    deliver('tag', 'a')
    deliver('tag', 'b')
    const [, last] = await texts(consumer, 2)
    if (options.noAck === undefined) last?.ack({ multiple: true })
    peer.closeChannel(channel, 406, 'PRECONDITION_FAILED - some reason', undefined)
    await peer.next('channel.close-ok')
    const next = client.basicConsume('q')
    await next.ready
    // So long acks may be gathered that nobody waits for.
    await new Promise(resolve => setTimeout(resolve, 2 * LONGEST_GATHERING))
    expect(peer.all('basic.ack')).toEqual([])
    expect(peer.all('basic.consume').map(received => received.channel)).toEqual([channel, channel])
  })

  test.each([
    { with: 'another queue', deliveryTag: 0, multiple: true },
    // A tag of 0 would reach what is on its way, too, and RabbitMQ 3.10 lets nobody give anything back to a stream.
    { with: 'a stream', deliveryTag: 1, multiple: false },
  ])('by the broker of one of two queues gives back what came from it, beside $with', async expected => {
    const peer = new ScriptedPeer()
    const client = new Client('amqp://peer', { transport: peer.transport, recovery: false })
    clients.push(client)
    await client.connect()
    const position = expected.with === 'a stream' ? { 'x-stream-offset': 'next' } : {}
    const queues = [
      { queue: 'q', consumerTag: 'a' },
      { queue: 's', consumerTag: 'b', arguments: position },
    ]
    const consumer = client.basicConsumeMulti(queues, { prefetchCount: 10 })
    await consumer.ready
    const { channel } = await peer.next('basic.consume')
    const args = { redelivered: false, exchange: '', routingKey: 'q' }
    const send = (consumerTag: string, deliveryTag: number): void =>
      peer.raw(contentOf(peer, channel, { ...args, consumerTag, deliveryTag }, 'x', undefined))
    if (expected.with !== 'a stream') {
      // It is known to be no stream when it has delivered.
      send('b', 1)
      const [message] = await texts(consumer, 1)
      message?.ack()
      await peer.next('basic.ack')
    }
    send('a', expected.with === 'a stream' ? 1 : 2)
    await texts(consumer, 1)
    peer.send(channel, 'basic.cancel', { consumerTag: 'a', noWait: true })
    const nack = await peer.next('basic.nack')
    const { deliveryTag, multiple } = expected
    expect(nack.method.args).toEqual({ deliveryTag, multiple, requeue: true })
  })

  test('by the deletion of its queue says so, though the broker refuses the next consumer first', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({ onCancel: 'end' })
    peer.on('basic.consume', () => peer.closeChannel(channel, 404, 'NOT_FOUND - no queue', 'basic.consume'))
    const iterator = consumer[Symbol.asyncIterator]()
    for (let number = 1; number <= 8; number++) {
      const step = iterator.next()
      deliver('tag', String(number))
      ;(await step).value?.ack()
      await peer.next('basic.ack')
    }
    const step = iterator.next()
    deliver('tag', '9')
    await step
    const error = await errorOf(iterator.next())
    expect(error).toMatchObject({ code: 'CONSUMER_CANCELLED', operation: 'basicConsume' })
    expect(error.cause).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('by the broker, while the prefetch count changes, is an end all the same', async () => {
    const { peer, consumer, channel } = await consumerOf({ prefetchCount: 1 })
    for (const name of ['basic.consume', 'basic.cancel'] as const) peer.on(name, () => undefined)
    const change = errorOf(consumer.qos(2))
    await peer.next('basic.cancel')
    peer.send(channel, 'basic.cancel', { consumerTag: 'tag', noWait: true })
    peer.closeChannel(channel, 404, 'NOT_FOUND - no queue', 'basic.consume')
    expect(await change).toMatchObject({ code: 'NOT_FOUND', operation: 'basicQos' })
    expect(await errorOf(consumer[Symbol.asyncIterator]().next())).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a message of a stream', () => {
  test('is settled by ack in every way, and one of a queue is not', async () => {
    const { peer, consumer, channel, deliver } = await consumerOf({
      prefetchCount: 10,
      arguments: { 'x-stream-offset': 'next' },
    })
    for (const offset of [1, 2, 3, 4]) deliver('tag', 'a', offset)
    const [a, b, c, d] = await texts(consumer, 4)
    a?.nack({ requeue: false })
    b?.reject()
    await turns()
    c?.nack({ multiple: true })
    d?.ack()
    await turns()
    expect(heard(peer, channel).slice(START.length)).toEqual(['basic.ack', 'basic.ack'])
    const other = await consumerOf({})
    other.deliver('tag', 'a')
    const [message] = await texts(other.consumer, 1)
    message?.nack()
    await turns()
    expect(heard(other.peer, other.channel).slice(START.length)).toEqual(['basic.nack'])
  })
})
