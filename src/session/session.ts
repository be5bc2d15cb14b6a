/**
 * Owns the work on one live connection, and on another for publishing: operation lanes, getting, subscriptions, and the
 * publisher that writes meanwhile. It lasts as long as both connections.
 */

import type { ServerInfo } from '../client-state.js'
import type { Reply } from '../connection/channel.js'
import { Connection, type ConnectionEvents } from '../connection/connection.js'
import type { ConnectionConfig } from '../connection/connection-config.js'
import type { Metrics } from '../connection/metrics.js'
import type { Request } from '../connection/request.js'
import { type AmqpError, ConnectionBrokenError, type ConnectionClosedError } from '../errors.js'
import type { ConnectionLoss } from '../operation-errors.js'
import {
  type PublishConnectionListener,
  type PublishSession,
  RESERVED_CHANNELS,
} from '../publishing/publisher.js'
import { isConnectionFault } from '../reply-codes.js'
import type { Outcome } from '../ticket.js'
import { unlessAborted } from '../util/abort.js'
import { GetChannels } from './get-channels.js'
import { Lanes } from './lanes.js'
import { type OpenSeparate, PublishingConnection, type PublishingHost } from './publishing-connection.js'
import type { Settler } from './settlement.js'
import { Subscription, type SubscriptionEvents, type SubscriptionPlan } from './subscription.js'

/** What a session tells whoever opened it. Nothing of it is called before `connect` has resolved. */
export interface SessionEvents {
  onBlocked(reason: string): void
  onUnblocked(): void
  onEnd(loss: ConnectionLoss): void
}

/** Gives a configuration anew, with the credentials of the moment. */
export type Renewal = (config: ConnectionConfig) => Promise<ConnectionConfig>

export class Session implements ConnectionEvents, PublishSession, PublishingHost {
  readonly #events: SessionEvents
  readonly #connection: Connection
  readonly #lanes: Lanes
  readonly #getting: GetChannels
  readonly #publishing: PublishingConnection
  /** Why the session ends, if that is not its own connection's end. */
  #loss: AmqpError | undefined

  /** A session that is not connected yet. With `renew`, publishing has a connection of its own to the same host. */
  constructor(config: ConnectionConfig, events: SessionEvents, metrics: Metrics, renew?: Renewal) {
    this.#events = events
    this.#connection = new Connection(config, RESERVED_CHANNELS, this, metrics)
    this.#lanes = new Lanes(this.#connection, config.operationConcurrency, config.maxPendingOperations)
    this.#getting = new GetChannels(this.#connection, this.#lanes)
    const openSeparate: OpenSeparate | undefined =
      renew &&
      (async (own, signal) => {
        const renewed = forPublishing(await unlessAborted(renew(config), signal))
        const connection = new Connection(renewed, RESERVED_CHANNELS, own, metrics)
        await connection.connect(signal)
        return connection
      })
    this.#publishing = new PublishingConnection(this.#connection, openSeparate, this)
  }

  /** Connects, once. Rejects with an error that says what went wrong; then nothing is left open. */
  connect(signal: AbortSignal): Promise<void> {
    return this.#connection.connect(signal)
  }

  /** What the broker says of itself. */
  get info(): ServerInfo {
    return this.#connection.info
  }

  /** The broker's reason not to take publishes for now. */
  get blocked(): string | undefined {
    return this.#publishing.blocked
  }

  /** Why nothing can be done any more; undefined while it can. */
  get endReason(): AmqpError | undefined {
    return this.#connection.endReason
  }

  /** The limit on a frame, as negotiated; 0 means none. */
  get frameMax(): number {
    return this.#connection.outbox.frameMax
  }

  preparePublishing(): void {
    this.#publishing.prepare()
  }

  startPublishing(listener: PublishConnectionListener): void {
    this.#publishing.start(listener)
  }

  /** Makes a request on a lane. */
  call<T>(outcome: Outcome<T>, request: Request, result: (reply: Reply) => T): void {
    this.#lanes.run(outcome, request, result)
  }

  /** Gets a message that is to be settled, by a request of basic.get for that queue. */
  get<T>(
    outcome: Outcome<T>,
    queue: string,
    request: Request,
    result: (reply: Reply, settler: Settler) => T,
  ): void {
    this.#getting.get(queue, outcome, request, result)
  }

  /** Begins to consume. Throws {@link ArgumentError} if AMQP cannot carry the plan. */
  subscribe(plan: SubscriptionPlan, events: SubscriptionEvents): Subscription {
    return new Subscription(this.#connection, plan, events)
  }

  /** Closes all connections gracefully: everything outstanding ends with `reason`, and what was written leaves. */
  async close(reason: ConnectionClosedError): Promise<void> {
    await Promise.all([this.#publishing.close(reason), this.#connection.close(reason)])
  }

  /** Gives the broker a new secret. */
  async updateSecret(newSecret: string, reason: string): Promise<void> {
    const done = this.#connection.updateSecret(newSecret, reason)
    await Promise.all([done, this.#publishing.updateSecret(newSecret, reason)])
  }

  /** Of two connections, the one that publishes counts. */
  onBlocked(reason: string): void {
    if (this.blocked !== undefined) this.#events.onBlocked(reason)
  }

  onUnblocked(): void {
    if (this.blocked !== undefined) return
    this.#publishing.onWritable()
    this.#events.onUnblocked()
  }

  onWritable(): void {
    this.#publishing.onWritable()
  }

  onEnd({ reason, blamed }: ConnectionLoss): void {
    this.#lanes.end()
    this.#publishing.end(reason)
    this.#events.onEnd({ reason: this.#loss ?? reason, blamed })
  }

  /** An error in what was published is no fault of an operation: those end with ConnectionBrokenError instead. */
  onPublishingLost(reason: AmqpError): void {
    if (!isConnectionFault(reason)) {
      this.#connection.drop(reason)
      return
    }
    const message = `the connection for publishing was lost: ${reason.message}`
    this.#loss = new ConnectionBrokenError(message, { cause: reason })
    this.#connection.drop(new ConnectionBrokenError(message))
  }
}

/** So that the two connections can be told apart in RabbitMQ's management pages. */
function forPublishing(config: ConnectionConfig): ConnectionConfig {
  const { connection_name: name } = config.clientProperties
  if (typeof name !== 'string') return config
  const clientProperties = { ...config.clientProperties, connection_name: `${name} (publishing)` }
  return { ...config, clientProperties }
}
