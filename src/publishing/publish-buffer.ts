/**
 * Owns the publishes that wait to be written on one of the two publishing channels, over all connections: whether a
 * message is written at once or waits, in what order, and that it can be abandoned as long as it waits. What may follow
 * what is in flight, and what the outcome is, is for the channel to say.
 */
import { captureCallSite } from '../call-site.js'
import type { Metrics } from '../connection/metrics.js'
import type { AmqpError } from '../errors.js'
import { connectionLost, timedOut, withOperation, withoutStack } from '../operation-errors.js'
import type { OperationOptions } from '../options.js'
import type { TicketCounter } from '../ticket.js'
import { checkAbortOptions, watchAbort } from '../util/abort.js'
import { ConnectionSuspects } from './connection-suspects.js'
import { HeldPublishes, type MissingRoutes } from './held-publishes.js'
import { encodeMessage } from './message-encoder.js'
import { EnvelopeCache, type OutgoingMessage } from './message-envelope.js'
import { PendingPublish, publishContext } from './pending-publish.js'
import type { PublishBudget } from './publish-budget.js'
import type {
  PublishChannel,
  PublishChannelHost,
  PublishConnection,
  PublishEvents,
  PublishKind,
} from './publish-channel.js'
import { PublishRisks } from './publish-risk.js'
import { UnsentPublishes } from './unsent-publishes.js'

/** At the end of the client, so many publishes have an error of their own; the rest share one. */
const MOST_ERRORS = 10_000

interface Online {
  readonly name: 'online'
  readonly connection: PublishConnection
  /** It follows a lost connection, and publishes have waited for it. */
  readonly again: boolean
  /** Opened with the first publish, and anew with the next one when it says that it is closed. */
  channel: PublishChannel | undefined
}

type State = { readonly name: 'offline' } | Online | { readonly name: 'ended'; readonly reason: AmqpError }

const OFFLINE: State = { name: 'offline' }

export class PublishBuffer implements PublishChannelHost {
  readonly metrics: Metrics
  readonly events: PublishEvents
  readonly risks = new PublishRisks()
  lastTicket = 0
  readonly #kind: PublishKind
  readonly #counter: TicketCounter
  readonly #budget: PublishBudget
  /** None waits for a connection. */
  readonly #failsOffline: boolean
  readonly #envelopes = new EnvelopeCache()
  readonly #unsent: UnsentPublishes
  #state: State = OFFLINE
  #flushDue = false
  /** Those whose way is not back yet. */
  readonly #held = new HeldPublishes()
  /** A connection was lost. */
  #wasLost = false
  readonly #suspects = new ConnectionSuspects()

  constructor(
    kind: PublishKind,
    counter: TicketCounter,
    budget: PublishBudget,
    metrics: Metrics,
    events: PublishEvents,
    failsOffline: boolean,
  ) {
    this.metrics = metrics
    this.events = events
    this.#kind = kind
    this.#unsent = new UnsentPublishes(kind.number, this.#envelopes)
    this.#counter = counter
    this.#budget = budget
    this.#failsOffline = failsOffline
  }

