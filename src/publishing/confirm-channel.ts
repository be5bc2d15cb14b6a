/**
 * Owns publishing with confirms (RabbitMQ, "Publisher Confirms"): which publish a confirm, a return or a closed channel
 * is about. The broker names none of them, so barriers do: a confirm.select on a channel that has confirms already does
 * nothing but answer, and its answer tells what the broker has dealt with. What was in flight when the channel closed
 * and is not to blame is sent again, in order.
 */
import { BASIC_PUBLISH } from '../codec/methods.gen.js'
import type { Channel } from '../connection/channel.js'
import type { Content } from '../connection/content.js'
import { encodeRequest } from '../connection/request.js'
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
import { ignore } from '../util/promise.js'
import { ConfirmRing } from './confirm-ring.js'
import { type PendingPublish, routeOf } from './pending-publish.js'
import { PublishBuffer, type PublishConnection } from './publish-buffer.js'
import { readReturn } from './returned-message.js'

/** With so many routes since the last barrier, a new one keeps the search for a returned message short. */
const ROUTES_PER_SEGMENT = 1000
/** So often in a row the channel may close for no fault of a publish before those in flight fail. */
const FRUITLESS_RETRIES = 3

const SELECT = encodeRequest('confirm.select', { noWait: false }, 0)

export class ConfirmChannel extends PublishBuffer {
  #channel: Channel | undefined
  readonly #ledger = new ConfirmRing<PendingPublish>()
  #barriersSent = 0
  #barriersSeen = 0
  /** Where the mandatory publishes go that were written since the last barrier. */
  readonly #routes = new Set<string>()
  /** The mandatory publishes that may still come back, in order. */
  #mandatory: PendingPublish[] = []
  /** The one in flight may bring the channel down; the next one waits for its outcome. */
  #alone: PendingPublish | undefined
  /** After a close with several suspects: so many at the head of the line are tried, a few at a time. */
  #suspects = 0
  #window = 1
  #inWindow = 0
  #fruitless = 0

  override onConfirm(deliveryTag: number, multiple: boolean, acked: boolean): void {
    this.#fruitless = 0
    const ledger = this.#ledger
    const waiting = ledger.waiting
    ledger.take(deliveryTag, multiple, acked ? resolve : nack)
    const taken = waiting - ledger.waiting
    if (acked) this.metrics.confirmed += taken
    else this.metrics.nacked += taken
    if (ledger.waiting > 0) return
    if (this.#alone?.risk !== undefined) this.risks.prove(this.#alone.risk)
    this.#alone = undefined
    if (this.#inWindow > 0) {
      this.#suspects = Math.max(0, this.#suspects - this.#inWindow)
      this.#inWindow = 0
      this.#window *= 2
    }
    this.release()
  }

  override onReturn(content: Content): void {
    const { replyCode, replyText, message } = readReturn(content)
    const route = routeOf(message.exchange, message.routingKey)
    this.#forgetRouted()
    const entry = this.#mandatory.find(
      ({ segment, route: own }) => segment === this.#barriersSeen && own === route,
    )
    if (entry === undefined) {
      debugChannel('channel %d: a message came back that nobody waits for: %s', this.number, replyText)
      return
    }
    this.metrics.returned++
    const text = `basicPublish: ${replyText}: '${message.routingKey}' at exchange '${message.exchange}' (${replyCode})`
    entry.reject(new NoRouteError(text, message, { ...entry.context, replyCode }))
  }

  protected override check(): void {
    if (this.home !== undefined && this.home.info.capabilities.publisher_confirms !== true) {
      throw new NotImplementedError(
        'basicPublish: the broker has no publisher confirms; publish with confirm: false',
      )
    }
  }

