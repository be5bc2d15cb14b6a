/**
 * Owns the work on one live connection, and on another for publishing: operation lanes, getting, subscriptions, and the
 * publisher that writes for as long as both last. Knows nothing of reconnecting.
 */

import type { Channel, ChannelOwner, Reply } from '../connection/channel.js'
import { Connection, type ConnectionEvents } from '../connection/connection.js'
import type { ConnectionConfig } from '../connection/connection-config.js'
import type { Metrics } from '../connection/metrics.js'
import type { Request } from '../connection/request.js'
import {
  type AmqpError,
  ConnectionBrokenError,
  type ConnectionClosedError,
  type ErrorContext,
} from '../errors.js'
import type { ServerInfo } from '../options.js'
import { type Publisher, RESERVED_CHANNELS } from '../publishing/publisher.js'
import { isConnectionFault } from '../reply-codes.js'
import type { Outcome } from '../ticket.js'
import { unlessAborted } from '../util/abort.js'
import { GetChannels } from './get-channels.js'
import { Lanes } from './lanes.js'
import { PublishingConnection, type PublishingHome } from './publishing-connection.js'
import type { Settler } from './settlement.js'
import { Subscription, type SubscriptionPlan, type SubscriptionSink } from './subscription.js'

/** What a session tells whoever opened it. */
export interface SessionEvents {
  onBlocked(reason: string): void
  onUnblocked(): void
  /** The session ended. `blamed` are the requests that the broker may mean, where it named a method. */
  onEnd(reason: AmqpError, blamed: readonly ErrorContext[]): void
}

/** Gives a configuration anew, with the credentials of the moment. */
export type Renewal = (config: ConnectionConfig) => Promise<ConnectionConfig>

export class Session {
  readonly #connection: Connection
  readonly #events: SessionEvents
  readonly #lanes: Lanes
  readonly #getter: GetChannels
  readonly #publishing: PublishingConnection
  /** Why the session ends, where that is not its own connection's end. */
  #loss: AmqpError | undefined

  private constructor(
    connection: Connection,
    config: ConnectionConfig,
    events: SessionEvents,
    openAnother: PublishingHome['open'],
  ) {
    this.#connection = connection
    this.#events = events
    this.#lanes = new Lanes(this, config.operationConcurrency, config.maxPendingOperations)
    this.#getter = new GetChannels({
      outbox: connection.outbox,
      lanes: this.#lanes,
      openChannel: o => this.openChannel(o),
    })
    this.#publishing = new PublishingConnection({
      shared: connection,
      open: openAnother,
      onBlocked: reason => events.onBlocked(reason),
      onUnblocked: () => events.onUnblocked(),
      onLost: reason => this.#onPublishingLost(reason),
    })
  }

  /**
   * Connects; rejects with an error that says what went wrong, and then nothing is left open. With `renew`, publishing
   * has a connection of its own to the same host.
   */
  static async open(
    config: ConnectionConfig,
    events: SessionEvents,
    signal: AbortSignal,
    metrics: Metrics,
    renew?: Renewal,
  ): Promise<Session> {
    let session: Session | undefined
    const connectionEvents: ConnectionEvents = {
      onBlocked: reason => {
        session?.onBlocked(true)
        events.onBlocked(reason)
      },
      onUnblocked: () => {
        session?.onBlocked(false)
        events.onUnblocked()
      },
      onWritable: () => session?.onWritable(),
      onEnd: (reason, blamed) => session?.onConnectionEnd(reason, blamed),
    }
    const connection = await Connection.open(config, RESERVED_CHANNELS, connectionEvents, signal, metrics)
    const openAnother: PublishingHome['open'] =
      renew &&
      (async (own, over) => {
        const renewed = forPublishing(await unlessAborted(renew(config), over))
        return Connection.open(renewed, RESERVED_CHANNELS, own, over, metrics)
      })
    session = new Session(connection, config, events, openAnother)
    return session
  }

  /** What the broker says of itself. */
  get info(): ServerInfo {
    return this.#connection.info
  }

  /** Why nothing can be done any more; undefined while it can. */
  get endReason(): AmqpError | undefined {
    return this.#connection.endReason
  }

  /** The limit on a frame, as negotiated; 0 means none. */
  get frameMax(): number {
    return this.#connection.outbox.frameMax
  }

  /** How many operations wait for a lane. */
  get waiting(): number {
    return this.#lanes.waiting
  }

  /** There is going to be something to publish: its connection can be made. */
  preparePublishing(): void {
    this.#publishing.prepare()
  }

  /** Lets a publisher write, as long as the session lasts. */
  startPublishing(publisher: Publisher): void {
    this.#publishing.start(publisher)
  }

  /** Makes a request on a lane of its own. */
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
    this.#getter.get(queue, outcome, request, result)
  }

  /** Begins to consume. Throws {@link ArgumentError} where AMQP cannot carry the plan. */
  subscribe(plan: SubscriptionPlan, sink: SubscriptionSink): Subscription {
    return new Subscription(
      { outbox: this.#connection.outbox, openChannel: o => this.openChannel(o) },
      plan,
      sink,
    )
  }

  openChannel(owner: ChannelOwner): Channel {
    return this.#connection.openChannel(owner)
  }

  /** Ends all connections in good order: everything outstanding ends with `reason`, what was written leaves. */
  async close(reason: ConnectionClosedError): Promise<void> {
    await Promise.all([this.#publishing.close(reason), this.#connection.close(reason)])
  }

  /** Gives the broker a new secret. */
  async updateSecret(newSecret: string, reason: string): Promise<void> {
    const done = this.#connection.updateSecret(newSecret, reason)
    await Promise.all([done, this.#publishing.updateSecret(newSecret, reason)])
  }

  onBlocked(blocked: boolean): void {
    this.#publishing.setBlocked(blocked)
  }

  onWritable(): void {
    this.#publishing.onWritable()
  }

  onConnectionEnd(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    this.#lanes.end()
    this.#publishing.end(reason)
    this.#events.onEnd(this.#loss ?? reason, blamed)
  }

  /** An error in what was published is no fault of anything on this connection, so that is not told of it. */
  #onPublishingLost(reason: AmqpError): void {
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