  /** Publishes; never throws, but rejects. */
  publish(message: OutgoingMessage, options: OperationOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const ticket = this.#counter.next()
      try {
        this.#accept(ticket, message, options, resolve, reject)
      } catch (error) {
        reject(withOperation(error, publishContext(ticket), captureCallSite(this.publish)))
      }
    })
  }

  /** There is a connection: what waits leaves by it. */
  attach(connection: PublishConnection): void {
    if (this.#state.name === 'ended') return
    // The channels of a connection may be lost after the connection itself: only now all of them are known.
    this.#suspects.judge(this.risks)
    const { frameMax } = connection.outbox
    if (isLower(frameMax, this.#unsent.frameMax)) this.#unsent.reframe(frameMax)
    this.#unsent.frameMax = frameMax
    const again = this.#wasLost && this.#unsent.length > 0
    this.#state = { name: 'online', connection, again, channel: undefined }
    this.writePending()
  }

  /** What may be meant for this waits from now on; undefined if everything is there. */
  onMissing(missing: MissingRoutes | undefined): void {
    this.#held.missing = missing
    this.#release()
    this.writePending()
  }

  /** The connection is gone. Its channel says what becomes of those in flight. */
  detach(reason: AmqpError): void {
    this.#held.missing = undefined
    this.#release()
    if (this.#failsOffline) this.#rejectAll(reason)
    if (this.#state.name !== 'online') return
    this.#state = OFFLINE
    this.#flushDue = false
    this.#wasLost = true
  }

  /** Nothing will be sent any more. */
  end(reason: AmqpError): void {
    const state = this.#state
    if (state.name === 'ended') return
    this.#state = { name: 'ended', reason }
    this.#release()
    if (state.name === 'online') this.putBack(state.channel?.takeInFlight() ?? [])
    this.#rejectAll(reason)
  }

  /** An exchange was deleted: the broker may close the channel over a publish to it. */
  exchangeDeleted(exchange: string): void {
    this.risks.forgetExchange(exchange)
  }

  /** Resolves when the broker has read everything that was written. */
  async sync(): Promise<void> {
    if (this.#state.name === 'online') await this.#state.channel?.sync?.()
  }

  /** Writes what waits, as far as that is possible. */
  writePending(): void {
    for (let next = this.#unsent.peek(); next !== undefined; next = this.#unsent.peek()) {
      if (next.settled) {
        this.#unsent.shift()
        continue
      }
      const state = this.#state
      if (state.name !== 'online' || !takesMore(state.connection)) return
      if (this.#held.keep(next)) {
        this.#unsent.shift()
        continue
      }
      if (!this.#mayWrite(state, next)) return
      this.#unsent.shift()
      if (next.written) this.metrics.resent++
      this.#writeUnsent(next, state)
    }
    if (this.#state.name === 'online') this.#state.channel?.onCaughtUp()
  }

  onFlush(): void {
    this.#flushDue = false
    this.writePending()
  }

  putBack(publishes: readonly PendingPublish[]): number {
    for (const publish of publishes) publish.written = true
    return this.#unsent.putBack(publishes)
  }

  onExchangeMissing(exchange: string, lastTicket: number, error: AmqpError): void {
    this.#unsent.rejectAll(exchange, lastTicket, error)
  }

  onChannelClosed(): void {
    if (this.#state.name === 'online') this.#state.channel = undefined
    this.writePending()
  }

  /** What was in flight waits for the next connection, unless it must not be sent twice, or is why this one is lost. */
  onChannelLost(reason: AmqpError, inFlight: PendingPublish[], suspects: PendingPublish[]): void {
    for (const publish of inFlight) {
      if (this.#failsOffline || !publish.repeatable) publish.reject(connectionLost(reason, publish.context))
    }
    this.#suspects.add(suspects, reason)
    this.putBack(inFlight)
  }

  #accept(
    ticket: number,
    message: OutgoingMessage,
    options: OperationOptions,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ): void {
    this.lastTicket = ticket
    const { signal, timeout } = options
    if (signal !== undefined || timeout !== undefined) checkAbortOptions(options)
    signal?.throwIfAborted()
    const state = this.#state
    if (state.name === 'ended') throw connectionLost(state.reason, publishContext(ticket))
    this.#kind.check(message, state.name === 'online' ? state.connection.info : undefined)
    this.#budget.check()
    const publish = new PendingPublish(ticket, message, this.#budget, resolve, reject)
    // One that can be aborted waits for the end of the tick: until then nothing of it is sent.
    const atOnce = signal === undefined && state.name === 'online' && this.#unsent.length === 0
    if (atOnce && this.#mayWriteAtOnce(state, publish)) this.#write(publish, message, state)
    else {
      this.#unsent.add(publish, message)
      this.#writeSoon()
    }
    this.#rejectIfEnded(publish)
    this.metrics.published++
    if (signal !== undefined || timeout !== undefined) {
      const onTimeout = (milliseconds: number): void =>
        this.#abandon(publish, timedOut('basicPublish', milliseconds, publish.context))
      publish.watch(watchAbort(options, reason => this.#abandon(publish, reason), onTimeout))
    }
  }

  /** Each has an error of its own, unless there are very many: these would take a second for each million. */
  #rejectAll(reason: AmqpError): void {
    withoutStack(() => {
      const shared = connectionLost(reason, { operation: 'basicPublish' })
      let count = 0
      for (let publish = this.#unsent.shift(); publish !== undefined; publish = this.#unsent.shift()) {
        publish.reject(count++ < MOST_ERRORS ? connectionLost(reason, publish.context) : shared)
      }
    })
  }

  /** A getter in the headers may have closed the client, while the publish was in nobody's hands. */
  #rejectIfEnded(publish: PendingPublish): void {
    if (this.#state.name !== 'ended') return
    this.#unsent.remove(publish)
    publish.reject(connectionLost(this.#state.reason, publish.context))
  }

  /** What is risky may go by another channel than the one that it is encoded for: it takes the way of those that wait. */
  #mayWriteAtOnce({ connection, channel }: Online, publish: PendingPublish): boolean {
    if (!takesMore(connection) || this.#held.missing !== undefined) return false
    if (this.risks.riskOf(publish) !== undefined) return false
    return channel === undefined || channel.mayFollow(publish)
  }

  /** Whether a publish may be written now. What was known of its risk when it was accepted may not hold any more. */
  #mayWrite({ channel }: Online, publish: PendingPublish): boolean {
    publish.risk = this.risks.riskOf(publish)
    return channel === undefined || channel.mayFollow(publish)
  }

  #write(publish: PendingPublish, message: OutgoingMessage, state: Online): void {
    const { outbox } = state.connection
    const { writer } = outbox
    const channel = this.#channelOf(state)
    channel.beforeWrite(publish)
    outbox.lock()
    try {
      const encoded = encodeMessage(writer, this.#kind.number, message, outbox.frameMax, this.#envelopes)
      publish.hold(encoded)
      if (encoded.pieces === undefined) {
        writer.commit()
        outbox.schedule()
      } else {
        outbox.unitInPieces(encoded.pieces)
      }
    } finally {
      outbox.unlock()
    }
    channel.afterWrite(publish)
  }

  /** Writes a publish that has waited; rejects it if that is not possible, for want of a channel, say. */
  #writeUnsent(publish: PendingPublish, state: Online): void {
    try {
      this.#channelOf(state).write(publish)
    } catch (error) {
      publish.reject(withOperation(error, publish.context))
    }
  }

  /** Those that were held wait as the others do. */
  #release(): void {
    this.#unsent.putBack(this.#held.take())
  }

  #channelOf(state: Online): PublishChannel {
    state.channel ??= this.#kind.open(state.connection, this, state.again)
    return state.channel
  }

  #writeSoon(): void {
    if (this.#flushDue || this.#state.name !== 'online') return
    this.#flushDue = true
    this.#state.connection.outbox.beforeFlush(this)
  }

  #abandon(publish: PendingPublish, reason: unknown): void {
    publish.reject(reason)
    // What is abandoned is gone at once, wherever it stands.
    const waited = this.#held.remove(publish) || this.#unsent.remove(publish)
    if (!waited && this.#state.name === 'online') this.#state.channel?.abandon(publish)
    // Those behind it may have waited for it; but the same signal may be about to abandon them, too.
    this.#writeSoon()
  }
}

/** Whether bytes of publishes may be added to what the connection sends. */
function takesMore({ blocked, outbox }: PublishConnection): boolean {
  return blocked === undefined && !outbox.congested && !outbox.locked
}

/** Whether a limit on frames is lower than another; 0 means none. */
function isLower(limit: number, other: number): boolean {
  return limit !== 0 && (other === 0 || limit < other)
}
