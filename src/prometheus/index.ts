/**
 * Owns the metrics of clients in the form of Prometheus. It is an entry of its own, `puka-amqp/prometheus`: whoever does not
 * import it needs no `prom-client`.
 */
import { Counter, register as defaultRegistry, Gauge, type Registry } from 'prom-client'
import { ArgumentError, type Client, type ClientMetrics } from '../index.js'

/** Options of {@link collectMetrics}. */
export interface CollectMetricsOptions {
  /** The registry of `prom-client` that the metrics are added to. @default the default registry of `prom-client` */
  registry?: Registry
  /** The value of the label `client`, which tells several clients of a process apart. @default 'default' */
  name?: string
}

/** What {@link ClientMetrics} only ever counts up, and the name and the text that Prometheus gets. */
const counters: readonly (readonly [keyof ClientMetrics, name: string, help: string])[] = [
  ['published', 'puka_amqp_published_total', 'Publishes that were accepted'],
  ['confirmed', 'puka_amqp_confirmed_total', 'Publishes that the broker confirmed'],
  ['nacked', 'puka_amqp_nacked_total', 'Publishes that the broker refused'],
  ['returned', 'puka_amqp_returned_total', 'Publishes that the broker returned'],
  ['resent', 'puka_amqp_resent_total', 'Publishes that were sent again'],
  ['lost', 'puka_amqp_lost_total', 'Publishes without a confirm that may not have reached the broker'],
  ['delivered', 'puka_amqp_delivered_total', 'Messages that were received'],
  ['settled', 'puka_amqp_settled_total', 'Messages that were acked, nacked or rejected'],
  ['staleSettlements', 'puka_amqp_stale_settlements_total', 'Messages that were settled too late'],
  ['reconnects', 'puka_amqp_reconnects_total', 'Successful reconnects'],
  ['bytesReceived', 'puka_amqp_received_bytes_total', 'Bytes read from the broker'],
  ['bytesSent', 'puka_amqp_sent_bytes_total', 'Bytes written to the broker'],
]

const gauges: readonly (readonly [name: string, help: string, read: (client: Client) => number])[] = [
  ['puka_amqp_open', '1 if the connection is open and the broker takes messages', ({ isOpen }) => +isOpen],
  ['puka_amqp_healthy', '1 if it is open and every consumer runs that should', ({ isHealthy }) => +isHealthy],
  gauge('pendingPublishes', 'puka_amqp_pending_publishes', 'Publishes that are neither confirmed nor failed'),
  gauge(
    'pendingPublishBytes',
    'puka_amqp_pending_publish_bytes',
    'The memory that pending publishes take up',
  ),
  gauge('pendingOperations', 'puka_amqp_pending_operations', 'Operations in progress or waiting'),
  gauge('unsettled', 'puka_amqp_unsettled_messages', 'Messages received and not settled'),
  gauge('consumers', 'puka_amqp_consumers', 'Consumers that have not ended'),
  gauge('channels', 'puka_amqp_channels', 'Open channels'),
]

function gauge(metric: keyof ClientMetrics, name: string, help: string): (typeof gauges)[number] {
  return [name, help, client => client.metrics()[metric]]
}

/** The clients of each registry, by the value of their label. A metric can be added to a registry only once. */
const clientsOf = new WeakMap<Registry, Map<string, Client>>()

/**
 * Adds the metrics of a client to a registry of `prom-client`, 15 or later: what {@link Client.metrics} counts, and whether
 * it is open and healthy. They are read whenever the registry is asked for its metrics, and cost nothing between.
 *
 * @returns a function that takes the client out again. Once the client is closed, that happens by itself
 * @throws an {@link ArgumentError} if the registry has another client of this name
 *
 * @example
 * ```ts
 * import { collectMetrics } from 'puka-amqp/prometheus'
 *
 * collectMetrics(client, { name: 'orders' })
 * ```
 */
export function collectMetrics(client: Client, options: CollectMetricsOptions = {}): () => void {
  const { registry = defaultRegistry, name = 'default' } = options
  if (typeof name !== 'string') throw new ArgumentError('collectMetrics: name must be a string')
  const clients = clientsOf.get(registry) ?? register(registry)
  if (clients.has(name)) {
    throw new ArgumentError(`collectMetrics: the registry has a client of the name '${name}' already`)
  }
  clients.set(name, client)
  const remove = (): void => {
    if (clients.get(name) === client) clients.delete(name)
  }
  void client.closed.then(remove)
  return remove
}

function register(registry: Registry): Map<string, Client> {
  const clients = new Map<string, Client>()
  const registers = [registry]
  const labelNames = ['client']
  for (const [metric, name, help] of counters) {
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [client, each] of clients) this.inc({ client }, each.metrics()[metric])
      },
    })
  }
  for (const [name, help, read] of gauges) {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [client, each] of clients) this.set({ client }, read(each))
      },
    })
  }
  clientsOf.set(registry, clients)
  return clients
}
