/**
 * Owns one life of the channel for publishes with confirms (RabbitMQ, "Publisher Confirms"): what is in flight on it, and
 * which publish a confirm, a return or the closed channel is about. The broker names none of them, so barriers do. What
 * was in flight when the channel closed and is not to blame is sent again, in order.
 */
import { BASIC_PUBLISH } from '../codec/methods.gen.js'
import { type Channel, ChannelListener } from '../connection/channel.js'
import type { Content } from '../connection/content.js'
import { debugChannel } from '../debug.js'
import {
  type AmqpError,
  ConnectionBrokenError,
  type ErrorContext,
  NackedError,
  NoRouteError,
  NotImplementedError,
} from '../errors.js'
import { withContext } from '../operation-errors.js'
import { Barriers } from './barriers.js'
import { ConfirmRing } from './confirm-ring.js'
import { CulpritSearch } from './culprit-search.js'
import { type PendingPublish, routeOf } from './pending-publish.js'
import type { PublishChannel, PublishChannelHost, PublishConnection, PublishKind } from './publish-channel.js'
import { readReturned } from './returned-message.js'

/** Publishing with confirms, on the channel of a number. */
export function withConfirms(number: number): PublishKind {
  const search = new CulpritSearch()
  return {
    number,
    check: (_message, info) => {
      if (info === undefined || info.capabilities.publisher_confirms === true) return
      throw new NotImplementedError(
        'basicPublish: the broker has no publisher confirms; publish with confirm: false',
      )
    },
    open: (connection, host) => new ConfirmChannel(number, connection, host, search),
    reset: () => search.reset(),
  }
}

class ConfirmChannel extends ChannelListener implements PublishChannel {
  readonly #host: PublishChannelHost
  readonly #search: CulpritSearch
  readonly #channel: Channel
  readonly #barriers: Barriers
  readonly #unconfirmed = new ConfirmRing<PendingPublish>()
  /** Those in flight that are settled, but may still close the channel. */
  #abandoned: PendingPublish[] = []
  /** The one in flight may make the broker close the channel; the next one waits for its outcome. */
  #alone: PendingPublish | undefined
  /** The broker asked for a pause (channel.flow). */
  #paused = false

  constructor(
    number: number,
    connection: PublishConnection,
    host: PublishChannelHost,
    search: CulpritSearch,
  ) {
    super()
    this.#host = host
    this.#search = search
    this.#channel = connection.openChannel(this, number)
    this.#barriers = new Barriers(this.#channel, () => this.#onBarrier())
  }

