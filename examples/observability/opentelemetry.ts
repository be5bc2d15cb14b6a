// Traces by OpenTelemetry. Run it with: npm run build && npx tsx examples/observability/opentelemetry.ts

import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

// The SDK of a service sets these up.
const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())

// #region instrument
import { connect } from 'puka-amqp'
import { extractContext, instrument } from 'puka-amqp/opentelemetry'

instrument() // once, after the SDK is set up

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await client.queueDeclare('example.traced')
await client.basicPublish('', 'example.traced', 'in a handler')
await client.basicPublish('', 'example.traced', 'in a loop')

// A handler of forEach runs within the context of the publish.
const consumer = client.basicConsume('example.traced', { prefetchCount: 1 })
await consumer.forEach(message => {
  console.log(message.text(), trace.getActiveSpan() !== undefined)
  void consumer.cancel()
})

// In a loop, say what belongs to the message.
for await (const message of client.basicConsume('example.traced')) {
  context.with(extractContext(message), () => {
    console.log(message.text(), trace.getSpanContext(context.active())?.isRemote)
  })
  message.ack()
  break
}
// #endregion

console.log(exporter.getFinishedSpans().map(({ name }) => name))
await client.queueDelete('example.traced')
await client.drain()
