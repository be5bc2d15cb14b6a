/**
 * Covers declaring, deleting, purging and binding queues: every option, every result, and what the broker makes of it.
 */
import { describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  type AmqpError,
  InternalError,
  NotFoundError,
  PreconditionFailedError,
  ResourceLockedError,
  unsignedShort,
} from '../../src/index.js'
import { getOne, getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { listed } from '../support/broker/listing.js'
import { errorOf, eventually } from '../support/outcome.js'

const COLUMNS = ['name', 'durable', 'auto_delete', 'exclusive', 'arguments']

describe('queueDeclare', () => {
  test('makes a durable queue that stays, by default', async () => {
    const client = await open()
    const name = uniqueName()
    expect(await client.queueDeclare(name)).toEqual({ queue: name, messageCount: 0, consumerCount: 0 })
    expect(await listed('list_queues', name, COLUMNS)).toMatchObject({
      durable: 'true',
      auto_delete: 'false',
      exclusive: 'false',
    })
  })

  test('makes what its options say', async () => {
    const client = await open()
    const name = await newQueue(client, {
      exclusive: true,
      autoDelete: true,
      arguments: { 'x-max-length': unsignedShort(17) },
    })
    const row = await listed('list_queues', name, COLUMNS)
    expect(row).toMatchObject({ durable: 'false', auto_delete: 'true', exclusive: 'true' })
    expect(row?.arguments).toContain('"x-max-length"')
    expect(row?.arguments).toContain('17')
  })

  test('takes durable together with exclusive, of which RabbitMQ keeps the latter', async () => {
    const client = await open()
    const name = await newQueue(client, { exclusive: true, durable: true })
    expect(await listed('list_queues', name, COLUMNS)).toMatchObject({ durable: 'false', exclusive: 'true' })
  })

  test('durable: false makes a transient queue, or is refused where the broker has done with those', async () => {
    const client = await open()
    const name = uniqueName()
    try {
      await client.queueDeclare(name, { durable: false })
    } catch (error) {
      expect(error).toBeInstanceOf(InternalError)
      expect((error as AmqpError).message).toMatch(
        /^queueDeclare: INTERNAL_ERROR - .*transient_nonexcl_queues/,
      )
      return
    }
    expect(await listed('list_queues', name, COLUMNS)).toMatchObject({ durable: 'false', exclusive: 'false' })
  })

  test('takes a name from the broker where none is given', async () => {
    const client = await open()
    const [first, second] = await Promise.all([
      client.queueDeclare('', { exclusive: true }),
      client.queueDeclare('', { exclusive: true }),
    ])
    expect(first.queue).toMatch(/^amq\.gen-/)
    expect(second.queue).toMatch(/^amq\.gen-/)
    expect(second.queue).not.toBe(first.queue)
    await client.basicPublish('', first.queue, 'by its name', { mandatory: true })
  })

  test('counts messages and consumers', async () => {
    const client = await open()
    const queue = await newQueue(client)
    for (let n = 0; n < 3; n++) await client.basicPublish('', queue, `${n}`)
    expect(await client.queueDeclare(queue)).toEqual({ queue, messageCount: 3, consumerCount: 0 })
    const consumer = client.basicConsume(queue, { prefetchCount: 1 })
    await consumer.ready
    await eventually(async () => (await client.queueDeclare(queue)).messageCount === 2)
    expect(await client.queueDeclare(queue)).toMatchObject({ consumerCount: 1 })
    await consumer.cancel()
  })

  test('passive, only asks whether it exists', async () => {
    const client = await open()
    const name = uniqueName()
    const error = await errorOf<AmqpError>(client.queueDeclare(name, { passive: true }))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({ operation: 'queueDeclare', replyCode: 404, classId: 50, methodId: 10 })
    expect(error.message).toContain(name)
    await client.queueDeclare(name, { arguments: { 'x-max-length': 5 } })
    expect(await client.queueDeclare(name, { passive: true })).toMatchObject({ queue: name })
  })

  test.each([
    { durable: false, exclusive: true },
    { autoDelete: true },
    { arguments: { 'x-max-length': 5 } },
  ])('rejects where the queue exists otherwise: %j', async other => {
    const client = await open()
    const name = await newQueue(client)
    const error = await errorOf<AmqpError>(client.queueDeclare(name, other))
    // RabbitMQ calls a queue that is not exclusive, and was asked for as such, locked.
    expect([PreconditionFailedError, ResourceLockedError]).toContain(error.constructor)
    await client.queueDeclare(name)
  })

  test('autoDelete removes it with its last consumer', async () => {
    const client = await open()
    const name = await newQueue(client, { autoDelete: true })
    const consumer = client.basicConsume(name)
    await consumer.ready
    await consumer.cancel()
    expect(await errorOf(client.queueDeclare(name, { passive: true }))).toBeInstanceOf(NotFoundError)
  })

  test('exclusive keeps it to its connection, and ends it with that', async () => {
    const [owner, other] = [await open(), await open()]
    const name = await newQueue(owner, { exclusive: true })
    const error = await errorOf<AmqpError>(other.queueDeclare(name, { passive: true }))
    expect(error).toBeInstanceOf(ResourceLockedError)
    expect(error).toMatchObject({ code: 'RESOURCE_LOCKED', replyCode: 405 })
    expect(await errorOf(other.basicGet(name))).toBeInstanceOf(ResourceLockedError)
    await owner.close()
    await eventually(
      async () => (await errorOf(other.queueDeclare(name, { passive: true }))) instanceof NotFoundError,
    )
  })

  test('gives the broker its arguments, with effect', async () => {
    const client = await open()
    const dead = await newQueue(client)
    const queue = await newQueue(client, {
      arguments: {
        'x-max-length': 2,
        'x-overflow': 'drop-head',
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': dead,
      },
    })
    for (const text of ['a', 'b', 'c']) await client.basicPublish('', queue, text)
    expect(await getTexts(client, queue)).toEqual(['b', 'c'])
    await eventually(async () => (await client.queueDeclare(dead)).messageCount === 1)
    const message = await getOne(client, dead)
    expect(message.text()).toBe('a')
    expect(message.headers['x-death']).toMatchObject([{ queue, reason: 'maxlen', exchange: '' }])
  })

  test('makes quorum queues', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: { 'x-queue-type': 'quorum' } })
    await client.basicPublish('', queue, 'agreed on')
    await eventually(async () => (await client.queueDeclare(queue, { passive: true })).messageCount === 1)
    expect((await getOne(client, queue)).text()).toBe('agreed on')
  })

  test('rejects with AccessRefusedError for a reserved name', async () => {
    const client = await open()
    expect(await errorOf(client.queueDeclare('amq.ours'))).toBeInstanceOf(AccessRefusedError)
  })
})