  mayFollow({ risk }: PendingPublish): boolean {
    if (this.#paused) return false
    if (this.#unconfirmed.size === 0) return true
    return this.#alone === undefined && risk === undefined && this.#search.hasRoom
  }

  beforeWrite({ route }: PendingPublish): void {
    if (route !== undefined) this.#barriers.beforeMandatory(route)
  }

  afterWrite(publish: PendingPublish): void {
    this.#barriers.afterWrite(publish)
    publish.deliveryTag = this.#unconfirmed.add(publish)
    if (publish.risk !== undefined) this.#alone = publish
    if (!this.#search.active) return
    this.#search.onWritten()
    this.#barriers.send()
  }

  /** It is forgotten as soon as a barrier says that it is not what closes the channel. */
  abandon(publish: PendingPublish): void {
    if (this.#barriers.isAnswered(publish)) {
      this.#unconfirmed.remove(publish.deliveryTag)
      if (this.#unconfirmed.size === 0) this.#onAllConfirmed()
      return
    }
    this.#abandoned.push(publish)
    this.#barriers.enclose()
  }

  takeInFlight(): PendingPublish[] {
    return this.#unconfirmed.drain()
  }

  override onConfirm(deliveryTag: number, multiple: boolean, acked: boolean): void {
    this.#search.onProgress()
    const unconfirmed = this.#unconfirmed
    const before = unconfirmed.size
    unconfirmed.confirm(deliveryTag, multiple, acked ? resolve : nack)
    const confirmed = before - unconfirmed.size
    const { metrics } = this.#host
    if (acked) metrics.confirmed += confirmed
    else metrics.nacked += confirmed
    if (unconfirmed.size === 0) this.#onAllConfirmed()
  }

  override onReturn(content: Content): void {
    const { replyCode, replyText, message } = readReturned(content)
    const publish = this.#barriers.findReturned(routeOf(message.exchange, message.routingKey))
    if (publish === undefined) {
      debugChannel(
        'channel %d: a message came back that nobody waits for: %s',
        this.#channel.number,
        replyText,
      )
      return
    }
    this.#host.metrics.returned++
    const text = `basicPublish: ${replyText}: '${message.routingKey}' at exchange '${message.exchange}' (${replyCode})`
    publish.reject(new NoRouteError(text, message, { ...publish.context, replyCode }))
  }

  override onFlow(active: boolean): void {
    this.#paused = !active
    if (active) this.#host.writePending()
  }

  override onClosed(error: AmqpError, lost: boolean): void {
    const inFlight = this.takeInFlight()
    if (lost) this.#host.onChannelLost(error, inFlight)
    else this.#onClosedByBroker(error, inFlight)
  }

  #onClosedByBroker(error: AmqpError, inFlight: PendingPublish[]): void {
    const suspects = this.#suspectsOf(error, inFlight)
    const [culprit] = suspects
    if (suspects.length === 1 && culprit !== undefined) {
      this.#host.risks.forgetExchange(culprit.exchange)
      culprit.reject(withContext(error, culprit.context))
    }
    if (suspects.length === 0 && inFlight.length > 0 && !this.#search.mayRetry()) {
      for (const publish of inFlight) publish.reject(withContext(error, publish.context))
    }
    for (const publish of inFlight) {
      if (!publish.repeatable) publish.reject(lostWithChannel(error, publish.context))
    }
    const again = this.#host.putBack(inFlight)
    debugChannel(
      'channel %d: %d of %d publishes in flight are sent again',
      this.#channel.number,
      again,
      inFlight.length,
    )
    this.#search.onClosed(suspects.length, again)
    this.#host.onChannelClosed()
  }

  #onBarrier(): void {
    if (this.#abandoned.length === 0) return
    const unanswered: PendingPublish[] = []
    for (const publish of this.#abandoned) {
      if (this.#barriers.isAnswered(publish)) this.#unconfirmed.remove(publish.deliveryTag)
      else unanswered.push(publish)
    }
    this.#abandoned = unanswered
    if (this.#unconfirmed.size === 0) this.#onAllConfirmed()
  }

  /** Nothing is in flight. */
  #onAllConfirmed(): void {
    if (this.#alone?.risk !== undefined) this.#host.risks.markProven(this.#alone.risk)
    this.#alone = undefined
    this.#search.onAllConfirmed()
    this.#host.writePending()
  }

  /** The publishes that may have closed the channel: those behind the last answered barrier. */
  #suspectsOf(
    { classId = 0, methodId = 0, message }: AmqpError,
    inFlight: PendingPublish[],
  ): PendingPublish[] {
    if (((classId << 16) | methodId) !== BASIC_PUBLISH) return []
    const suspects = inFlight.filter(publish => this.#barriers.isBehindLastAnswer(publish))
    const named = suspects.filter(({ exchange }) => message.includes(`exchange '${exchange}' in vhost`))
    return named.length === 1 ? named : suspects
  }
}

/** The outcome of a publish that must not be sent twice. */
function lostWithChannel(cause: AmqpError, context: ErrorContext): AmqpError {
  const text = `basicPublish: its channel was closed before a confirm: ${cause.message}`
  return new ConnectionBrokenError(text, { ...context, cause })
}

function resolve(publish: PendingPublish): void {
  publish.resolve()
}

function nack(publish: PendingPublish): void {
  publish.reject(
    new NackedError('basicPublish: the broker refused the message (basic.nack)', publish.context),
  )
}
