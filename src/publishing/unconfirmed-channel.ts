/**
 * Owns one life of the channel for publishes without confirms: a message counts as published when it is written. One that
 * may make the broker close the channel is followed by a request: its reply, or the closed channel, is the outcome, and
 * the next publish waits for it. Such requests also say what the broker has dealt with: the rest is lost with the channel.
 */
import { type Channel, ChannelListener } from '../connection/channel.js'
import type { Content } from '../connection/content.js'
import type { FlushListener } from '../connection/outbox.js'
import { encodeRequest } from '../connection/request.js'
import { type AmqpError, ConnectionClosedError, NotFoundError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import { ignore } from '../util/promise.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishChannel, PublishChannelHost, PublishConnection, PublishKind } from './publish-channel.js'
import { readReturned } from './returned-message.js'

/** Without effect on a channel without consumers: all it does is to answer. */
const NO_OP = encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount: 0, global: false }, 0)

/** The most publishes between two requests. */
const MAX_BETWEEN_REQUESTS = 512

/** Publishing without confirms, on the channel of a number. */
export function withoutConfirms(number: number): PublishKind {
  return {
    number,
    check: ignore,
    open: (connection, host) => new UnconfirmedChannel(number, connection, host),
  }
}

class UnconfirmedChannel extends ChannelListener implements PublishChannel, FlushListener {
  readonly #host: PublishChannelHost
  readonly #connection: PublishConnection
  readonly #channel: Channel
  /** The one whose outcome the next one waits for. */
  #alone: PendingPublish | undefined
  /** What was accepted up to this ticket was waiting when that one was written. */
  #lastTicket = 0
  /** The broker asked for a pause (channel.flow). */
  #paused = false
  /** So many publishes were written without waiting for an outcome. */
  #written = 0
  /** The broker has dealt with so many of them. */
  #done = 0
  /** A request was sent behind so many of them. */
  #asked = 0
  /** A request is in progress, or is sent at the end of this tick. */
  #asking = false

  constructor(number: number, connection: PublishConnection, host: PublishChannelHost) {
    super()
    this.#host = host
    this.#connection = connection
    this.#channel = connection.openChannel(this, { reserved: number })
  }

  /** What is risky waits until the broker has dealt with what is written: else its error might be that of another one. */
  mayFollow({ risk }: PendingPublish): boolean {
    if (this.#alone !== undefined || this.#paused) return false
    if (risk === undefined || this.#done === this.#written) return true
    if (this.#asked < this.#written) this.#ask()
    return false
  }

  beforeWrite(): void {}

  afterWrite(publish: PendingPublish): void {
    if (publish.risk !== undefined) {
      this.#try(publish)
      return
    }
    publish.resolve()
    this.#written++
    if (this.#written - this.#asked >= MAX_BETWEEN_REQUESTS) {
      this.#ask()
    } else if (!this.#asking) {
      this.#asking = true
      this.#connection.outbox.beforeFlush(this)
    }
  }

  write(publish: PendingPublish): void {
    publish.writeTo(this.#connection.outbox, this.#channel.number)
    this.afterWrite(publish)
  }

  onCaughtUp(): void {}

  abandon(): void {}

  takeInFlight(): PendingPublish[] {
    const alone = this.#alone
    this.#alone = undefined
    return alone === undefined ? [] : [alone]
  }

  async sync(): Promise<void> {
    await this.#channel.request(NO_OP).catch(ignore)
  }

  onFlush(): void {
    if (this.#channel.isOpen && this.#asked < this.#written) this.#ask()
    else this.#asking = false
  }

  override onReturn(content: Content): void {
    this.#host.metrics.returned++
    this.#host.events.onReturned(readReturned(content))
  }

  override onFlow(active: boolean): void {
    this.#paused = !active
    if (active) this.#host.writePending()
  }

  override onClosed(error: AmqpError, lost: boolean): void {
    const [alone] = this.takeInFlight()
    // The broker has come as far as that one, if it did not like it. What a client that closes has written, it reads.
    const undone =
      (alone !== undefined && !lost) || error instanceof ConnectionClosedError
        ? 0
        : this.#written - this.#done
    if (undone > 0) {
      this.#host.metrics.lost += undone
      this.#host.events.onLost(undone, error)
    }
    const inFlight = alone === undefined ? [] : [alone]
    if (lost) {
      this.#host.onChannelLost(error, inFlight, inFlight)
      return
    }
    alone?.reject(withContext(error, alone.context))
    if (alone !== undefined && error instanceof NotFoundError) {
      this.#host.onExchangeMissing(alone.exchange, this.#lastTicket, error)
    }
    this.#host.onChannelClosed()
  }

  /** Sends one that may close the channel: the reply to a request behind it says that it did not. */
  #try(publish: PendingPublish): void {
    this.#alone = publish
    this.#lastTicket = this.#host.lastTicket
    const written = this.#written
    const { timesForgotten } = this.#host.risks
    const onReply = (): void => {
      this.#done = written
      this.#host.risks.markHarmless(publish, timesForgotten)
      publish.resolve()
      this.#alone = undefined
      this.#host.writePending()
    }
    this.#channel.ask(NO_OP, {}, onReply, ignore)
  }

  /** Asks whether the broker has dealt with what is written, and again when there is more by then. */
  #ask(): void {
    const written = this.#written
    this.#asked = written
    this.#asking = true
    const onReply = (): void => {
      this.#done = written
      if (this.#asked !== written) return
      this.#asking = false
      if (this.#written > written) this.#ask()
      else this.#host.writePending()
    }
    this.#channel.ask(NO_OP, {}, onReply, ignore)
  }
}
