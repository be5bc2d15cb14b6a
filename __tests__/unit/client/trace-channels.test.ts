/** Covers the tracing channels: what their subscribers are told, in which order, and that nobody is harmed by one that throws. */
import { channel, type TracingChannelSubscribers, tracingChannel } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { DeliverMessage, ProcessTrace, PublishTrace, SettleTrace } from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { errorOf } from '../../support/outcome.js'
import { confirming } from './confirming-peer.js'

const NAMES = ['connect', 'operation', 'publish', 'process', 'settle'] as const
type Name = (typeof NAMES)[number]

const EVENTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const
let told: { readonly event: string; readonly context: Record<string, unknown> }[] = []
const stops: (() => void)[] = []

/** Hears what a channel says; each context as it is at last. */
function hear(name: Name): void {
  const handlers = Object.fromEntries(
    EVENTS.map(event => [
      event,
      (context: object) => told.push({ event: `${name} ${event}`, context: { ...context } }),
    ]),
  ) as unknown as TracingChannelSubscribers<object>
  const traced = tracingChannel<unknown, object>(`puka-amqp:${name}`)
  traced.subscribe(handlers)
  stops.push(() => traced.unsubscribe(handlers))
}

const eventsOf = (name: Name): string[] =>
  told.map(({ event }) => event).filter(event => event.startsWith(`${name} `))
const lastOf = (event: string): Record<string, unknown> | undefined =>
  told.filter(each => each.event === event).at(-1)?.context

beforeEach(() => {
  told = []
  for (const name of NAMES) hear(name)
})

afterEach(async () => {
  for (const stop of stops.splice(0)) stop()
  await closeClients()
})

const PROMISE = ['start', 'end', 'asyncStart', 'asyncEnd']
const FAILING = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

/** A client whose consumer of 'q' gets one message. */
async function withDelivery() {
  const { client, peer } = await connectToPeer()
  const consumer = client.basicConsume('q', { prefetchCount: 1 })
  await consumer.ready
  const { channel: number, method } = await peer.next('basic.consume')
  const { consumerTag } = method.args
  const delivery = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
  peer.sendContent(number, 'basic.deliver', delivery, Buffer.from('body'))
  return { client, consumer }
}

test('connect and operations are traced, with their client and their outcome', async () => {
  const { client, peer } = await connectToPeer()
  expect(eventsOf('connect')).toEqual(PROMISE.map(event => `connect ${event}`))
  expect(lastOf('connect asyncEnd')).toMatchObject({ client })
  await client.queueDeclare('q')
  expect(eventsOf('operation')).toEqual(PROMISE.map(event => `operation ${event}`))
  expect(lastOf('operation asyncEnd')).toMatchObject({
    client,
    operation: 'queueDeclare',
    result: { queue: expect.any(String) },
  })
  told = []
  peer.on('queue.purge', ({ channel: number }) => peer.closeChannel(number, 404, 'NOT_FOUND', 'queue.purge'))
  const error = await errorOf(client.queuePurge('q'))
  expect(eventsOf('operation')).toEqual(FAILING.map(event => `operation ${event}`))
  expect(lastOf('operation error')).toMatchObject({ operation: 'queuePurge', error })
})

describe('a publish', () => {
  test('is traced until it is confirmed, and what is added to its headers is sent', async () => {
    const { client, peer } = await confirming()
    const traced = tracingChannel<unknown, PublishTrace>('puka-amqp:publish')
    const add = (context: unknown): void => {
      const { options } = context as PublishTrace
      options.headers = { ...options.headers, added: 'yes' }
    }
    traced.start.subscribe(add)
    stops.push(() => traced.start.unsubscribe(add))
    const headers = { mine: 1 }
    await client.basicPublish('', 'k', 'body', { headers, messageId: 'm' })
    expect(headers).toEqual({ mine: 1 })
    const [sent] = peer.all('basic.publish')
    expect(sent?.header.toString('latin1')).toContain('added')
    expect(lastOf('publish asyncEnd')).toMatchObject({
      client,
      exchange: '',
      routingKey: 'k',
      body: 'body',
      options: { messageId: 'm', headers: { mine: 1, added: 'yes' } },
    })
    expect(eventsOf('publish')).toEqual(PROMISE.map(event => `publish ${event}`))
  })

  test('that fails at once is traced, too, with the error that its caller gets', async () => {
    const { client } = await connectToPeer()
    const error = await errorOf(client.basicPublish('e', 'k', 5 as unknown as string))
    expect(lastOf('publish error')).toMatchObject({ error })
    expect(error).toMatchObject({ name: 'ArgumentError', operation: 'basicPublish' })
  })

  test('of publishMany is traced like any other', async () => {
    const { client } = await confirming()
    const messages = ['one', 'two'].map(body => ({ exchange: '', routingKey: 'q', body }))
    expect(await client.publishMany(messages)).toEqual({ published: 2, failed: 0 })
    expect(eventsOf('publish').filter(event => event === 'publish asyncEnd').length).toBe(2)
  })
})

describe('a message', () => {
  test('is told of when a loop gets it, and when it is settled', async () => {
    const { consumer } = await withDelivery()
    const delivered: unknown[] = []
    const hearDelivery = (message: unknown): unknown => delivered.push((message as DeliverMessage).message)
    channel('puka-amqp:deliver').subscribe(hearDelivery)
    stops.push(() => channel('puka-amqp:deliver').unsubscribe(hearDelivery))
    const { value: message } = await consumer[Symbol.asyncIterator]().next()
    expect(delivered).toEqual([message])
    expect(message?.ack()).toBe(true)
    expect(eventsOf('settle')).toEqual(['settle start', 'settle end'])
    const settled = lastOf('settle end') as unknown as SettleTrace
    expect(settled).toMatchObject({ kind: 'ack', result: true })
    expect(settled.message).toBe(message)
    expect(() => message?.ack()).toThrow('settled already')
    expect(eventsOf('settle').slice(2)).toEqual(['settle start', 'settle error', 'settle end'])
  })

  test('is traced while its handler runs, which a subscriber may run within a context of its own', async () => {
    const { consumer } = await withDelivery()
    const steps: string[] = []
    const traced = tracingChannel<unknown, ProcessTrace>('puka-amqp:process')
    const start = (context: unknown): void => {
      ;(context as ProcessTrace).run = handler => {
        steps.push('before')
        return handler()
      }
    }
    traced.start.subscribe(start)
    stops.push(() => traced.start.unsubscribe(start))
    await consumer.forEach(message => {
      steps.push(message.text())
      void consumer.cancel()
    })
    expect(steps).toEqual(['before', 'body'])
    expect(eventsOf('process')).toEqual(PROMISE.map(event => `process ${event}`))
  })

  test('whose handler fails is traced with its error, and requeued as ever', async () => {
    const { consumer } = await withDelivery()
    const failure = new Error('no')
    await consumer.forEach(
      () => {
        throw failure
      },
      { onError: () => void consumer.cancel() },
    )
    expect(lastOf('process error')).toMatchObject({ error: failure })
    expect(lastOf('settle end')).toMatchObject({ kind: 'reject' })
  })
})
