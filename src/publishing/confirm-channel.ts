/**
 * Owns one life of a channel for publishes with confirms (RabbitMQ, "Publisher Confirms"): what is in flight on it, and
 * which publish a confirm or a return is about. The broker names none of them, so barriers do. What follows from the end of
 * the channel is for its host to say.
 */
import { BASIC_PUBLISH } from '../codec/methods.gen.js'
import { type Channel, ChannelListener } from '../connection/channel.js'
import type { Content } from '../connection/content.js'
import type { Metrics } from '../connection/metrics.js'
import { debugChannel } from '../debug.js'
import { type AmqpError, NackedError, NoRouteError } from '../errors.js'
import { withoutStack } from '../operation-errors.js'
import { Barriers } from './barriers.js'
import { ConfirmRing } from './confirm-ring.js'
import { type PendingPublish, routeOf } from './pending-publish.js'
import type { PublishConnection } from './publish-channel.js'
import { noRouteText, readReturned } from './returned-message.js'

/** What a confirm channel needs, and whom it tells. */
export interface ConfirmChannelHost {
  readonly metrics: Metrics
  /** A barrier is answered: the broker has dealt with what lies before it. */
  onAnswered(channel: ConfirmChannel): void
  /** Publishes are confirmed, or refused; less is in flight. */
  onConfirmed(channel: ConfirmChannel): void
  /** The broker takes publishes again (channel.flow). */
  onUnpaused(): void
  /** The channel was closed by the broker, or `lost` with its connection, with these in flight. */
  onClosed(channel: ConfirmChannel, error: AmqpError, lost: boolean, inFlight: PendingPublish[]): void
  /** A channel that was closed is gone: another one may have its number. */
  onReleased(): void
}

export class ConfirmChannel extends ChannelListener {
  readonly #host: ConfirmChannelHost
  readonly #channel: Channel
  readonly #barriers: Barriers
  readonly #unconfirmed = new ConfirmRing<PendingPublish>(publish => publish.compact())
  /** Those in flight that are settled, but may still close the channel. */
  #abandoned: PendingPublish[] = []
  /** The broker asked for a pause (channel.flow). */
  #paused = false
  /** The last delivery tag at the last call of {@link age}, and at the one before. */
  #seenTag = 0
  #staleTag = 0

  /** Opens the channel of a reserved number, or any. Throws {@link ResourceError} if there is none. */
  constructor(connection: PublishConnection, host: ConfirmChannelHost, reserved?: number) {
    super()
    this.#host = host
    this.#channel = connection.openChannel(this, reserved === undefined ? {} : { reserved })
    this.#barriers = new Barriers(this.#channel, () => this.#onBarrier())
  }

  get number(): number {
    return this.#channel.number
  }

  /** How many publishes are in flight. */
  get inFlight(): number {
    return this.#unconfirmed.size
  }

  /** The broker asked for a pause. */
  get paused(): boolean {
    return this.#paused
  }

  /** The broker has dealt with everything that was written, whether it is confirmed or not. */
  get allAnswered(): boolean {
    return this.#barriers.allAnswered
  }

  /** How many publishes were written since the last barrier: so many are suspects when the channel closes. */
  get written(): number {
    return this.#barriers.written
  }

  /** Sees to it that the broker says when it has dealt with everything that is written. */
  enclose(): void {
    this.#barriers.enclose()
  }

  beforeWrite({ route }: PendingPublish): void {
    if (route !== undefined) this.#barriers.beforeMandatory(route)
  }

  afterWrite(publish: PendingPublish): void {
    publish.deliveryTag = this.#unconfirmed.add(publish)
    this.#barriers.afterWrite(publish)
  }

  /** The broker has dealt with a publish of this channel. */
  isAnswered(publish: PendingPublish): boolean {
    return this.#barriers.isAnswered(publish)
  }

  /**
   * One that is settled is forgotten as soon as a barrier says that it is not what closes the channel. Returns false if it
   * is not in flight here.
   */
  abandon(publish: PendingPublish): boolean {
    if (this.#unconfirmed.get(publish.deliveryTag) !== publish) return false
    if (this.#barriers.isAnswered(publish)) {
      this.#unconfirmed.remove(publish.deliveryTag)
      this.#host.onConfirmed(this)
    } else {
      this.#abandoned.push(publish)
      this.#barriers.enclose()
    }
    return true
  }

  /** Takes all that is in flight, in order. */
  takeInFlight(): PendingPublish[] {
    return this.#unconfirmed.drain()
  }

  /** What is in flight now is stale when this is called the next time. */
  age(): void {
    this.#staleTag = this.#seenTag
    this.#seenTag = this.#unconfirmed.lastTag
  }

  /** How many of those in flight are stale. */
  countStale(): number {
    return this.#unconfirmed.countUpTo(this.#staleTag)
  }

  /**
   * The publishes in flight that an error of the channel may be about: those between the last answered barrier and the next
   * one, where the error names a publish, and of these those to the exchange that it names.
   */
  suspectsOf(
    { classId = 0, methodId = 0, message }: AmqpError,
    inFlight: PendingPublish[],
  ): PendingPublish[] {
    if (((classId << 16) | methodId) !== BASIC_PUBLISH) return []
    const suspects = inFlight.filter(publish => this.#barriers.isBehindLastAnswer(publish))
    const named = suspects.filter(({ exchange }) => message.includes(`exchange '${exchange}' in vhost`))
    return named.length > 0 ? named : suspects
  }

  /** Nothing is in flight, and nothing will be. */
  close(reason: AmqpError): void {
    this.#channel.close(reason)
  }

  override onConfirm(deliveryTag: number, multiple: boolean, acked: boolean): void {
    const unconfirmed = this.#unconfirmed
    const before = unconfirmed.size
    unconfirmed.confirm(deliveryTag, multiple, acked ? resolve : nack)
    const confirmed = before - unconfirmed.size
    const { metrics } = this.#host
    if (acked) metrics.confirmed += confirmed
    else metrics.nacked += confirmed
    this.#host.onConfirmed(this)
  }

  override onReturn(content: Content): void {
    const returned = readReturned(content)
    const { replyCode, message } = returned
    const publish = this.#barriers.findReturned(routeOf(message.exchange, message.routingKey))
    if (publish === undefined) {
      debugChannel('channel %d: a message came back that nobody waits for', this.#channel.number)
      return
    }
    this.#host.metrics.returned++
    const text = `basicPublish: ${noRouteText(returned)}`
    publish.reject(new NoRouteError(text, message, { ...publish.context, replyCode }))
  }

  override onFlow(active: boolean): void {
    this.#paused = !active
    if (active) this.#host.onUnpaused()
  }

  override onClosed(error: AmqpError, lost: boolean): void {
    this.#host.onClosed(this, error, lost, this.takeInFlight())
  }

  override onReleased(): void {
    this.#host.onReleased()
  }

  #onBarrier(): void {
    if (this.#abandoned.length > 0) this.#forgetAbandoned()
    this.#host.onAnswered(this)
  }

  #forgetAbandoned(): void {
    const unanswered: PendingPublish[] = []
    for (const publish of this.#abandoned) {
      if (this.#barriers.isAnswered(publish)) this.#unconfirmed.remove(publish.deliveryTag)
      else unanswered.push(publish)
    }
    this.#abandoned = unanswered
  }
}

function resolve(publish: PendingPublish): void {
  publish.resolve()
}

function nack(publish: PendingPublish): void {
  const text = 'basicPublish: the broker refused the message (basic.nack)'
  publish.reject(withoutStack(() => new NackedError(text, publish.context)))
}
