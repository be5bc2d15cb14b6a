/**
 * Owns the parts of a client without their facade, for unit tests: connected to hosts in memory, with consumers that a
 * test plays, what it was told, in order, and waiting until it was told it. Knows nothing of what a test wants.
 */

import type { ClientOptions, UrlSource } from '../../../src/client-options.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { ConnectionClosedError } from '../../../src/errors.js'
import type { OperationOptions } from '../../../src/options.js'
import type { OutgoingMessage } from '../../../src/publishing/message-envelope.js'
import { Publisher } from '../../../src/publishing/publisher.js'
import { Operations, type OperationTask } from '../../../src/recovery/operations.js'
import type { Recoverable } from '../../../src/recovery/recoverable.js'
import { RecoveringConnection } from '../../../src/recovery/recovering-connection.js'
import { TopologyRecovery } from '../../../src/recovery/topology-recovery.js'
import type { Session } from '../../../src/session/session.js'
import { TicketCounter } from '../../../src/ticket.js'
import type { TransportFactory } from '../../../src/transport-types.js'
import { PeerHosts } from './peer-hosts.js'

export class BareClient {
  /** What it was told, in order. */
  readonly told: string[] = []
  /** What is to be done when consumers are to come back. */
  onResume: () => Promise<void> | undefined = () => undefined
  readonly topology: TopologyRecovery
  /** The last session that it was attached to. */
  session: Session | undefined
  readonly #metrics = new Metrics()
  readonly #publisher: Publisher
  readonly #operations: Operations
  readonly #connection: RecoveringConnection
  readonly #waiting = new Set<() => void>()

  constructor(source: UrlSource, transport: TransportFactory, options: ClientOptions = {}) {
    const all = { transport, heartbeat: 0, ...options }
    const limits = resolveConfig(undefined, all)
    const counter = new TicketCounter()
    const failsOffline = options.whileOffline === 'fail'
    const tell = (text: string): void => this.#tell(text)
    this.topology = new TopologyRecovery(counter, () => this.#connection.patience, {
      onQueueRenamed: (from, to) => tell(`renamed ${from} ${to}`),
      onTopologyError: ({ kind, name }, error) => tell(`topology ${kind} ${name} ${error.name}`),
      onTopologyDelayed: ({ kind, name }) => tell(`delayed ${kind} ${name}`),
      onLateRestored: () => this.#publisher.onMissing(),
    })
    this.#publisher = new Publisher(
      counter,
      { ...limits, failsOffline },
      this.#metrics,
      {
        onReturned: ({ message }) => tell(`returned ${message.body}`),
        onLost: count => tell(`lost ${count}`),
      },
      () => this.topology.missing,
    )
    this.#operations = new Operations(counter, {
      maxWaiting: limits.maxPendingOperations,
      failsOffline,
      pending: names => this.topology.pending(names),
    })
    const { grace } = this.topology
    const parts = [this.topology, this.#consumers(), grace, this.#publisher, this.#operations]
    this.#connection = new RecoveringConnection(source, all, limits.frameMax, this.#metrics, parts, {
      onConnect: ({ host }) => tell(`connect ${host}`),
      onDisconnect: error => tell(`disconnect ${error.name}`),
      onReconnecting: ({ attempt, host }) => tell(`reconnecting ${attempt} ${host}`),
      onRecovered: ({ host }) => tell(`recovered ${host}`),
      onBlocked: reason => tell(`blocked ${reason}`),
      onUnblocked: () => tell('unblocked'),
    })
  }

  get state() {
    return this.#connection.state
  }

  get closed(): Promise<void> {
    return this.#connection.closed
  }

  get isAlive(): boolean {
    return this.#connection.isAlive
  }

  get metrics() {
    return { ...this.#metrics, pendingPublishes: this.#publisher.pending.count }
  }

  /** Resolves when it was told this so often since it was made. */
  heard(text: string, times = 1): Promise<void> {
    return new Promise(resolve => {
      const look = (): void => {
        if (this.told.filter(one => one === text).length < times) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  connect() {
    return this.#connection.connect()
  }

  close(reason: ConnectionClosedError): Promise<void> {
    return this.#connection.close(reason)
  }

  check(operation: string): void {
    this.#connection.check(operation)
  }

  updateSecret(newSecret: string, reason: string): Promise<void> {
    return this.#connection.updateSecret(newSecret, reason)
  }

  publish(message: OutgoingMessage, confirm: boolean, options: OperationOptions): Promise<void> {
    this.check('basicPublish')
    return this.#publisher.publish(message, confirm, options)
  }

  perform<T>(operation: string, options: OperationOptions, task: OperationTask<T>): Promise<T> {
    this.check(operation)
    return this.#operations.perform(operation, options, task)
  }

  /** Puts a queue on the record of topology. */
  declared(queue: string): void {
    const args = { queue, passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
    this.topology.record.queueDeclared({ ...args, arguments: {} }, queue)
  }

  #consumers(): Recoverable {
    return {
      attach: session => {
        this.session = session
        if (this.told.length === 0) return undefined
        this.#tell('resume consumers')
        return this.onResume()
      },
      detach: () => undefined,
      end: ({ reason }) => {
        if (!(reason instanceof ConnectionClosedError)) this.#tell(`given up ${reason.name}`)
      },
      idle: () => Promise.resolve(),
    }
  }

  #tell(text: string): void {
    this.told.push(text)
    for (const look of this.#waiting) look()
  }
}

const OVER = new ConnectionClosedError('over')
const clients: BareClient[] = []

/** A bare client that is connected, and the peer that it is connected to. Call {@link closeBareClients} after each test. */
export async function connectedBareClient(options: ClientOptions = {}, source: UrlSource = 'amqp://a') {
  const hosts = new PeerHosts()
  const client = new BareClient(source, hosts.transport, { recovery: { initialDelay: 0 }, ...options })
  clients.push(client)
  await client.connect()
  const peer = await hosts.next()
  const heard = (text: string, times?: number): Promise<void> => client.heard(text, times)
  return { client, told: client.told, heard, hosts, peer }
}

export async function closeBareClients(): Promise<void> {
  await Promise.all(clients.splice(0).map(client => client.close(OVER)))
}
