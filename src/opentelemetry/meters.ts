/** Owns the metrics (OpenTelemetry, "Semantic Conventions for Messaging Metrics"), and two of the library's own. */
import type { Attributes, Meter } from '@opentelemetry/api'
import type { Client } from '../index.js'
import { errorType, serverAttributes } from './attributes.js'

/** As the conventions advise, in seconds. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** What would make too many series, or is none of a metric's. */
const SPAN_ONLY =
  /^messaging\.(message\.|rabbitmq\.message\.|rabbitmq\.destination\.routing_key$|operation\.type$)/

export class Meters {
  readonly #meter: Meter
  readonly #operationDuration
  readonly #processDuration
  readonly #sent
  readonly #consumed
  /** Those that have connected; a client that is closed counts no more. */
  readonly #clients = new Set<Client>()

  constructor(meter: Meter) {
    this.#meter = meter
    const advice = { explicitBucketBoundaries: BOUNDARIES }
    this.#operationDuration = meter.createHistogram('messaging.client.operation.duration', {
      unit: 's',
      advice,
      description: 'Duration of a publish, a get, or a settlement',
    })
    this.#processDuration = meter.createHistogram('messaging.process.duration', {
      unit: 's',
      advice,
      description: 'Duration of a handler',
    })
    this.#sent = meter.createCounter('messaging.client.sent.messages', {
      unit: '{message}',
      description: 'Messages that were published',
    })
    this.#consumed = meter.createCounter('messaging.client.consumed.messages', {
      unit: '{message}',
      description: 'Messages that were handed to a loop, a handler, or a get',
    })
  }

  /** Begins to watch what the clients count themselves. Returns how to end that. */
  observe(): () => void {
    const inFlight = this.#meter.createObservableUpDownCounter('puka_amqp.publishes.in_flight', {
      unit: '{message}',
      description: 'Publishes that are neither confirmed nor failed',
    })
    const reconnects = this.#meter.createObservableCounter('puka_amqp.reconnects', {
      unit: '{reconnect}',
      description: 'Successful reconnects',
    })
    const count = (metric: 'pendingPublishes' | 'reconnects'): number =>
      [...this.#clients].reduce((sum, client) => sum + client.metrics()[metric], 0)
    const observeInFlight = (result: { observe(value: number): void }): void =>
      result.observe(count('pendingPublishes'))
    const observeReconnects = (result: { observe(value: number): void }): void =>
      result.observe(count('reconnects'))
    inFlight.addCallback(observeInFlight)
    reconnects.addCallback(observeReconnects)
    return () => {
      inFlight.removeCallback(observeInFlight)
      reconnects.removeCallback(observeReconnects)
    }
  }

  /** A client connects. */
  watch(client: Client): void {
    this.#clients.add(client)
    void client.closed.then(() => this.#clients.delete(client))
  }

  published(seconds: number, attributes: Attributes, error: unknown): void {
    const all = metricAttributes(attributes, error)
    this.#operationDuration.record(seconds, all)
    this.#sent.add(1, all)
  }

  /** A get has ended. */
  got(seconds: number, client: Client, attributes: Attributes, error: unknown, count: number): void {
    const all = metricAttributes({ ...attributes, ...serverAttributes(client) }, error)
    this.#operationDuration.record(seconds, all)
    if (count > 0) this.#consumed.add(count, all)
  }

  settled(seconds: number, attributes: Attributes, error: unknown): void {
    this.#operationDuration.record(seconds, metricAttributes(attributes, error))
  }

  consumed(attributes: Attributes): void {
    this.#consumed.add(1, metricAttributes(attributes, undefined))
  }

  processed(seconds: number, attributes: Attributes, error: unknown): void {
    const all = metricAttributes(attributes, error)
    this.#processDuration.record(seconds, all)
    this.#consumed.add(1, metricAttributes(attributes, undefined))
  }
}

function metricAttributes(attributes: Attributes, error: unknown): Attributes {
  const kept = Object.entries(attributes).filter(([name]) => !SPAN_ONLY.test(name))
  return { ...Object.fromEntries(kept), ...(error === undefined ? {} : { 'error.type': errorType(error) }) }
}
