/**
 * A process that consumes with OpenTelemetry set up, for tests of traces that lead from one process to another: it handles messages
 * of the queue that it is given until one says 'stop', and prints its spans. It uses the built package.
 */
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { connect } from 'puka-amqp'
import { instrument } from 'puka-amqp/opentelemetry'

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(
  new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
)
instrument()

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
const consumer = client.basicConsume(process.argv[2] ?? '', { prefetchCount: 1 })
const baggage: (string | undefined)[] = []
await consumer.forEach(
  async message => {
    if (message.text() === 'stop') {
      void consumer.cancel()
      return
    }
    // It is asynchronous, as handlers are: the context has to last.
    await client.queueDeclare(message.routingKey, { passive: true })
    baggage.push(propagation.getActiveBaggage()?.getEntry('tenant')?.value)
    trace.getTracer('work').startSpan('work').end()
    if (message.text() === 'bad') throw new RangeError('a bad message')
  },
  { requeue: false },
)
await client.drain()
const spans = exporter.getFinishedSpans().map(span => ({
  name: span.name,
  kind: span.kind,
  attributes: span.attributes,
  status: span.status,
  context: span.spanContext(),
  parent: span.parentSpanContext,
  links: span.links.map(link => link.context),
}))
console.log(JSON.stringify({ spans, baggage }))
