/** Covers declaring, deleting and binding exchanges: every option, and what the broker makes of it. */
import { describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  type AmqpError,
  CommandInvalidError,
  NotFoundError,
  PreconditionFailedError,
  short,
} from '../../src/index.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { listed } from '../support/broker/listing.js'
import { errorOf } from '../support/outcome.js'

const COLUMNS = ['name', 'type', 'durable', 'auto_delete', 'internal', 'arguments']

describe('exchangeDeclare', () => {
  test('makes a durable direct exchange by default', async () => {
    const client = await open()
    const name = uniqueName()
    expect(await client.exchangeDeclare(name)).toBeUndefined()
    expect(await listed('list_exchanges', name, COLUMNS)).toEqual({
      name,
      type: 'direct',
      durable: 'true',
      auto_delete: 'false',
      internal: 'false',
      arguments: '[]',
    })
  })

  test('makes what its options say', async () => {
    const client = await open()
    const name = await newExchange(client, {
      type: 'topic',
      durable: false,
      autoDelete: true,
      internal: true,
      arguments: { 'x-note': 'ours' },
    })
    expect(await listed('list_exchanges', name, COLUMNS)).toEqual({
      name,
      type: 'topic',
      durable: 'false',
      auto_delete: 'true',
      internal: 'true',
      arguments: expect.stringContaining('"x-note"'),
    })
  })

  test.each([{ type: 'fanout' }, { durable: false }, { autoDelete: true }, { internal: true }])(
    'rejects with PreconditionFailedError where it exists otherwise: %j',
    async other => {
      const client = await open()
      const name = await newExchange(client)
      const error = await errorOf<AmqpError>(client.exchangeDeclare(name, other))
      expect(error).toBeInstanceOf(PreconditionFailedError)
      expect(error).toMatchObject({ operation: 'exchangeDeclare', replyCode: 406, classId: 40, methodId: 10 })
      expect(error.message).toContain(name)
      await client.exchangeDeclare(name)
    },
  )

  test('passive, only asks whether it exists', async () => {
    const client = await open()
    const name = uniqueName()
    const error = await errorOf<AmqpError>(client.exchangeDeclare(name, { passive: true }))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({ code: 'NOT_FOUND', operation: 'exchangeDeclare', replyCode: 404 })
    expect(error.ticket).toBeGreaterThan(0)
    await client.exchangeDeclare(name, { type: 'fanout' })
    await client.exchangeDeclare(name, { passive: true })
  })

  test('rejects with AccessRefusedError for a reserved name', async () => {
    const client = await open()
    expect(await errorOf(client.exchangeDeclare('amq.ours'))).toBeInstanceOf(AccessRefusedError)
  })

  test('of a type that does not exist is an error of its own, though it ends the connection', async () => {
    const client = await open()
    const error = await errorOf<AmqpError>(client.exchangeDeclare(uniqueName(), { type: 'x-nonsense' }))
    // RabbitMQ 4 takes it for a failed precondition, which ends no more than the channel.
    expect([CommandInvalidError, PreconditionFailedError]).toContain(error.constructor)
    expect(error.operation).toBe('exchangeDeclare')
  })

  test('autoDelete removes it with its last binding', async () => {
    const client = await open()
    const exchange = await newExchange(client, { autoDelete: true })
    const queue = await newQueue(client)
    await client.queueBind(queue, exchange)
    await client.queueUnbind(queue, exchange)
    expect(await errorOf(client.exchangeDeclare(exchange, { passive: true }))).toBeInstanceOf(NotFoundError)
  })

  test('internal refuses what is published to it, but not what other exchanges send', async () => {
    const client = await open()
    const inner = await newExchange(client, { type: 'fanout', internal: true })
    const outer = await newExchange(client, { type: 'fanout' })
    const queue = await newQueue(client)
    await client.exchangeBind(inner, outer)
    await client.queueBind(queue, inner)
    expect(await errorOf(client.basicPublish(inner, '', 'directly'))).toBeInstanceOf(AccessRefusedError)
    await client.basicPublish(outer, '', 'by the outer one')
    expect(await getTexts(client, queue)).toEqual(['by the outer one'])
  })

  test('alternate-exchange gets what would be unroutable', async () => {
    const client = await open()
    const alternate = await newExchange(client, { type: 'fanout' })
    const exchange = await newExchange(client, { arguments: { 'alternate-exchange': alternate } })
    const queue = await newQueue(client)
    await client.queueBind(queue, alternate)
    await client.basicPublish(exchange, 'nowhere', 'caught', { mandatory: true })
    expect(await getTexts(client, queue)).toEqual(['caught'])
  })
})

