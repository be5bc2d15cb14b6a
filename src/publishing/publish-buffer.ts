/**
 * Owns what the two publishing channels have in common: whether a message is written at once or waits in line, in what
 * order, and that it can be given up as long as it waits. When it may be written, and what its outcome is, is for the
 * two kinds of line to say.
 */

import type { Channel, ChannelOwner } from '../connection/channel.js'
import type { Content } from '../connection/content.js'
import type { Metrics } from '../connection/metrics.js'
import type { FlushHook, Outbox } from '../connection/outbox.js'
import { type AmqpError, ArgumentError, ResourceError } from '../errors.js'
import { connectionLost, timedOut, withContext } from '../operation-errors.js'
import type { OperationOptions, ServerInfo } from '../options.js'
import { isConnectionFault, MAX_CONNECTION_FAULTS } from '../reply-codes.js'
import type { TicketCounter } from '../ticket.js'
import { checkAbortOptions, watchAbort } from '../util/abort.js'
import { Deque } from '../util/deque.js'
import { Writer } from '../wire/writer.js'
import { encodeMessage } from './message-encoder.js'
import { EnvelopeCache, type Message } from './message-envelope.js'
import { PendingPublish, type PublishBudget, publishContext } from './pending-publish.js'
import { PublishRisks } from './publish-risk.js'

/** The part of the connection that publishing needs. */
export interface PublishConnection {
  readonly outbox: Outbox
  readonly info: ServerInfo
  /** The broker asks not to publish. */
  readonly blocked: boolean
  openChannel(owner: ChannelOwner, reserved: number): Channel
}

export abstract class PublishBuffer implements ChannelOwner, FlushHook {
  /** What is not written yet, in order. */
  protected readonly unsent = new Deque<PendingPublish>()
  protected readonly risks = new PublishRisks()
  protected readonly number: number
  protected readonly metrics: Metrics
  readonly #counter: TicketCounter
  readonly #budget: PublishBudget
  /** Where messages are encoded that have to wait. */
  #waitingRoom: Writer | undefined
  readonly #envelopes = new EnvelopeCache()
  #home: PublishConnection | undefined
  /** The limit on a frame of the last connection; what waits is encoded for it. */
  #frameMax = 0
  #releaseDue = false
  #paused = false
  #endReason: AmqpError | undefined

  constructor(channelNumber: number, counter: TicketCounter, budget: PublishBudget, metrics: Metrics) {
    this.metrics = metrics
    this.number = channelNumber
    this.#counter = counter
    this.#budget = budget
  }

