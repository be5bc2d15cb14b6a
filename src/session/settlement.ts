/**
 * Owns the settling of the deliveries of a channel: which are unacknowledged, and the acks that are gathered for the end
 * of this round of the event loop, or longer. An unbroken run of acks leaves as one `multiple` ack, the rest one by one.
 * Knows nothing of messages.
 */

import type { Metrics } from '../connection/metrics.js'
import type { FlushListener, Outbox } from '../connection/outbox.js'
import { AlreadySettledError } from '../errors.js'

/** How a message is settled. */
export type Settlement =
  | { readonly kind: 'ack'; readonly multiple: boolean }
  | { readonly kind: 'nack'; readonly multiple: boolean; readonly requeue: boolean }
  | { readonly kind: 'reject'; readonly requeue: boolean }

/** What a message needs to be settled. */
export interface Settler {
  /**
   * Settles a delivery. Returns false if the channel that delivered it is gone. Throws
   * {@link AlreadySettledError} if it was settled before.
   */
  settle(deliveryTag: number, settlement: Settlement): boolean
  /** The consumer tag as the user knows it. */
  publicTag(wireTag: string): string
}

const UNACKED = 0
/** Acked, and the ack is not sent yet. */
const DUE = 1
const SETTLED = 2

export class UnackedDeliveries implements FlushListener {
  readonly #channel: number
  readonly #outbox: Outbox
  readonly #metrics: Metrics
  /** All tags up to here are settled. */
  #floor = 0
  /** The last tag that was delivered. */
  #top = 0
  #count = 0
  #marks = new Uint8Array(64)
  #due: number[] = []
  /** What is due leaves at the end of this round. */
  #gathered = false
  /** The last delivery of those whose automatic ack is not sent yet, and how many these are. */
  #autoAcked = 0
  #autoAckCount = 0

  constructor(channel: number, outbox: Outbox, metrics: Metrics) {
    this.#channel = channel
    this.#outbox = outbox
    this.#metrics = metrics
  }

  /** How many deliveries are unacknowledged. */
  get count(): number {
    return this.#count
  }

  /** A delivery came. Tags count up from 1. */
  add(tag: number): void {
    if (tag - this.#floor > this.#marks.length) this.#grow(tag - this.#floor)
    this.#marks[tag & (this.#marks.length - 1)] = UNACKED
    this.#top = tag
    this.#count++
    this.#metrics.delivered++
  }

  /** Settles one delivery, or all up to it. Returns how many that were; never 0. */
  settle(tag: number, settlement: Settlement): number {
    const count = this.#settle(tag, settlement)
    this.#metrics.settled += count
    return count
  }

  /**
   * Acks a delivery, and all before it, which need no settling by their user. The ack leaves at the end of this round of
   * the event loop if it has to be `soon`, or else some milliseconds later, with others.
   */
  autoAck(tag: number, soon: boolean): void {
    if (this.#autoAckCount++ === 0) this.#outbox.gatherLonger(this)
    if (soon) this.#gather()
    this.#autoAcked = tag
    this.#floor = tag
    this.#count--
    this.#metrics.settled++
  }

  /** Somebody settles a delivery whose channel is gone: nothing is sent. Throws if it was settled before that. */
  settleTooLate(tag: number): false {
    this.#check(tag)
    this.#metrics.staleSettlements++
    return false
  }

  /** The channel is closed: acks that are due must not be sent on the next channel of its number. */
  onChannelClosed(): void {
    this.#due = []
    this.#autoAckCount = 0
  }

  /** Sends the acks that are due. */
  onFlush(): void {
    this.#gathered = false
    if (this.#autoAckCount > 0) {
      const multiple = this.#autoAckCount > 1
      this.#autoAckCount = 0
      this.#send(this.#autoAcked, multiple)
    }
    if (this.#due.length > 0) this.#sendDue(this.#due)
  }

  #sendDue(due: readonly number[]): void {
    this.#due = []
    let lastOfRun = 0
    let countOfRun = 0
    let tag = this.#floor
    while (tag < this.#top) {
      const mark = this.#mark(tag + 1)
      if (mark === UNACKED) break
      tag++
      if (mark === DUE) {
        lastOfRun = tag
        countOfRun++
      }
    }
    this.#floor = tag
    if (countOfRun > 0) this.#send(lastOfRun, countOfRun > 1)
    if (countOfRun === due.length) return
    for (const single of due) {
      if (single <= tag) continue
      this.#marks[single & (this.#marks.length - 1)] = SETTLED
      this.#send(single, false)
    }
  }

  #settle(tag: number, settlement: Settlement): number {
    this.#check(tag)
    if (settlement.kind === 'ack') return this.#ack(tag, settlement)
    const { requeue } = settlement
    if (settlement.kind === 'nack' && settlement.multiple) {
      // What was acked so far must not be swept up.
      this.onFlush()
      const count = this.#sweep(tag, SETTLED)
      this.#outbox.method(this.#channel, 'basic.nack', { deliveryTag: tag, multiple: true, requeue })
      return count
    }
    this.#marks[tag & (this.#marks.length - 1)] = SETTLED
    this.#count--
    const name = settlement.kind === 'nack' ? 'basic.nack' : 'basic.reject'
    this.#outbox.method(this.#channel, name, { deliveryTag: tag, multiple: false, requeue })
    this.#raiseFloor()
    return 1
  }

  #check(tag: number): void {
    if (tag > this.#floor && this.#mark(tag) === UNACKED) return
    throw new AlreadySettledError(`the message with delivery tag ${tag} is settled already`)
  }

  #ack(tag: number, { multiple }: Settlement & { kind: 'ack' }): number {
    this.#gather()
    if (multiple) return this.#sweep(tag, DUE)
    this.#marks[tag & (this.#marks.length - 1)] = DUE
    this.#due.push(tag)
    this.#count--
    return 1
  }

  #gather(): void {
    if (this.#gathered) return
    this.#gathered = true
    this.#outbox.gather(this)
  }

  /** Marks all outstanding tags up to `tag`. */
  #sweep(tag: number, mark: typeof DUE | typeof SETTLED): number {
    let count = 0
    for (let at = this.#floor + 1; at <= tag; at++) {
      if (this.#mark(at) !== UNACKED) continue
      this.#marks[at & (this.#marks.length - 1)] = mark
      if (mark === DUE) this.#due.push(at)
      count++
    }
    this.#count -= count
    if (mark === SETTLED) this.#raiseFloor()
    return count
  }

  #raiseFloor(): void {
    while (this.#floor < this.#top && this.#mark(this.#floor + 1) === SETTLED) this.#floor++
  }

  #send(deliveryTag: number, multiple: boolean): void {
    this.#outbox.method(this.#channel, 'basic.ack', { deliveryTag, multiple })
  }

  #mark(tag: number): number {
    return this.#marks[tag & (this.#marks.length - 1)] as number
  }

  #grow(span: number): void {
    let size = this.#marks.length
    while (size < span) size *= 2
    const marks = new Uint8Array(size)
    for (let tag = this.#floor + 1; tag <= this.#top; tag++) marks[tag & (size - 1)] = this.#mark(tag)
    this.#marks = marks
  }
}
