/**
 * Owns the publishes that wait to be written on one of the two publishing channels, over all connections: whether a
 * message is written at once or waits, in what order, and that it can be abandoned as long as it waits. What may follow
 * what is in flight, and what the outcome is, is for the channel to say.
 */
import type { Metrics } from '../connection/metrics.js'
import { type AmqpError, ResourceError } from '../errors.js'
import { connectionLost, timedOut, withOperation } from '../operation-errors.js'
import type { OperationOptions } from '../options.js'
import { isConnectionFault, MAX_CONNECTION_FAULTS } from '../reply-codes.js'
import type { TicketCounter } from '../ticket.js'
import { checkAbortOptions, watchAbort } from '../util/abort.js'
import { LinkedList } from '../util/linked-list.js'
import { Writer } from '../wire/writer.js'
import { encodeMessage } from './message-encoder.js'
import { EnvelopeCache, type OutgoingMessage } from './message-envelope.js'
import { PendingPublish, publishContext } from './pending-publish.js'
import type { PublishBudget } from './publish-budget.js'
import type { PublishChannel, PublishChannelHost, PublishConnection, PublishKind } from './publish-channel.js'
import { PublishRisks } from './publish-risk.js'

interface Online {
  readonly name: 'online'
  readonly connection: PublishConnection
  /** Opened with the first publish, and after the broker has closed it with the next one. */
  channel: PublishChannel | undefined
}

type State = { readonly name: 'offline' } | Online | { readonly name: 'ended'; readonly reason: AmqpError }

const OFFLINE: State = { name: 'offline' }

export class PublishBuffer implements PublishChannelHost {
  readonly metrics: Metrics
  readonly risks = new PublishRisks()
  readonly #kind: PublishKind
  readonly #counter: TicketCounter
  readonly #budget: PublishBudget
  /** What is not written yet, in order. */
  readonly #unsent = new LinkedList<PendingPublish>()
  readonly #envelopes = new EnvelopeCache()
  /** Where messages are encoded that have to wait. */
  #unsentWriter: Writer | undefined
  #state: State = OFFLINE
  /** The limit on a frame of the last connection; what waits is encoded for it. */
  #frameMax = 0
  #flushDue = false

  constructor(kind: PublishKind, counter: TicketCounter, budget: PublishBudget, metrics: Metrics) {
    this.metrics = metrics
    this.#kind = kind
    this.#counter = counter
    this.#budget = budget
  }

