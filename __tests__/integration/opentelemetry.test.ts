/** Covers traces and metrics by OpenTelemetry: within one process, and from a publisher to a consumer in another one. */
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { context, propagation, type SpanContext, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { Client } from '../../src/index.js'
import { extractContext, instrument } from '../../src/opentelemetry/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newQueue, open } from '../support/broker/client.js'
import { PROJECT, runTypeScript } from '../support/child.js'
import { errorOf } from '../support/outcome.js'

const MINUTE = 60_000
const spans = new InMemorySpanExporter()
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: MINUTE })
const meterProvider = new MeterProvider({ readers: [reader] })
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
let stop: () => void

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  )
  stop = instrument({ tracerProvider, meterProvider })
})

afterAll(async () => {
  stop()
  context.disable()
  propagation.disable()
  await meterProvider.shutdown()
})

beforeEach(() => {
  spans.reset()
})

/** The finished spans of a name, or of all whose names begin so. */
const spansOf = (name: string) => spans.getFinishedSpans().filter(span => span.name.startsWith(name))

/** Does something within a span and a baggage of the user's own. */
async function within<T>(
  work: () => Promise<T>,
): Promise<{ readonly outcome: T; readonly user: SpanContext }> {
  const span = tracerProvider.getTracer('user').startSpan('user')
  const baggage = propagation.createBaggage({ tenant: { value: 'blue' } })
  const active = propagation.setBaggage(trace.setSpan(context.active(), span), baggage)
  const outcome = await context.with(active, work)
  span.end()
  return { outcome, user: span.spanContext() }
}

/** A queue with a message in it, which was published within a user's span. */
async function published(client: Client, body = 'hello') {
  const queue = await newQueue(client)
  const { user } = await within(() => client.basicPublish('', queue, body, { messageId: 'm1' }))
  return { queue, user }
}

describe('a publish', () => {
  test('is a span below that of its user, and its context is in the headers', async () => {
    const client = await open()
    const { queue, user } = await published(client)
    const [span] = spansOf('publish ')
    expect(span).toMatchObject({
      name: `publish ${queue}`,
      kind: SpanKind.PRODUCER,
      parentSpanContext: { spanId: user.spanId },
      attributes: {
        'messaging.system': 'rabbitmq',
        'messaging.operation.name': 'publish',
        'messaging.operation.type': 'send',
        'messaging.destination.name': queue,
        'messaging.rabbitmq.destination.routing_key': queue,
        'messaging.message.id': 'm1',
        'messaging.message.body.size': 5,
        'server.port': expect.any(Number),
      },
    })
    const message = await client.basicGet(queue, { noAck: true })
    expect(message?.headers).toEqual({
      traceparent: `00-${user.traceId}-${span?.spanContext().spanId}-01`,
      baggage: 'tenant=blue',
    })
  })

  test('leaves the options of its user as they are, and keeps the headers', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const options = { headers: { mine: 1 } }
    await client.basicPublish('', queue, 'x', options)
    await client.publishMany([{ exchange: '', routingKey: queue, body: 'y', ...options }])
    expect(options).toEqual({ headers: { mine: 1 } })
    for (let count = 0; count < 2; count++) {
      const message = await client.basicGet(queue, { noAck: true })
      expect(message?.headers).toEqual({ mine: 1, traceparent: expect.any(String) })
    }
    expect(spansOf(`publish ${queue}`).length).toBe(2)
  })

  test('that fails says so', async () => {
    const client = await open()
    await errorOf(client.basicPublish('no-such-exchange', 'key', 'x'))
    expect(spansOf('publish ')).toMatchObject([
      {
        name: 'publish no-such-exchange:key',
        status: { code: SpanStatusCode.ERROR },
        attributes: { 'error.type': 'NOT_FOUND' },
      },
    ])
  })
})