  protected override mayFollow(entry: PendingPublish): boolean {
    if (this.#ledger.waiting === 0) return true
    if (this.#alone !== undefined) return false
    if (entry.risk !== undefined && this.risks.stands(entry.risk)) return false
    return this.#suspects === 0 || this.#inWindow < this.#window
  }

  protected override beforeWrite(entry: PendingPublish, home: PublishConnection): void {
    this.#channel ??= this.#openChannel(home)
    const { route } = entry
    if (route === undefined) return
    if (this.#routes.has(route) || this.#routes.size >= ROUTES_PER_SEGMENT) this.#sendBarrier(this.#channel)
    this.#routes.add(route)
  }

  protected override afterWrite(entry: PendingPublish): void {
    entry.segment = this.#barriersSent
    this.#ledger.add(entry)
    if (entry.route !== undefined) this.#mandatory.push(entry)
    if (entry.risk !== undefined && this.risks.stands(entry.risk)) this.#alone = entry
    if (this.#suspects > 0 && this.#channel !== undefined) {
      this.#inWindow++
      this.#sendBarrier(this.#channel)
    }
  }

  protected override takeWritten(): PendingPublish[] {
    this.#channel = undefined
    this.#alone = undefined
    this.#mandatory = []
    this.#routes.clear()
    this.#suspects = 0
    this.#window = 1
    this.#inWindow = 0
    return this.#ledger.drain()
  }

  protected override onChannelClosed(error: AmqpError): void {
    const formerSuspects = this.#suspects
    const written = this.takeWritten()
    const suspects = this.#suspectsOf(error, written)
    const [culprit] = suspects
    if (suspects.length === 1 && culprit !== undefined) {
      this.risks.doubt(culprit.exchange)
      culprit.reject(withContext(error, culprit.context))
    }
    if (suspects.length === 0 && written.length > 0 && ++this.#fruitless > FRUITLESS_RETRIES) {
      for (const entry of written) entry.reject(withContext(error, entry.context))
    }
    for (const entry of written) if (!entry.repeatable) entry.reject(lostWithChannel(error, entry.context))
    const again = this.putBack(written)
    debugChannel(
      'channel %d: %d of %d publishes in flight are sent again',
      this.number,
      again,
      written.length,
    )
    // A culprit that is known leaves nobody else under suspicion, unless others were already.
    if (suspects.length > 1 || formerSuspects > 0) this.#suspects = Math.max(again, formerSuspects - 1)
  }

  /** Whom a closed channel may be about: what the broker has not told to be dealt with. */
  #suspectsOf(
    { classId = 0, methodId = 0, message }: AmqpError,
    written: PendingPublish[],
  ): PendingPublish[] {
    if (((classId << 16) | methodId) !== BASIC_PUBLISH) return []
    const suspects = written.filter(({ segment }) => segment === this.#barriersSeen)
    const named = suspects.filter(({ exchange }) => message.includes(`exchange '${exchange}' in vhost`))
    return named.length === 1 ? named : suspects
  }

  #openChannel(home: PublishConnection): Channel {
    this.#barriersSent = 0
    this.#barriersSeen = 0
    const channel = home.openChannel(this, this.number)
    this.#sendBarrier(channel)
    return channel
  }

  #sendBarrier(channel: Channel): void {
    this.#barriersSent++
    this.#routes.clear()
    this.#forgetRouted()
    channel.ask(SELECT, {}, () => this.#barriersSeen++, ignore)
  }

  /** What lies before the last barrier that was answered cannot come back any more. */
  #forgetRouted(): void {
    const first = this.#mandatory.findIndex(({ segment }) => segment >= this.#barriersSeen)
    if (first > 0) this.#mandatory.splice(0, first)
    else if (first < 0) this.#mandatory = []
  }
}

/** The outcome of a publish that is not to be sent twice. */
function lostWithChannel(cause: AmqpError, context: ErrorContext): AmqpError {
  const text = `basicPublish: its channel was closed before a confirm: ${cause.message}`
  return new ConnectionBrokenError(text, { ...context, cause })
}

function resolve(entry: PendingPublish): void {
  entry.resolve()
}

function nack(entry: PendingPublish): void {
  entry.reject(new NackedError('basicPublish: the broker refused the message (basic.nack)', entry.context))
}