describe('queueDelete', () => {
  test('tells how many messages went with it, and does not mind where there is none', async () => {
    const client = await open()
    const queue = await newQueue(client)
    for (const text of ['a', 'b']) await client.basicPublish('', queue, text)
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 2 })
    expect(await errorOf(client.queueDeclare(queue, { passive: true }))).toBeInstanceOf(NotFoundError)
    expect(await client.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('ifEmpty spares a queue with messages', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'kept')
    const error = await errorOf<AmqpError>(client.queueDelete(queue, { ifEmpty: true }))
    expect(error).toBeInstanceOf(PreconditionFailedError)
    expect(error.operation).toBe('queueDelete')
    await getOne(client, queue)
    await client.queueDelete(queue, { ifEmpty: true })
    expect(await errorOf(client.queueDeclare(queue, { passive: true }))).toBeInstanceOf(NotFoundError)
  })

  test('ifUnused spares a queue with consumers', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const consumer = client.basicConsume(queue)
    await consumer.ready
    expect(await errorOf(client.queueDelete(queue, { ifUnused: true }))).toBeInstanceOf(
      PreconditionFailedError,
    )
    await consumer.cancel()
    await client.queueDelete(queue, { ifUnused: true })
    expect(await errorOf(client.queueDeclare(queue, { passive: true }))).toBeInstanceOf(NotFoundError)
  })
})

describe('queuePurge', () => {
  test('drops what is ready, tells how many that was, and leaves what is out', async () => {
    const client = await open()
    const queue = await newQueue(client)
    for (const text of ['out', 'a', 'b']) await client.basicPublish('', queue, text)
    const message = await client.basicGet(queue)
    expect(await client.queuePurge(queue)).toEqual({ messageCount: 2 })
    message?.nack()
    await eventually(async () => (await client.queueDeclare(queue, { passive: true })).messageCount === 1)
    expect(await getTexts(client, queue)).toEqual(['out'])
  })

  test('rejects with NotFoundError where there is no such queue', async () => {
    const client = await open()
    const error = await errorOf<AmqpError>(client.queuePurge(uniqueName()))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error.operation).toBe('queuePurge')
  })
})

describe('queueBind and queueUnbind', () => {
  test('lead messages to the queue by routing key', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    const queue = await newQueue(client)
    expect(await client.queueBind(queue, exchange, 'key')).toBeUndefined()
    await client.queueBind(queue, exchange)
    await client.basicPublish(exchange, 'key', 'by key')
    await client.basicPublish(exchange, '', 'by no key')
    await client.basicPublish(exchange, 'other', 'by another key')
    expect(await client.queueUnbind(queue, exchange, 'key')).toBeUndefined()
    await client.basicPublish(exchange, 'key', 'by key, too late')
    await client.queueUnbind(queue, exchange)
    await client.basicPublish(exchange, '', 'by no key, too late')
    expect(await getTexts(client, queue)).toEqual(['by key', 'by no key'])
  })

  test('take the arguments of a headers exchange', async () => {
    const client = await open()
    const exchange = await newExchange(client, { type: 'headers' })
    const queue = await newQueue(client)
    const [all, any] = [
      { 'x-match': 'all', a: 1, b: 'two' },
      { 'x-match': 'any', c: true, d: 4 },
    ]
    await client.queueBind(queue, exchange, '', { arguments: all })
    await client.queueBind(queue, exchange, '', { arguments: any })
    await client.basicPublish(exchange, '', 'all', { headers: { a: 1, b: 'two', other: 1 } })
    await client.basicPublish(exchange, '', 'some of all', { headers: { a: 1 } })
    await client.basicPublish(exchange, '', 'any', { headers: { d: 4 } })
    await client.queueUnbind(queue, exchange, '', { arguments: any })
    await client.basicPublish(exchange, '', 'any, too late', { headers: { d: 4 } })
    await client.basicPublish(exchange, '', 'all again', { headers: { a: 1, b: 'two' } })
    expect(await getTexts(client, queue)).toEqual(['all', 'any', 'all again'])
  })

  test('reject with NotFoundError where the queue or the exchange does not exist', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const exchange = await newExchange(client)
    for (const promise of [client.queueBind(queue, 'nowhere'), client.queueBind('nowhere', exchange)]) {
      const error = await errorOf<AmqpError>(promise)
      expect(error).toBeInstanceOf(NotFoundError)
      expect(error.operation).toBe('queueBind')
    }
    await client.queueUnbind(queue, exchange, 'never bound')
  })
})