describe('a message that is received', () => {
  test('by a loop, or by a get, is a span that links to the publish', async () => {
    const client = await open()
    const { queue } = await published(client)
    const [publish] = spansOf('publish ')
    for await (const message of client.basicConsume(queue)) {
      const active = extractContext(message)
      expect(trace.getSpanContext(active)?.spanId).toBe(publish?.spanContext().spanId)
      expect(propagation.getBaggage(active)?.getEntry('tenant')?.value).toBe('blue')
      message.nack()
      break
    }
    await client.basicGet(queue, { noAck: true })
    expect(await client.basicGet(queue)).toBeNull()
    const link = { context: { spanId: publish?.spanContext().spanId } }
    expect(spansOf('consume ')).toMatchObject([{ kind: SpanKind.CLIENT, links: [link] }])
    expect(spansOf('get')).toMatchObject([{ links: [link] }, { name: 'get', links: [] }])
  })

  test(
    'in another process continues the trace, with its baggage',
    async () => {
      const client = await open()
      const { queue, user } = await published(client)
      await within(() => client.basicPublish('', queue, 'bad'))
      await client.basicPublish('', queue, 'stop')
      const child = join(PROJECT, '__tests__/support/traced-consumer.ts')
      const { stdout, stderr, status } = await runTypeScript(child, [queue], {
        env: { AMQP_URL: brokerUrl() },
      })
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      const told = JSON.parse(stdout)
      expect(told.baggage).toEqual(['blue', 'blue'])
      const named = (name: string) => told.spans.filter((span: { name: string }) => span.name === name)
      const [publish] = spansOf('publish ')
      const { spanId } = publish?.spanContext() ?? {}
      const [good, bad] = named(`process ${queue}`)
      expect(good).toMatchObject({
        kind: SpanKind.CONSUMER,
        context: { traceId: user.traceId },
        parent: { spanId },
        links: [{ spanId }],
        attributes: { 'messaging.operation.type': 'process', 'messaging.message.id': 'm1' },
      })
      expect(bad).toMatchObject({
        status: { code: SpanStatusCode.ERROR },
        attributes: { 'error.type': 'RangeError' },
      })
      expect(named('work')).toMatchObject([
        { context: { traceId: user.traceId }, parent: { spanId: good.context.spanId } },
        { parent: { spanId: bad.context.spanId } },
      ])
    },
    MINUTE,
  )
})

test('the metrics of the conventions are there, and those of the library', async () => {
  const client = await open()
  const { queue } = await published(client)
  await errorOf(client.basicPublish('no-such-exchange', 'key', 'x'))
  const consumer = client.basicConsume(queue)
  await consumer.forEach(() => void consumer.cancel())
  await reader.forceFlush()
  const metrics =
    exporter
      .getMetrics()
      .at(-1)
      ?.scopeMetrics.flatMap(scope => scope.metrics) ?? []
  const byName = new Map(metrics.map(metric => [metric.descriptor.name, metric]))
  expect([...byName.keys()].sort()).toEqual([
    'messaging.client.consumed.messages',
    'messaging.client.operation.duration',
    'messaging.client.sent.messages',
    'messaging.process.duration',
    'puka_amqp.publishes.in_flight',
    'puka_amqp.reconnects',
  ])
  const sent = byName.get('messaging.client.sent.messages')?.dataPoints ?? []
  expect(sent.map(({ attributes }) => attributes)).toContainEqual(
    expect.objectContaining({ 'messaging.destination.name': queue, 'messaging.system': 'rabbitmq' }),
  )
  expect(sent.map(({ attributes }) => attributes['error.type'])).toContain('NOT_FOUND')
  // What is different for each message would make a series for each.
  for (const { attributes } of sent) expect(Object.keys(attributes)).not.toContain('messaging.message.id')
})

test('nothing is traced any more when it is ended', async () => {
  stop()
  const client = await open()
  const { queue } = await published(client)
  expect(spansOf('publish ')).toEqual([])
  expect((await client.basicGet(queue, { noAck: true }))?.headers).toEqual({})
  stop = instrument({ tracerProvider, meterProvider })
})
