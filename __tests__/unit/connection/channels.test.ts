/** Covers the channels of a connection: their number, their re-use, and consumers that the broker cancels. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  ConsumerCancelledError,
  NotFoundError,
  PreconditionFailedError,
  ResourceError,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { turns } from '../../support/memory/scripted-peer.js'

afterEach(closeClients)

describe('channel numbers', () => {
  test('that are used up give ResourceError, and work again when one is free', async () => {
    const { client } = await connectToPeer({}, { tune: { channelMax: 4 } })
    const consumers = [client.basicConsume('a'), client.basicConsume('b')]
    await Promise.all(consumers.map(({ ready }) => ready))
    const extra = client.basicConsume('c')
    await expect(extra.ready).rejects.toMatchObject({
      constructor: ResourceError,
      message: expect.stringContaining('channelMax'),
    })
    await expect(extra[Symbol.asyncIterator]().next()).rejects.toBeInstanceOf(ResourceError)
    await expect(client.queueDeclare('q')).rejects.toMatchObject({
      constructor: ResourceError,
      operation: 'queueDeclare',
      ticket: 4,
    })
    await expect(client.basicGet('q')).rejects.toMatchObject({
      constructor: ResourceError,
      operation: 'basicGet',
      ticket: 5,
    })
    await consumers[0]?.cancel()
    await turns()
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })

  test('of publishing are its own, and are never given to others', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { channelMax: 4 } })
    await Promise.all([client.basicConsume('a').ready, client.basicConsume('b').ready])
    peer.on('basic.publish', ({ channel }) => {
      if (channel === 1) peer.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false })
    })
    await client.basicPublish('', 'q', 'x')
    await client.basicPublish('', 'q', 'x', { confirm: false })
    await turns()
    expect(peer.all('channel.open').map(({ channel }) => channel)).toEqual([3, 4, 1, 2])
  })

  test('stay few: operations one after the other share a channel', async () => {
    const { client, peer } = await connectToPeer()
    for (let index = 0; index < 20; index++) await client.queueDeclare(`q${index}`)
    expect(peer.all('channel.open')).toHaveLength(1)
  })

  test('are bounded by operationConcurrency', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 5 })
    await Promise.all(Array.from({ length: 50 }, (_, index) => client.queueDeclare(`q${index}`)))
    expect(peer.all('channel.open')).toHaveLength(5)
  })
})

describe('an operation that fails', () => {
  test('takes down its own channel, and nobody else', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('queue.declare', ({ channel, method: { args } }) => {
      if (args.queue.startsWith('bad'))
        peer.closeChannel(channel, 406, 'PRECONDITION_FAILED', 'queue.declare')
      else peer.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 })
    })
    const names = ['a', 'bad 1', 'b', 'bad 2', 'c']
    const outcomes = await Promise.allSettled(names.map(name => client.queueDeclare(name)))
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(outcomes[3]).toMatchObject({
      reason: {
        constructor: PreconditionFailedError,
        message: 'queueDeclare: PRECONDITION_FAILED (406)',
        operation: 'queueDeclare',
        ticket: 4,
        classId: 50,
        methodId: 10,
      },
    })
    expect(await peer.several('channel.close-ok', 2)).toHaveLength(2)
    await expect(client.queueDeclare('after')).resolves.toMatchObject({ queue: 'after' })
  })
})

describe('a consumer that the broker cancels', () => {
  test.each([
    [false, 1],
    [true, 0],
  ])(
    'ends by throwing; basic.cancel is answered unless no-wait is set (noWait: %p)',
    async (noWait, answers) => {
      const { client, peer } = await connectToPeer()
      const consumer = client.basicConsume('q', { consumerTag: 'mine', onCancel: 'end' })
      await consumer.ready
      const next = consumer[Symbol.asyncIterator]().next()
      const { channel } = await peer.next('basic.consume')
      peer.send(channel, 'basic.cancel', { consumerTag: 'mine', noWait })
      await expect(next).rejects.toMatchObject({
        constructor: ConsumerCancelledError,
        code: 'CONSUMER_CANCELLED',
        operation: 'basicConsume',
      })
      await peer.next('channel.close')
      expect(peer.all('basic.cancel-ok').map(({ method }) => method.args)).toEqual(
        Array.from({ length: answers }, () => ({ consumerTag: 'mine' })),
      )
    },
  )

  test('is not one that nobody knows: that cancel is answered, and harms nobody', async () => {
    const { client, peer } = await connectToPeer()
    const consumer = client.basicConsume('q', { consumerTag: 'mine' })
    await consumer.ready
    const { channel } = await peer.next('basic.consume')
    peer.send(channel, 'basic.cancel', { consumerTag: 'another', noWait: false })
    await peer.next('basic.cancel-ok')
    const next = consumer[Symbol.asyncIterator]().next()
    const args = { consumerTag: 'mine', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    peer.sendContent(channel, 'basic.deliver', args, Buffer.from('still here'))
    expect((await next).value?.text()).toBe('still here')
  })

  test('is one whose channel was closed: its iterator throws what the broker said', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('basic.consume', ({ channel }) =>
      peer.closeChannel(channel, 404, "NOT_FOUND - no queue 'q'", 'basic.consume'),
    )
    const consumer = client.basicConsume('q')
    await expect(consumer[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      constructor: NotFoundError,
      operation: 'basicConsume',
      ticket: 1,
    })
    await expect(consumer.ready).rejects.toBeInstanceOf(NotFoundError)
  })
})
