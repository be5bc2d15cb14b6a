/**
 * Owns the choice of the connection that a session publishes on. RabbitMQ reads nothing more from a connection that
 * publishes while it is short of memory or disk, so publishing has one of its own, opened with the first publish:
 * everything else goes on then. If none is wanted, or none can be made, publishing shares the session's.
 */
import type { Connection, ConnectionEvents } from '../connection/connection.js'
import { debugConnection } from '../debug.js'
import { type AmqpError, ConnectionBrokenError, type ConnectionClosedError } from '../errors.js'
import type { ConnectionLoss } from '../operation-errors.js'
import type { PublishConnectionListener } from '../publishing/publisher.js'
import { isConnectionFault } from '../reply-codes.js'
import { type Deferred, defer } from '../util/promise.js'

/** Opens another connection to the same host. */
export type OpenSeparate = (events: ConnectionEvents, signal: AbortSignal) => Promise<Connection>

/** What it needs of its session. */
export interface PublishingHost {
  onBlocked(reason: string): void
  onUnblocked(): void
  /** The connection for publishing is lost, and so is the session. */
  onPublishingLost(reason: AmqpError): void
}

type State =
  | { readonly name: 'idle' }
  | { readonly name: 'opening'; readonly done: Promise<void> }
  | { readonly name: 'separate'; readonly connection: Connection }
  | { readonly name: 'shared' }

export class PublishingConnection implements ConnectionEvents {
  readonly #shared: Connection
  readonly #openSeparate: OpenSeparate | undefined
  readonly #host: PublishingHost
  readonly #ended = new AbortController()
  #listener: PublishConnectionListener | undefined
  #state: State = { name: 'idle' }
  /** New secrets that came while the connection was being opened. */
  readonly #lateSecrets: { newSecret: string; reason: string; done: Deferred<void> }[] = []

  /** `shared` is the session's own connection, which is used if `openSeparate` is undefined, or fails. */
  constructor(shared: Connection, openSeparate: OpenSeparate | undefined, host: PublishingHost) {
    this.#shared = shared
    this.#openSeparate = openSeparate
    this.#host = host
  }

  /** The broker's reason not to take publishes for now: on the connection that publishes, or will. */
  get blocked(): string | undefined {
    return this.#state.name === 'separate' ? this.#state.connection.blocked : this.#shared.blocked
  }

  /** Something is going to be published. */
  prepare(): void {
    if (this.#state.name !== 'idle') return
    if (this.#openSeparate === undefined) this.#use({ name: 'shared' })
    else this.#state = { name: 'opening', done: this.#open(this.#openSeparate) }
  }

  /** The listener is told of the connection as soon as there is one. */
  start(listener: PublishConnectionListener): void {
    this.#listener = listener
    this.#report()
  }

  /** How many channels are open on a connection of its own. */
  get ownChannels(): number {
    return this.#state.name === 'separate' ? this.#state.connection.channels : 0
  }

  onBlocked(reason: string): void {
    this.#host.onBlocked(reason)
  }

  onUnblocked(): void {
    this.#host.onUnblocked()
  }

  onWritable(): void {
    this.#listener?.onWritable()
  }

  /** Publishing itself sees to it that it gets by with the channels that there are. */
  giveWay(): undefined {
    return undefined
  }

  onChannelFree(): void {}

  /** The separate connection has ended. */
  onEnd({ reason }: ConnectionLoss): void {
    if (this.#state.name === 'separate' && !this.#ended.signal.aborted) this.#host.onPublishingLost(reason)
  }

  /** The session's own connection has ended. */
  end(reason: AmqpError): void {
    this.#ended.abort(reason)
    if (this.#state.name !== 'separate') return
    // What is published on a connection of its own has no part in an error of the other one.
    this.#state.connection.drop(
      isConnectionFault(reason) ? new ConnectionBrokenError(reason.message, { cause: reason }) : reason,
    )
  }

  /** Closes it gracefully. */
  async close(reason: ConnectionClosedError): Promise<void> {
    this.#ended.abort(reason)
    if (this.#state.name === 'separate') await this.#state.connection.close(reason)
    if (this.#state.name === 'opening') await this.#state.done
  }

  /** Gives the broker a new secret, also on a connection that is being opened; undefined if there is none. */
  updateSecret(newSecret: string, reason: string): Promise<void> | undefined {
    if (this.#state.name === 'separate') return this.#state.connection.updateSecret(newSecret, reason)
    if (this.#state.name !== 'opening') return undefined
    const done = defer<void>()
    this.#lateSecrets.push({ newSecret, reason, done })
    return done.promise
  }

  /** Never rejects. */
  async #open(openSeparate: OpenSeparate): Promise<void> {
    const { signal } = this.#ended
    try {
      const connection = await openSeparate(this, signal)
      if (signal.aborted) connection.drop(signal.reason)
      if (connection.endReason !== undefined) throw connection.endReason
      this.#giveLateSecrets(connection)
      this.#use({ name: 'separate', connection })
    } catch (error) {
      // There is no connection that they are for.
      for (const { done } of this.#lateSecrets.splice(0)) done.resolve()
      if (signal.aborted) return
      debugConnection('no connection of its own for publishing: %s', error)
      this.#use({ name: 'shared' })
    }
  }

  /** It may have sent its credentials before they were renewed. They go ahead of anything else. */
  #giveLateSecrets(connection: Connection): void {
    for (const { newSecret, reason, done } of this.#lateSecrets.splice(0)) {
      connection.updateSecret(newSecret, reason).then(done.resolve, done.reject)
    }
  }

  #use(state: State): void {
    this.#state = state
    this.#report()
  }

  #report(): void {
    const state = this.#state
    if (state.name !== 'separate' && state.name !== 'shared') return
    this.#listener?.onConnection(state.name === 'separate' ? state.connection : this.#shared)
  }
}
