/**
 * Owns one life of the channel for publishes without confirms: a message counts as published when it is written. One that
 * may make the broker close the channel is followed by a request: its reply, or the closed channel, is the outcome, and
 * the next publish waits for it.
 */
import { type Channel, ChannelListener } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { debugChannel } from '../debug.js'
import { type AmqpError, ArgumentError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import { ignore } from '../util/promise.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishChannel, PublishChannelHost, PublishConnection, PublishKind } from './publish-channel.js'

/** Without effect on a channel without consumers: all it does is to answer. */
const NO_OP = encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount: 0, global: false }, 0)

/** Publishing without confirms, on the channel of a number. */
export function withoutConfirms(number: number): PublishKind {
  return {
    number,
    check: ({ mandatory }) => {
      if (!mandatory) return
      throw new ArgumentError('mandatory needs confirm: without it nobody would hear of a returned message')
    },
    open: (connection, host) => new UnconfirmedChannel(number, connection, host),
    reset: ignore,
  }
}

class UnconfirmedChannel extends ChannelListener implements PublishChannel {
  readonly #host: PublishChannelHost
  readonly #channel: Channel
  /** The one whose outcome the next one waits for. */
  #alone: PendingPublish | undefined
  /** The broker asked for a pause (channel.flow). */
  #paused = false

  constructor(number: number, connection: PublishConnection, host: PublishChannelHost) {
    super()
    this.#host = host
    this.#channel = connection.openChannel(this, number)
  }

  mayFollow(): boolean {
    return this.#alone === undefined && !this.#paused
  }

  beforeWrite(): void {}

  afterWrite(publish: PendingPublish): void {
    const { risk } = publish
    const { risks } = this.#host
    if (risk === undefined) {
      publish.resolve()
      return
    }
    this.#alone = publish
    const onReply = (): void => {
      risks.markProven(risk)
      publish.resolve()
      this.#alone = undefined
      this.#host.writePending()
    }
    this.#channel.ask(NO_OP, {}, onReply, ignore)
  }

  abandon(): void {}

  takeInFlight(): PendingPublish[] {
    const alone = this.#alone
    this.#alone = undefined
    return alone === undefined ? [] : [alone]
  }

  async sync(): Promise<void> {
    await this.#channel.request(NO_OP).catch(ignore)
  }

  override onFlow(active: boolean): void {
    this.#paused = !active
    if (active) this.#host.writePending()
  }

  override onClosed(error: AmqpError, lost: boolean): void {
    const inFlight = this.takeInFlight()
    if (lost) {
      this.#host.onChannelLost(error, inFlight)
      return
    }
    const [alone] = inFlight
    if (alone === undefined)
      debugChannel('channel %d: unconfirmed publishes were lost: %s', this.#channel.number, error.message)
    else alone.reject(withContext(error, alone.context))
    this.#host.onChannelClosed()
  }
}