describe('exchangeDelete', () => {
  test('removes an exchange, and does not mind where there is none', async () => {
    const client = await open()
    const name = await newExchange(client)
    expect(await client.exchangeDelete(name)).toBeUndefined()
    expect(await errorOf(client.exchangeDeclare(name, { passive: true }))).toBeInstanceOf(NotFoundError)
    await client.exchangeDelete(name)
  })

  test('ifUnused spares an exchange that has bindings', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    const queue = await newQueue(client)
    await client.queueBind(queue, exchange)
    const error = await errorOf<AmqpError>(client.exchangeDelete(exchange, { ifUnused: true }))
    expect(error).toBeInstanceOf(PreconditionFailedError)
    expect(error.operation).toBe('exchangeDelete')
    await client.exchangeDeclare(exchange, { passive: true })
    await client.queueUnbind(queue, exchange)
    await client.exchangeDelete(exchange, { ifUnused: true })
    expect(await errorOf(client.exchangeDeclare(exchange, { passive: true }))).toBeInstanceOf(NotFoundError)
  })

  test('without ifUnused removes one that has bindings', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    await client.queueBind(await newQueue(client), exchange)
    await client.exchangeDelete(exchange)
    expect(await errorOf(client.exchangeDeclare(exchange, { passive: true }))).toBeInstanceOf(NotFoundError)
  })
})

describe('exchangeBind and exchangeUnbind', () => {
  test('lead messages from the source to the destination, by routing key', async () => {
    const client = await open()
    const [source, destination] = [
      await newExchange(client, { type: 'topic' }),
      await newExchange(client, { type: 'fanout' }),
    ]
    const queue = await newQueue(client)
    await client.queueBind(queue, destination)
    expect(await client.exchangeBind(destination, source, 'news.*')).toBeUndefined()
    await client.basicPublish(source, 'news.one', 'matches')
    await client.basicPublish(source, 'other.one', 'does not')
    expect(await client.exchangeUnbind(destination, source, 'news.*')).toBeUndefined()
    await client.basicPublish(source, 'news.one', 'comes too late')
    expect(await getTexts(client, queue)).toEqual(['matches'])
  })

  test('take arguments, by which a binding is told from others', async () => {
    const client = await open()
    const source = await newExchange(client, { type: 'headers' })
    const destination = await newExchange(client, { type: 'fanout' })
    const queue = await newQueue(client)
    await client.queueBind(queue, destination)
    const first = { 'x-match': 'all', colour: 'red', size: short(5) }
    const second = { 'x-match': 'any', colour: 'blue', size: 5 }
    await client.exchangeBind(destination, source, '', { arguments: first })
    await client.exchangeBind(destination, source, '', { arguments: second })
    await client.basicPublish(source, '', 'red', { headers: { colour: 'red', size: short(5) } })
    await client.basicPublish(source, '', 'half red', { headers: { colour: 'red' } })
    await client.basicPublish(source, '', 'blue', { headers: { colour: 'blue' } })
    await client.exchangeUnbind(destination, source, '', { arguments: second })
    await client.basicPublish(source, '', 'late blue', { headers: { colour: 'blue' } })
    await client.basicPublish(source, '', 'late red', { headers: { colour: 'red', size: short(5) } })
    expect(await getTexts(client, queue)).toEqual(['red', 'blue', 'late red'])
  })

  test('reject with NotFoundError where an exchange does not exist', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    for (const [destination, source] of [
      [exchange, 'nowhere'],
      ['nowhere', exchange],
    ] as const) {
      const error = await errorOf<AmqpError>(client.exchangeBind(destination, source, 'key'))
      expect(error).toBeInstanceOf(NotFoundError)
      expect(error.operation).toBe('exchangeBind')
    }
    // RabbitMQ has long ceased to mind what is not there when something is removed.
    await client.exchangeUnbind('nowhere', exchange, 'key')
    await client.exchangeUnbind(exchange, exchange, 'never bound')
  })
})
