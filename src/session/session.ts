/**
 * Owns the work on one live connection: operation lanes, getting, subscriptions, and the publisher that writes on it for
 * as long as it lasts. Knows nothing of reconnecting.
 */
import type { AmqpError, ConnectionClosedError, ErrorContext } from '../errors.js'
import type { ServerInfo } from '../options.js'
import type { Channel, ChannelOwner, Reply } from './channel.js'
import type { SessionConfig } from './config.js'
import { Connection, type ConnectionEvents } from './connection.js'
import { Getter } from './getter.js'
import { Lanes } from './lanes.js'
import type { Metrics } from './metrics.js'
import { type Publisher, RESERVED_CHANNELS } from './publisher.js'
import type { Request } from './request.js'
import type { Settler } from './settlement.js'
import { Subscription, type SubscriptionPlan, type SubscriptionSink } from './subscription.js'
import type { Outcome } from './ticket.js'

/** What a session tells whoever opened it. */
export interface SessionEvents {
  onBlocked(reason: string): void
  onUnblocked(): void
  /** The session ended. `blamed` are the requests that the broker may mean, where it named a method. */
  onEnd(reason: AmqpError, blamed: readonly ErrorContext[]): void
}

export class Session {
  readonly #connection: Connection
  readonly #lanes: Lanes
  readonly #getter: Getter
  #publisher: Publisher | undefined
  #blocked = false

  private constructor(connection: Connection, config: SessionConfig) {
    this.#connection = connection
    this.#lanes = new Lanes(this, config.operationConcurrency, config.maxPendingOperations)
    this.#getter = new Getter({
      outbox: connection.outbox,
      lanes: this.#lanes,
      openChannel: o => this.openChannel(o),
    })
  }

  /** Connects; rejects with an error that says what went wrong, and then nothing is left open. */
  static async open(
    config: SessionConfig,
    events: SessionEvents,
    signal: AbortSignal,
    metrics: Metrics,
  ): Promise<Session> {
    let session: Session | undefined
    const connectionEvents: ConnectionEvents = {
      onBlocked: reason => {
        session?.setBlocked(true)
        events.onBlocked(reason)
      },
      onUnblocked: () => {
        session?.setBlocked(false)
        events.onUnblocked()
      },
      onWritable: () => session?.onWritable(),
      onEnd: (reason, blamed) => {
        session?.onConnectionEnd(reason)
        events.onEnd(reason, blamed)
      },
    }
    const connection = await Connection.open(config, RESERVED_CHANNELS, connectionEvents, signal, metrics)
    session = new Session(connection, config)
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

  /** Lets a publisher write on this connection, as long as that lasts. */
  startPublishing(publisher: Publisher): void {
    const { outbox, info } = this.#connection
    this.#publisher = publisher
    if (this.#blocked) publisher.block()
    publisher.attach({
      outbox,
      info,
      openChannel: (owner, reserved) => this.#connection.openChannel(owner, reserved),
    })
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

  /** Ends the connection in good order: everything outstanding ends with `reason`, what was written leaves. */
  close(reason: ConnectionClosedError): Promise<void> {
    return this.#connection.close(reason)
  }

  /** Gives the broker a new secret. */
  updateSecret(newSecret: string, reason: string): Promise<void> {
    return this.#connection.updateSecret(newSecret, reason)
  }

  setBlocked(blocked: boolean): void {
    this.#blocked = blocked
    if (blocked) this.#publisher?.block()
    else this.#publisher?.unblock()
  }

  onWritable(): void {
    this.#publisher?.onWritable()
  }

  onConnectionEnd(reason: AmqpError): void {
    this.#lanes.end()
    this.#publisher?.detach(reason)
  }
}
