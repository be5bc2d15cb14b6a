/** Covers many operations at once: errors reach only those that caused them, and the channels that it takes are few. */
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import {
  type AmqpError,
  CommandInvalidError,
  ConnectionBrokenError,
  PreconditionFailedError,
  ResourceError,
} from '../../src/index.js'
import { brokerIsAtLeast } from '../support/broker/broker.js'
import { newQueue, open, uniqueName } from '../support/broker/client.js'
import { channelsOf } from '../support/broker/listing.js'
import { errorOf, eventually, namesOf, tally } from '../support/outcome.js'

describe('a hundred declares at once', () => {
  test('of which a third fail leave the other two thirds alone', async () => {
    const client = await open()
    const taken = await newQueue(client, { arguments: { 'x-max-length': 1 } })
    const names = Array.from({ length: 100 }, () => uniqueName())
    const outcomes = await Promise.allSettled(
      names.map((name, n) => client.queueDeclare(n % 3 === 0 ? taken : name)),
    )
    const tickets = new Set<number | undefined>()
    for (const [n, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') {
        expect(n % 3).not.toBe(0)
        expect(outcome.value).toEqual({ queue: names[n], messageCount: 0, consumerCount: 0 })
      } else {
        expect(n % 3).toBe(0)
        expect(outcome.reason).toBeInstanceOf(PreconditionFailedError)
        expect(outcome.reason).toMatchObject({ operation: 'queueDeclare', replyCode: 406 })
        expect(outcome.reason.message).toMatch(/^queueDeclare: PRECONDITION_FAILED - .*x-max-length/)
        tickets.add((outcome.reason as AmqpError).ticket)
      }
    }
    expect(tickets.size).toBe(34)
  })

  test('and publishes, gets and consumers beside them, do not disturb each other', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'held')
    const held = await client.basicGet(queue)
    const consumer = client.basicConsume(queue, { prefetchCount: 10 })
    await consumer.ready
    const received = (async () => {
      const texts = []
      for await (const message of consumer) {
        texts.push(message.text())
        message.ack()
        if (texts.length === 100) break
      }
      return texts
    })()
    const failing = Array.from({ length: 300 }, (_, n) => {
      if (n % 3 === 0) return client.queueDeclare(uniqueName(), { passive: true })
      return n % 3 === 1 ? client.basicGet(uniqueName()) : client.queueBind(queue, uniqueName())
    })
    const texts = Array.from({ length: 100 }, (_, n) => `${n}`)
    const published = texts.map(text => client.basicPublish('', queue, text))
    expect(tally(await namesOf(failing))).toEqual({ NotFoundError: 300 })
    expect(tally(await namesOf(published))).toEqual({ ok: 100 })
    expect(await received).toEqual(texts)
    expect(held?.ack()).toBe(true)
  })
})

describe('3,000 operations at once', () => {
  test('all complete, on a bounded number of channels, of which few remain', async () => {
    const connectionName = uniqueName()
    const client = await open({ connectionName, operationConcurrency: 20 })
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'opens the channel for publishing')
    let running = true
    const operations = Array.from({ length: 3000 }, (_, n) =>
      n % 3 === 0 ? client.queueDeclare(uniqueName(), { passive: true }) : client.queueDeclare(queue),
    )
    // rabbitmqctl takes a second to look: this keeps the lanes busy meanwhile.
    const busy = (async () => {
      while (running) await Promise.all(Array.from({ length: 100 }, () => client.queueDeclare(queue)))
    })()
    const during = await channelsOf(connectionName)
    running = false
    await busy
    // One for publishing besides; a lane that was closed may still be there while its successor is.
    expect(during).toBeGreaterThan(2)
    expect(during).toBeLessThanOrEqual(42)
    expect(tally(await namesOf(operations))).toEqual({ ok: 2000, NotFoundError: 1000 })
    await eventually(async () => (await channelsOf(connectionName)) <= 3)
    expect(await client.queueDeclare(queue)).toMatchObject({ queue })
  }, 60_000)

  test('more than maxPendingOperations fail at once with ResourceError, and only those', async () => {
    const client = await open({ operationConcurrency: 2, maxPendingOperations: 10 })
    const queue = await newQueue(client)
    // The lane of the last operation is free a little after its promise is settled.
    await setImmediate()
    const names = await namesOf(Array.from({ length: 20 }, () => client.queueDeclare(queue)))
    expect(tally(names)).toEqual({ ok: 12, ResourceError: 8 })
    expect(names.slice(0, 12)).toEqual(Array(12).fill('ok'))
    const errors = await Promise.allSettled(Array.from({ length: 20 }, () => client.queueDeclare(queue)))
    const refused = errors.find(outcome => outcome.status === 'rejected') as PromiseRejectedResult
    expect(refused.reason).toBeInstanceOf(ResourceError)
    expect(refused.reason.message).toContain('maxPendingOperations')
    expect(refused.reason.operation).toBe('queueDeclare')
  })
})

describe('an exchange type that does not exist', () => {
  // RabbitMQ 3 ends the connection over it (503), RabbitMQ 4 just the channel (406).
  const hard = !brokerIsAtLeast(4)

  test('is the error of the operation that asked for it; others lose at most their connection', async () => {
    const client = await open({ operationConcurrency: 5 })
    const queue = await newQueue(client)
    const culprit = errorOf<AmqpError>(client.exchangeDeclare(uniqueName(), { type: 'x-nonsense' }))
    const bystanders = await Promise.allSettled([
      ...Array.from({ length: 200 }, () => client.queueDeclare(queue)),
      client.basicPublish('', queue, 'x'),
    ])
    expect(await culprit).toBeInstanceOf(hard ? CommandInvalidError : PreconditionFailedError)
    expect(await culprit).toMatchObject({ operation: 'exchangeDeclare', replyCode: hard ? 503 : 406 })
    expect((await culprit).message).toContain('x-nonsense')
    const errors = bystanders.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(errors.length > 0).toBe(hard)
    for (const error of errors) {
      expect(error).toBeInstanceOf(ConnectionBrokenError)
      expect(error.cause).toBeInstanceOf(CommandInvalidError)
    }
    if (hard) await client.closed
    else await client.queueDeclare(queue)
  })
})
