/**
 * Owns publishing, over all the connections of a client: which of the two publishing channels a message takes, and the
 * connection that both are on.
 */
import type { Metrics } from '../connection/metrics.js'
import type { ConnectionLoss } from '../operation-errors.js'
import type { OperationOptions } from '../options.js'
import type { TicketCounter } from '../ticket.js'
import { takeAll } from '../util/tell-all.js'
import { withConfirms } from './confirmed-publishing.js'
import type { MissingRoutes } from './held-publishes.js'
import type { OutgoingMessage } from './message-envelope.js'
import { PublishBudget } from './publish-budget.js'
import { PublishBuffer } from './publish-buffer.js'
import type { PublishConnection, PublishEvents, PublishKind } from './publish-channel.js'
import { withoutConfirms } from './unconfirmed-channel.js'

const CONFIRMED_CHANNEL = 1
const UNCONFIRMED_CHANNEL = 2
/** So many channel numbers belong to publishing. */
export const RESERVED_CHANNELS = 2

/** How much may be pending. */
export interface PublishLimits {
  readonly maxPendingPublishes: number
  readonly maxPendingPublishBytes: number
  /** None waits for a connection: those in flight end with the one that they are on. @default false */
  readonly failsOffline?: boolean
}

/** What a publisher needs of a session. */
export interface PublishSession {
  /** Opens the connection for publishing, if it is not there yet. */
  preparePublishing(): void
  /** Publishing begins on this session: the listener is told of the connection as soon as there is one. */
  startPublishing(listener: PublishConnectionListener): void
}

/** What a publisher is told of the connection that it publishes on. */
export interface PublishConnectionListener {
  /** There is a connection to publish on. */
  onConnection(connection: PublishConnection): void
  /** The connection takes more: it is not congested, or not blocked, any more. */
  onWritable(): void
}

export class Publisher implements PublishConnectionListener {
  readonly #confirmed: PublishBuffer
  readonly #unconfirmed: PublishBuffer
  readonly #budget: PublishBudget
  /** Where messages do not arrive yet. */
  readonly #missing: () => MissingRoutes | undefined
  /** A session that opens its connection for publishing as soon as there is anything to publish. */
  #unprepared: PublishSession | undefined

  constructor(
    counter: TicketCounter,
    { maxPendingPublishes, maxPendingPublishBytes, failsOffline = false }: PublishLimits,
    metrics: Metrics,
    events: PublishEvents,
    missing: () => MissingRoutes | undefined = () => undefined,
  ) {
    this.#missing = missing
    this.#budget = new PublishBudget(maxPendingPublishes, maxPendingPublishBytes)
    const bufferOf = (kind: PublishKind): PublishBuffer =>
      new PublishBuffer(kind, counter, this.#budget, metrics, events, failsOffline)
    this.#confirmed = bufferOf(withConfirms(CONFIRMED_CHANNEL))
    this.#unconfirmed = bufferOf(withoutConfirms(UNCONFIRMED_CHANNEL))
  }

  /** How many publishes are pending, and how many bytes they are. */
  get pending(): { readonly count: number; readonly bytes: number } {
    return this.#budget.pending
  }

  /** No more publishes may be pending: the next one is refused. */
  get full(): boolean {
    return this.#budget.full
  }

  /** Resolves when another publish may be pending. */
  room(): Promise<void> {
    return this.#budget.room()
  }

  /** Publishes; never throws, but rejects. */
  publish(message: OutgoingMessage, confirm: boolean, options: OperationOptions): Promise<void> {
    if (this.#unprepared !== undefined) this.#prepare()
    return confirm ? this.#confirmed.publish(message, options) : this.#unconfirmed.publish(message, options)
  }

  /** This client deleted an exchange. */
  exchangeDeleted(exchange: string): void {
    this.#confirmed.exchangeDeleted(exchange)
    this.#unconfirmed.exchangeDeleted(exchange)
  }

  /** The connection for publishing can be made while others come back on the session. */
  prepare(session: PublishSession): void {
    if (this.#budget.pending.count > 0) session.preparePublishing()
  }

  attach(session: PublishSession): undefined {
    this.onMissing()
    this.#unprepared = session
    session.startPublishing(this)
    if (this.#budget.pending.count > 0) this.#prepare()
  }

  onConnection(connection: PublishConnection): void {
    this.#unprepared = undefined
    this.#confirmed.attach(connection)
    this.#unconfirmed.attach(connection)
  }

  /** What is missing of the topology has changed: what waits for it may go on. */
  onMissing(): void {
    const missing = this.#missing()
    this.#confirmed.onMissing(missing)
    this.#unconfirmed.onMissing(missing)
  }

  onWritable(): void {
    this.#confirmed.writePending()
    this.#unconfirmed.writePending()
  }

  detach({ reason }: ConnectionLoss): void {
    this.#unprepared = undefined
    takeAll(
      () => this.#confirmed.detach(reason),
      () => this.#unconfirmed.detach(reason),
    )
  }

  end({ reason }: ConnectionLoss): void {
    this.#unprepared = undefined
    takeAll(
      () => this.#confirmed.end(reason),
      () => this.#unconfirmed.end(reason),
    )
  }

  /** Resolves when no publish is pending, whatever became of them, and the broker has read them all. */
  async idle(): Promise<void> {
    await this.#budget.empty()
    await this.#unconfirmed.sync()
  }

  #prepare(): void {
    const session = this.#unprepared
    this.#unprepared = undefined
    session?.preparePublishing()
  }
}