  /** Publishes; never throws, but rejects. */
  publish(message: Message, options: OperationOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const ticket = this.#counter.next()
      try {
        this.#accept(ticket, message, options, resolve, reject)
      } catch (error) {
        const ours = error instanceof ArgumentError || error instanceof ResourceError
        reject(ours ? withContext(error, publishContext(ticket)) : error)
      }
    })
  }

  /** Writes what waits, as far as that may be. */
  release(): void {
    for (let entry = this.unsent.peek(); entry !== undefined; entry = this.unsent.peek()) {
      if (entry.settled) {
        this.unsent.shift()
        continue
      }
      const home = this.#home
      if (home === undefined || !this.#writable(home) || !this.mayFollow(entry)) return
      this.unsent.shift()
      this.beforeWrite(entry, home)
      if (entry.written) this.metrics.resent++
      entry.writeTo(home.outbox)
      this.afterWrite(entry)
    }
  }

  onFlush(): void {
    this.#releaseDue = false
    this.release()
  }

  /** There is a connection: what waits leaves by it. */
  attach(home: PublishConnection): void {
    const { frameMax } = home.outbox
    if (isLower(frameMax, this.#frameMax)) for (const entry of this.unsent.items()) entry.reframe(frameMax)
    this.#home = home
    this.#frameMax = frameMax
    this.#paused = false
    this.release()
  }

  /** The connection is gone: what was in flight waits for the next one, unless it is not to be sent twice. */
  detach(reason: AmqpError): void {
    if (this.#home === undefined) return
    this.#home = undefined
    this.#releaseDue = false
    const hard = isConnectionFault(reason)
    const written = this.takeWritten()
    for (const entry of written) {
      if (!entry.repeatable || (hard && ++entry.hardLosses >= MAX_CONNECTION_FAULTS)) {
        entry.reject(connectionLost(reason, entry.context))
      }
    }
    this.putBack(written)
  }

  /** Nothing will be sent any more. */
  end(reason: AmqpError): void {
    if (this.#endReason !== undefined) return
    this.#endReason = reason
    this.#home = undefined
    for (const entry of [...this.takeWritten(), ...this.unsent.drain()]) {
      entry.reject(connectionLost(reason, entry.context))
    }
  }

  /** An exchange was deleted: a publish to it may bring the channel down. */
  exchangeDeleted(exchange: string): void {
    this.risks.doubt(exchange)
  }

  onFlow(active: boolean): void {
    this.#paused = !active
    if (active) this.release()
  }

  onClosed(error: AmqpError, lost: boolean): void {
    // The end of the connection is told by detach.
    if (lost || this.#home === undefined) return
    this.#paused = false
    this.onChannelClosed(error)
    this.release()
  }

  onDeliver(): void {}
  onReturn(_content: Content): void {}
  onConfirm(_deliveryTag: number, _multiple: boolean, _acked: boolean): void {}
  onCancel(): void {}

  /** Throws where a message may not be published on this line at all. */
  protected abstract check(message: Message): void
  /** Whether the message may be written behind those that are in flight. */
  protected abstract mayFollow(entry: PendingPublish): boolean
  /** The message is about to be written: the channel has to be there. */
  protected abstract beforeWrite(entry: PendingPublish, home: PublishConnection): void
  protected abstract afterWrite(entry: PendingPublish): void
  /** The broker closed the channel. */
  protected abstract onChannelClosed(error: AmqpError): void
  /** Takes all that is written and not settled; the channel is gone. */
  protected abstract takeWritten(): PendingPublish[]

  /** The connection; none while it is gone. */
  protected get home(): PublishConnection | undefined {
    return this.#home
  }

  /** Puts what has to be sent again at the head of the line; returns how many that are. */
  protected putBack(entries: PendingPublish[]): number {
    const again = entries.filter(entry => !entry.settled)
    for (const entry of again.toReversed()) {
      entry.written = true
      this.unsent.unshift(entry)
    }
    return again.length
  }

  /** Nothing but the order of messages keeps them from being written. */
  #writable(home: PublishConnection): boolean {
    return !home.blocked && !home.outbox.congested && !this.#paused
  }

  #accept(
    ticket: number,
    message: Message,
    options: OperationOptions,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ): void {
    const { signal, timeout } = options
    if (signal !== undefined || timeout !== undefined) checkAbortOptions(options)
    signal?.throwIfAborted()
    if (this.#endReason !== undefined) throw connectionLost(this.#endReason, publishContext(ticket))
    this.check(message)
    this.#budget.check()
    const entry = new PendingPublish(ticket, message, this.risks.of(message), this.#budget, resolve, reject)
    // One that can be aborted waits for the end of the tick: until then nothing of it is sent.
    const home = this.#home
    const free = home !== undefined && this.unsent.length === 0 && this.#writable(home)
    if (free && signal === undefined && this.mayFollow(entry)) {
      this.#writeNow(entry, message, home)
    } else {
      this.#wait(entry, message)
    }
    this.metrics.published++
    if (signal !== undefined || timeout !== undefined) {
      entry.stopWatching = watchAbort(
        options,
        reason => this.#giveUp(entry, reason),
        milliseconds => this.#giveUp(entry, timedOut('basicPublish', milliseconds, entry.context)),
      )
    }
  }

  #writeNow(entry: PendingPublish, message: Message, home: PublishConnection): void {
    const { outbox } = home
    const { writer } = outbox
    this.beforeWrite(entry, home)
    const encoded = encodeMessage(writer, this.number, message, outbox.frameMax, this.#envelopes)
    entry.hold(encoded)
    if (encoded.pieces === undefined) {
      writer.commit()
      outbox.schedule()
    } else {
      outbox.unitInPieces(encoded.pieces)
    }
    this.afterWrite(entry)
  }

  #wait(entry: PendingPublish, message: Message): void {
    this.#waitingRoom ??= new Writer()
    const encoded = encodeMessage(this.#waitingRoom, this.number, message, this.#frameMax, this.#envelopes)
    this.#waitingRoom.commit()
    entry.hold(encoded)
    this.unsent.push(entry)
    this.#releaseSoon()
  }

  #releaseSoon(): void {
    if (this.#releaseDue || this.#home === undefined) return
    this.#releaseDue = true
    this.#home.outbox.beforeFlush(this)
  }

  #giveUp(entry: PendingPublish, reason: unknown): void {
    entry.reject(reason)
    // Those behind it may have waited for it; but the same signal may be about to give them up, too.
    this.#releaseSoon()
  }
}

/** Whether a limit on frames is lower than another; 0 means none. */
function isLower(limit: number, other: number): boolean {
  return limit !== 0 && (other === 0 || limit < other)
}
