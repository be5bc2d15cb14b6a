/**
 * Owns the work on one live connection, and on another for publishing: operation lanes, getting, subscriptions, and the
 * publisher that writes meanwhile. It lasts as long as both connections.
 */

import type { ServerInfo } from '../client-state.js'
import type { Channel, Reply } from '../connection/channel.js'
import { ChannelLimits } from '../connection/channel-limit.js'
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
import { isChannelLimit, isConnectionFault } from '../reply-codes.js'
import type { Outcome } from '../ticket.js'
import { type Deferred, defer } from '../util/promise.js'
import { tellAll } from '../util/tell-all.js'
import { GetChannels, type GetListener } from './get-channels.js'
import { Lanes } from './lanes.js'
import { type OpenSeparate, PublishingConnection, type PublishingHost } from './publishing-connection.js'
import type { Settler } from './settlement.js'
import { Subscription, type SubscriptionOwner } from './subscription.js'
import type { SubscriptionEvents, SubscriptionPlan } from './subscription-types.js'

/** What a session tells whoever opened it. Nothing of it is called before `connect` has resolved. */
export interface SessionEvents {
  onBlocked(reason: string): void
  onUnblocked(): void
  onEnd(loss: ConnectionLoss): void
}

/**
 * Opens another connection to the same host, with the credentials of the moment; `open` opens one with a configuration, in
 * the time that is left from `since` on.
 */
export type Renewal = (
  signal: AbortSignal,
  open: (config: ConnectionConfig, since: number) => Promise<Connection>,
) => Promise<Connection>

export class Session
  implements ConnectionEvents, PublishSession, PublishingHost, SubscriptionOwner, GetListener
{
  readonly #events: SessionEvents
  readonly #connection: Connection
  readonly #lanes: Lanes
  readonly #getting: GetChannels
  readonly #publishing: PublishingConnection
  readonly #subscriptions = new Set<Subscription>()
  #idle: Deferred<void> | undefined
  /** Why the session ends, if that is not its own connection's end. */
  #loss: AmqpError | undefined

  /** A session that is not connected yet. With `renew`, publishing has a connection of its own to the same host. */
  constructor(
    config: ConnectionConfig,
    events: SessionEvents,
    metrics: Metrics,
    renew?: Renewal,
    limits = new ChannelLimits(),
  ) {
    this.#events = events
    this.#connection = new Connection(config, RESERVED_CHANNELS, this, metrics, limits.session)
    this.#lanes = new Lanes(this.#connection, config.operationConcurrency, config.maxPendingOperations)
    this.#getting = new GetChannels(this.#connection, this.#lanes, this)
    const openSeparate: OpenSeparate | undefined =
      renew &&
      ((own, signal) =>
        renew(signal, async (renewed, since) => {
          const connection = new Connection(
            forPublishing(renewed),
            RESERVED_CHANNELS,
            own,
            metrics,
            limits.publishing,
          )
          await connection.connect(signal, since)
          return connection
        }))
    this.#publishing = new PublishingConnection(this.#connection, openSeparate, this)
  }

  /** As {@link Connection.connect}. */
  connect(signal: AbortSignal, since?: number): Promise<void> {
    return this.#connection.connect(signal, since)
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

  /** How many channels are open, over all connections. */
  get channels(): number {
    return this.#connection.channels + this.#publishing.ownChannels
  }

  /** How many messages were delivered or got, and are not settled. */
  get unsettled(): number {
    let sum = this.#getting.unsettled
    for (const { unacked } of this.#subscriptions) sum += unacked
    return sum
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

  /** The same, ahead of all that wait for their turn; `leave` is called when the lane is free again. */
  callNow<T>(outcome: Outcome<T>, request: Request, result: (reply: Reply) => T, leave: () => void): void {
    this.#lanes.runNow(outcome, request, result, leave)
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
    const subscription = new Subscription(this, this.#connection, plan, events)
    this.#subscriptions.add(subscription)
    return subscription
  }

  onSubscriptionGone(subscription: Subscription): void {
    this.#subscriptions.delete(subscription)
    this.#reportIdle()
  }

  /** Everything that was settled has reached the broker, and nothing got is unsettled. */
  get isIdle(): boolean {
    return this.#getting.unsettled === 0 && ![...this.#subscriptions].some(({ isClosing }) => isClosing)
  }

  /** Resolves when it is idle, or over. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    this.#idle ??= defer<void>()
    return this.#idle.promise
  }

  onGetsSettled(): void {
    this.#reportIdle()
  }

  /** Closes all connections gracefully: everything outstanding ends with `reason`, and what was written leaves. */
  async close(reason: ConnectionClosedError): Promise<void> {
    tellAll(this.#subscriptions, subscription => subscription.surrender())
    this.#getting.surrender()
    await Promise.all([this.#publishing.close(reason), this.#connection.close(reason)])
  }

  /** Gives the broker a new secret, on each connection that there is, or that is being made. */
  async updateSecret(newSecret: string, reason: string): Promise<void> {
    const done = this.#connection.updateSecret(newSecret, reason)
    const separate = this.#publishing.updateSecret(newSecret, reason)
    await Promise.all([done, separate])
    // It may have been begun meanwhile.
    if (separate === undefined) await this.#publishing.updateSecret(newSecret, reason)
  }

  #reportIdle(): void {
    if (this.#idle === undefined || !this.isIdle) return
    this.#idle.resolve()
    this.#idle = undefined
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

  giveWay(): Channel | undefined {
    return this.#lanes.giveWay() ?? this.#getting.giveWay()
  }

  onChannelFree(): void {
    this.#lanes.onChannelFree()
  }

  onEnd({ reason, blamed }: ConnectionLoss): void {
    this.#subscriptions.clear()
    this.#getting.end()
    this.#reportIdle()
    this.#publishing.end(reason)
    const loss = this.#loss ?? reason
    this.#events.onEnd({ reason: loss, blamed })
    // As with those on a channel, whoever repeats a request knows by now that this try of it is over.
    this.#lanes.end(loss)
  }

  /** An error in what was published is no fault of an operation: those end with ConnectionBrokenError instead. */
  onPublishingLost(reason: AmqpError): void {
    if (isChannelLimit(reason)) this.#connection.leaveRoom()
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
