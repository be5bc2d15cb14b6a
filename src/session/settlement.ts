/**
 * Owns what became of the deliveries of one life of one channel: which are outstanding, and the acks that are gathered
 * for the end of this round of the event loop, or longer. An unbroken run of acks leaves as one `multiple` ack, the rest
 * exactly. Knows nothing of messages.
 */

import type { FlushHook, Outbox } from '../connection/outbox.js'
import { AlreadySettledError } from '../errors.js'

/** How a message is settled. */
export type Settlement =
  | { readonly kind: 'ack'; readonly multiple: boolean }
  | { readonly kind: 'nack'; readonly multiple: boolean; readonly requeue: boolean }
  | { readonly kind: 'reject'; readonly requeue: boolean }

/** What a message needs to be settled. */
export interface Settler {
  /**
   * Settles a delivery. Returns false where the channel that delivered it is gone. Throws
   * {@link AlreadySettledError} where it was settled before.
   */
  settle(deliveryTag: number, settlement: Settlement): boolean
  /** The consumer tag as the user knows it. */
  publicTag(wireTag: string): string
}

const OUTSTANDING = 0
/** Acked, and not yet sent. */
const DUE = 1
const SETTLED = 2

export class UnackedDeliveries implements FlushHook {
  readonly #channel: number
  readonly #outbox: Outbox
  /** All tags up to here are settled. */
  #floor = 0
  /** The last tag that was delivered. */
  #top = 0
  #outstanding = 0
  #marks = new Uint8Array(64)
  #due: number[] = []
  /** What is due leaves at the end of this round. */
  #gathered = false
  /** The last delivery that was released and not acked, and how many there are up to it; 0 where there is none. */
  #released = 0
  #releasedCount = 0

  constructor(channel: number, outbox: Outbox) {
    this.#channel = channel
    this.#outbox = outbox
  }

  /** How many deliveries are not settled. */
  get outstanding(): number {
    return this.#outstanding
  }

  /** A delivery came. Tags count up from 1. */
  delivered(tag: number): void {
    if (tag - this.#floor > this.#marks.length) this.#grow(tag - this.#floor)
    this.#marks[tag & (this.#marks.length - 1)] = OUTSTANDING
    this.#top = tag
    this.#outstanding++
    this.#outbox.metrics.delivered++
  }

  /** Settles one delivery, or all up to it. Returns how many that were; never 0. */
  settle(tag: number, settlement: Settlement): number {
    const count = this.#settle(tag, settlement)
    this.#outbox.metrics.settled += count
    return count
  }

  /**
   * This delivery, and whatever came before it, needs no settling by its user. The broker hears of it at the end of this
   * round of the event loop if it has to be `soon`, or else some milliseconds later, with others.
   */
  release(tag: number, soon: boolean): void {
    if (this.#releasedCount++ === 0) this.#outbox.gatherLonger(this)
    if (soon) this.#gather()
    this.#released = tag
    this.#floor = tag
    this.#outstanding--
    this.#outbox.metrics.settled++
  }

  /** Somebody settles a delivery whose channel is gone: nothing is sent. Throws where it was settled before that. */
  settleTooLate(tag: number): false {
    this.#check(tag)
    this.#outbox.metrics.staleSettlements++
    return false
  }

  /** The channel is gone: acks that are due must not reach whoever gets its number next. */
  onChannelGone(): void {
    this.#due = []
    this.#releasedCount = 0
  }

  /** Sends the acks that are due. */
  onFlush(): void {
    this.#gathered = false
    if (this.#releasedCount > 0) {
      const multiple = this.#releasedCount > 1
      this.#releasedCount = 0
      this.#send(this.#released, multiple)
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
      if (mark === OUTSTANDING) break
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
    this.#outstanding--
    const name = settlement.kind === 'nack' ? 'basic.nack' : 'basic.reject'
    this.#outbox.method(this.#channel, name, { deliveryTag: tag, multiple: false, requeue })
    this.#raiseFloor()
    return 1
  }

  #check(tag: number): void {
    if (tag > this.#floor && this.#mark(tag) === OUTSTANDING) return
    throw new AlreadySettledError(`the message with delivery tag ${tag} is settled already`)
  }

  #ack(tag: number, { multiple }: Settlement & { kind: 'ack' }): number {
    this.#gather()
    if (multiple) return this.#sweep(tag, DUE)
    this.#marks[tag & (this.#marks.length - 1)] = DUE
    this.#due.push(tag)
    this.#outstanding--
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
      if (this.#mark(at) !== OUTSTANDING) continue
      this.#marks[at & (this.#marks.length - 1)] = mark
      if (mark === DUE) this.#due.push(at)
      count++
    }
    this.#outstanding -= count
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