  /** Publishes; never throws, but rejects. */
  publish(message: OutgoingMessage, options: OperationOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const ticket = this.#counter.next()
      try {
        this.#accept(ticket, message, options, resolve, reject)
      } catch (error) {
        reject(withOperation(error, publishContext(ticket)))
      }
    })
  }

  /** There is a connection: what waits leaves by it. */
  attach(connection: PublishConnection): void {
    if (this.#state.name === 'ended') return
    const { frameMax } = connection.outbox
    if (isLower(frameMax, this.#frameMax)) {
      for (let publish = this.#unsent.peek(); publish !== undefined; ) {
        const { next } = publish
        publish.reframe(frameMax)
        if (publish.settled) this.#unsent.remove(publish)
        publish = next
      }
    }
    this.#frameMax = frameMax
    this.#state = { name: 'online', connection, channel: undefined }
    this.writePending()
  }

  /** The connection is gone. Its channel says what becomes of those in flight. */
  detach(): void {
    if (this.#state.name !== 'online') return
    this.#state = OFFLINE
    this.#flushDue = false
    this.#kind.reset()
  }

  /** Nothing will be sent any more. */
  end(reason: AmqpError): void {
    const state = this.#state
    if (state.name === 'ended') return
    this.#state = { name: 'ended', reason }
    const inFlight = state.name === 'online' ? (state.channel?.takeInFlight() ?? []) : []
    for (const publish of [...inFlight, ...this.#unsent.drain()]) {
      publish.reject(connectionLost(reason, publish.context))
    }
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
      if (state.name !== 'online' || !this.#mayWrite(state, next)) return
      const channel = this.#openFor(next, state)
      if (channel === undefined) continue
      this.#unsent.shift()
      channel.beforeWrite(next)
      if (next.written) this.metrics.resent++
      next.writeTo(state.connection.outbox)
      channel.afterWrite(next)
    }
  }

  onFlush(): void {
    this.#flushDue = false
    this.writePending()
  }

  putBack(publishes: PendingPublish[]): number {
    const again = publishes.filter(publish => !publish.settled)
    for (const publish of again.toReversed()) {
      publish.written = true
      this.#unsent.unshift(publish)
    }
    return again.length
  }

  onChannelClosed(): void {
    if (this.#state.name === 'online') this.#state.channel = undefined
    this.writePending()
  }

  /** What was in flight waits for the next connection, unless it must not be sent twice. */
  onChannelLost(reason: AmqpError, inFlight: PendingPublish[]): void {
    const fault = isConnectionFault(reason)
    for (const publish of inFlight) {
      if (!publish.repeatable || (fault && ++publish.connectionFaults >= MAX_CONNECTION_FAULTS)) {
        publish.reject(connectionLost(reason, publish.context))
      }
    }
    this.putBack(inFlight)
  }

  #accept(
    ticket: number,
    message: OutgoingMessage,
    options: OperationOptions,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ): void {
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
    if (atOnce && this.#mayWrite(state, publish)) this.#write(publish, message, state)
    else this.#add(publish, message)
    this.#rejectIfEnded(publish)
    this.metrics.published++
    if (signal !== undefined || timeout !== undefined) {
      publish.stopWatching = watchAbort(
        options,
        reason => this.#abandon(publish, reason),
        milliseconds => this.#abandon(publish, timedOut('basicPublish', milliseconds, publish.context)),
      )
    }
  }

  /** A getter in the headers may have closed the client, while the publish was in nobody's hands. */
  #rejectIfEnded(publish: PendingPublish): void {
    if (this.#state.name !== 'ended') return
    this.#unsent.remove(publish)
    publish.reject(connectionLost(this.#state.reason, publish.context))
  }

  /** Whether a publish may be written now. What was known of its risk when it was accepted may not hold any more. */
  #mayWrite({ connection, channel }: Online, publish: PendingPublish): boolean {
    const { outbox } = connection
    if (connection.blocked !== undefined || outbox.congested || outbox.locked) return false
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

  #add(publish: PendingPublish, message: OutgoingMessage): void {
    // A getter in the headers may publish, too: that message takes another writer.
    const writer = this.#unsentWriter ?? new Writer()
    this.#unsentWriter = undefined
    const encoded = encodeMessage(writer, this.#kind.number, message, this.#frameMax, this.#envelopes)
    writer.commit()
    this.#unsentWriter = writer
    publish.hold(encoded)
    this.#unsent.push(publish)
    this.#writeSoon()
  }

  /** The channel for a publish that has waited; rejects the publish if the connection has none left. */
  #openFor(publish: PendingPublish, state: Online): PublishChannel | undefined {
    try {
      return this.#channelOf(state)
    } catch (error) {
      if (!(error instanceof ResourceError)) throw error
      publish.reject(withOperation(error, publish.context))
      return undefined
    }
  }

  #channelOf(state: Online): PublishChannel {
    state.channel ??= this.#kind.open(state.connection, this)
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
    if (!this.#unsent.remove(publish) && this.#state.name === 'online') this.#state.channel?.abandon(publish)
    // Those behind it may have waited for it; but the same signal may be about to abandon them, too.
    this.#writeSoon()
  }
}

/** Whether a limit on frames is lower than another; 0 means none. */
function isLower(limit: number, other: number): boolean {
  return limit !== 0 && (other === 0 || limit < other)
}
