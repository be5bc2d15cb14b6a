/**
 * Owns the choice of the connection that a session publishes on. RabbitMQ reads nothing more from a connection that
 * publishes while it is short of memory or disk, so publishing has one of its own, opened with the first publish:
 * everything else goes on then. Where none is wanted, or none to be had, it shares the session's.
 */

import type { Connection, ConnectionEvents } from '../connection/connection.js'
import { debugConnection } from '../debug.js'
import { type AmqpError, ConnectionBrokenError, type ConnectionClosedError } from '../errors.js'
import type { Publisher } from '../publishing/publisher.js'
import { isConnectionFault } from '../reply-codes.js'

/** What it needs of its session. */
export interface PublishingHome {
  /** The session's own connection. */
  readonly shared: Connection
  /** Opens another; undefined where the session's is to be used. */
  readonly open: ((events: ConnectionEvents, signal: AbortSignal) => Promise<Connection>) | undefined
  onBlocked(reason: string): void
  onUnblocked(): void
  /** It is lost, and so is the session. */
  onLost(reason: AmqpError): void
}

export class PublishingConnection {
  readonly #home: PublishingHome
  readonly #over = new AbortController()
  #publisher: Publisher | undefined
  #own: Connection | undefined
  /** The connection to publish on, as soon as that is decided. */
  #chosen: Connection | undefined
  #opening: Promise<void> | undefined
  #blocked = false

  constructor(home: PublishingHome) {
    this.#home = home
  }

  /** There is going to be something to publish. */
  prepare(): void {
    this.#opening ??= this.#open()
  }

  /** Lets a publisher write, as long as the session lasts. */
  start(publisher: Publisher): void {
    this.#publisher = publisher
    if (this.#blocked) publisher.block()
    if (this.#chosen !== undefined) this.#attach(this.#chosen)
    else publisher.onDemand(() => this.prepare())
  }

  /** The broker asks the shared connection, or the one for publishing, not to publish; or takes that back. */
  setBlocked(blocked: boolean): void {
    this.#blocked = blocked
    if (blocked) this.#publisher?.block()
    else this.#publisher?.unblock()
  }

  onWritable(): void {
    this.#publisher?.onWritable()
  }

  /** The session's own connection has ended. */
  end(reason: AmqpError): void {
    this.#over.abort(reason)
    const own = this.#own
    this.#own = undefined
    // What is published on a connection of its own has no part in an error of the other one.
    const told =
      own !== undefined && isConnectionFault(reason) ? new ConnectionBrokenError(reason.message) : reason
    own?.drop(told)
    this.#publisher?.detach(told)
  }

  /** Ends it in good order. */
  async close(reason: ConnectionClosedError): Promise<void> {
    this.#over.abort(reason)
    await Promise.all([this.#own?.close(reason), this.#opening])
  }

  async updateSecret(newSecret: string, reason: string): Promise<void> {
    await this.#own?.updateSecret(newSecret, reason)
  }

  async #open(): Promise<void> {
    const { open } = this.#home
    if (open === undefined) return this.#choose(this.#home.shared)
    const { signal } = this.#over
    const events: ConnectionEvents = {
      onBlocked: reason => {
        this.setBlocked(true)
        this.#home.onBlocked(reason)
      },
      onUnblocked: () => {
        this.setBlocked(false)
        this.#home.onUnblocked()
      },
      onWritable: () => this.onWritable(),
      onEnd: reason => this.#onEnd(reason),
    }
    try {
      const own = await open(events, signal)
      if (signal.aborted) own.drop(signal.reason)
      if (own.endReason !== undefined) throw own.endReason
      this.#own = own
      this.#choose(own)
    } catch (error) {
      if (signal.aborted) return
      debugConnection('no connection of its own for publishing: %s', error)
      this.#choose(this.#home.shared)
    }
  }

  #choose(connection: Connection): void {
    this.#chosen = connection
    this.#attach(connection)
  }

  #attach(connection: Connection): void {
    const { outbox, info } = connection
    this.#publisher?.attach({
      outbox,
      info,
      openChannel: (owner, reserved) => connection.openChannel(owner, reserved),
    })
  }

  #onEnd(reason: AmqpError): void {
    if (this.#own === undefined) return
    this.#own = undefined
    this.#publisher?.detach(reason)
    if (!this.#over.signal.aborted) this.#home.onLost(reason)
  }
}
