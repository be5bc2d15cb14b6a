/** Owns what becomes of each trace of the library: its span, with its links and its parent, and its metrics. */
import { channel, type TracingChannelSubscribers, tracingChannel } from 'node:diagnostics_channel'
import {
  type Attributes,
  type Context,
  context,
  type Link,
  type MeterProvider,
  metrics,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import type {
  ConnectTrace,
  DeliverMessage,
  Message,
  OperationTrace,
  ProcessTrace,
  PublishTrace,
  SettleTrace,
} from '../index.js'
import {
  destinationOf,
  errorType,
  messageAttributes,
  operationAttributes,
  publishAttributes,
  serverAttributes,
} from './attributes.js'
import { Meters } from './meters.js'
import { extractContext, withContext } from './propagation.js'

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** Whose spans. @default the provider that is registered globally */
  tracerProvider?: TracerProvider
  /** Whose metrics. @default the provider that is registered globally */
  meterProvider?: MeterProvider
}

/** A call that is in progress. */
interface Running {
  readonly begin: number
  readonly attributes: Attributes
  readonly span: Span
}

const NAME = 'puka-amqp'

/**
 * Has every client of the process traced and measured by OpenTelemetry, as its conventions for messaging say: a span for each
 * publish, for each message that a loop or a get receives, and for each run of a handler of `forEach`. The context of a
 * publish goes with the message, in the headers `traceparent`, `tracestate` and `baggage`; the handler runs within it.
 *
 * Call it once, after the SDK is set up. Clients that were made before are traced, too.
 *
 * @returns a function that ends it
 *
 * @example
 * ```ts
 * import { instrument } from 'puka-amqp/opentelemetry'
 *
 * instrument()
 * ```
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  const tracer = (options.tracerProvider ?? trace).getTracer(NAME)
  const meters = new Meters((options.meterProvider ?? metrics).getMeter(NAME))
  const stops = [
    meters.observe(),
    subscribe<ConnectTrace>('connect', { start: ({ client }) => meters.watch(client) }),
    subscribe('publish', publishing(tracer, meters)),
    subscribe('process', processing(tracer, meters)),
    subscribe('operation', getting(tracer, meters)),
    subscribe('settle', settling(meters)),
    receiving(tracer, meters),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

type Handlers<T extends object> = Partial<TracingChannelSubscribers<T>>

function subscribe<T extends object>(name: string, handlers: Handlers<T>): () => void {
  const traced = tracingChannel<unknown, T>(`puka-amqp:${name}`)
  const all = handlers as TracingChannelSubscribers<T>
  traced.subscribe(all)
  return () => traced.unsubscribe(all)
}

function publishing(tracer: Tracer, meters: Meters): Handlers<PublishTrace> {
  const running = new WeakMap<object, Running>()
  return {
    start: message => {
      const attributes = publishAttributes(message)
      const name = `publish ${destinationOf(message.exchange, message.routingKey)}`
      const span = tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes })
      const { options } = message
      options.headers = withContext(options.headers, trace.setSpan(context.active(), span))
      running.set(message, { begin: performance.now(), attributes, span })
    },
    asyncEnd: message => {
      const run = running.get(message)
      if (run === undefined) return
      end(run.span, message.error)
      meters.published(secondsSince(run.begin), run.attributes, message.error)
    },
  }
}

function processing(tracer: Tracer, meters: Meters): Handlers<ProcessTrace> {
  const running = new WeakMap<object, Running>()
  return {
    start: process => {
      const { message } = process
      const sent = extractContext(message)
      const attributes = { ...operationAttributes('process', 'process'), ...messageAttributes(message) }
      const options = { kind: SpanKind.CONSUMER, attributes, links: linksTo(sent) }
      const span = tracer.startSpan(nameOf('process', message), options, sent)
      running.set(process, { begin: performance.now(), attributes, span })
      const within = trace.setSpan(sent, span)
      process.run = handler => context.with(within, handler)
    },
    asyncEnd: process => {
      const run = running.get(process)
      if (run === undefined) return
      end(run.span, process.error)
      meters.processed(secondsSince(run.begin), run.attributes, process.error)
    },
  }
}

/** A loop is handed a message: when it is done with that, nobody knows. */
function receiving(tracer: Tracer, meters: Meters): () => void {
  const onMessage = (told: unknown): void => {
    const { message } = told as DeliverMessage
    const attributes = { ...operationAttributes('consume', 'receive'), ...messageAttributes(message) }
    const links = linksTo(extractContext(message))
    tracer.startSpan(nameOf('consume', message), { kind: SpanKind.CLIENT, attributes, links }).end()
    meters.consumed(attributes)
  }
  const told = channel('puka-amqp:deliver')
  told.subscribe(onMessage)
  return () => told.unsubscribe(onMessage)
}

function getting(tracer: Tracer, meters: Meters): Handlers<OperationTrace> {
  const begins = new WeakMap<
    object,
    { readonly at: number; readonly time: number; readonly parent: Context }
  >()
  return {
    start: operation => {
      if (operation.operation !== 'basicGet') return
      begins.set(operation, { at: performance.now(), time: Date.now(), parent: context.active() })
    },
    asyncEnd: operation => {
      const begin = begins.get(operation)
      if (begin === undefined) return
      const { client, error } = operation
      const message = operation.result as Message | null | undefined
      const attributes = operationAttributes('get', 'receive')
      const all = {
        ...attributes,
        ...serverAttributes(client),
        ...(message ? messageAttributes(message) : {}),
      }
      const links = message ? linksTo(extractContext(message)) : []
      const name = message ? nameOf('get', message) : 'get'
      const options = { kind: SpanKind.CLIENT, attributes: all, links, startTime: begin.time }
      end(tracer.startSpan(name, options, begin.parent), error)
      meters.got(secondsSince(begin.at), client, attributes, error, message ? 1 : 0)
    },
  }
}

function settling(meters: Meters): Handlers<SettleTrace> {
  const begins = new WeakMap<object, number>()
  return {
    start: settle => {
      begins.set(settle, performance.now())
    },
    end: settle => {
      const seconds = secondsSince(begins.get(settle) ?? performance.now())
      meters.settled(seconds, operationAttributes(settle.kind, 'settle'), settle.error)
    },
  }
}

function nameOf(operation: string, { exchange, routingKey }: Message): string {
  return `${operation} ${destinationOf(exchange, routingKey)}`
}

/** The span of the publish, if the message tells of one. */
function linksTo(sent: Context): Link[] {
  const span = trace.getSpanContext(sent)
  return span?.isRemote === true ? [{ context: span }] : []
}

function end(span: Span, error: unknown): void {
  if (error !== undefined) {
    span.setAttribute('error.type', errorType(error))
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: error instanceof Error ? error.message : String(error),
    })
    if (error instanceof Error) span.recordException(error)
  }
  span.end()
}

function secondsSince(begin: number): number {
  return (performance.now() - begin) / 1000
}
