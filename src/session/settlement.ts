/**
 * Owns the settling of the deliveries of a channel: which are unacknowledged, and the acks that are gathered for the end
 * of this round of the event loop, or longer. An unbroken run of acks leaves as one `multiple` ack, the rest one by one.
 * Knows nothing of messages.
 */

import type { Metrics } from '../connection/metrics.js'
import type { FlushListener, Outbox } from '../connection/outbox.js'
import { AlreadySettledError, CommandInvalidError } from '../errors.js'
import { AckGathering } from './ack-gathering.js'
import { DeliveryMarks, DUE, SETTLED } from './delivery-marks.js'
import { TakenBack } from './taken-back.js'

/** How a message is settled. */
export type Settlement =
  | { readonly kind: 'ack'; readonly multiple: boolean }
  | { readonly kind: 'nack'; readonly multiple: boolean; readonly requeue: boolean }
  | { readonly kind: 'reject'; readonly requeue: boolean }

/** What a message needs to be settled. */
export interface Settler {
  /**
   * Settles a delivery. Returns false if the broker has taken it back, or the channel that delivered it is gone. Throws
   * {@link AlreadySettledError} if it was settled before.
   */
  settle(deliveryTag: number, settlement: Settlement): boolean
  /** Acks a delivery, and all before it, which need no settling by their user; `soon`, or some milliseconds later. */
  autoAck(deliveryTag: number, soon: boolean): void
  /** Gives deliveries back that nobody has looked at. */
  giveBack(deliveryTags: readonly number[]): void
  /** A delivery can still be settled. */
  isOutstanding(deliveryTag: number): boolean
  /** The consumer tag as the user knows it. */
  publicTag(wireTag: string): string
  /** Whether the consumer of this tag reads a stream. */
  isFromStream(wireTag: string): boolean
}

export class UnackedDeliveries implements FlushListener {
  readonly #channel: number
  readonly #outbox: Outbox
  readonly #metrics: Metrics
  readonly #marks = new DeliveryMarks()
  /** Undefined until something is. */
  #takenBack: TakenBack | undefined
  #count = 0
  #sent = 0
  #due: number[] = []
  readonly #gathering: AckGathering
  /**
   * The last of the automatic acks that are not sent yet, and how many these are. They are an unbroken run, for which one
   * ack will do: so they have no marks.
   */
  #autoAcked = 0
  #autoAckCount = 0

  constructor(channel: number, outbox: Outbox, metrics: Metrics) {
    this.#channel = channel
    this.#outbox = outbox
    this.#metrics = metrics
    this.#gathering = new AckGathering(outbox, this)
  }

  /** How many deliveries are outstanding: unacknowledged, and not taken back by the broker. */
  get count(): number {
    return this.#count
  }

  /** How many frames of settlements were sent. */
  get sent(): number {
    return this.#sent
  }

  /** The last tag that was delivered. */
  get top(): number {
    return this.#marks.top
  }

  isOutstanding(tag: number): boolean {
    return this.#marks.isOutstanding(tag)
  }

  /** The tags of all that are outstanding, in order. */
  outstanding(): number[] {
    return this.#marks.outstanding()
  }

  /** The tags behind this one of whose settlement the broker does not know yet. */
  unsentBehind(tag: number): number[] {
    const autoAcked: number[] = []
    const before = Math.max(tag, this.#autoAcked - this.#autoAckCount)
    for (let each = before + 1; each <= this.#autoAcked; each++) autoAcked.push(each)
    return [...autoAcked, ...this.#marks.unsettledBehind(tag)]
  }

  /** How many deliveries there are of whose settlement the broker does not know yet. */
  get unsent(): number {
    return this.#count + this.#due.length + this.#autoAckCount
  }

  /**
   * A delivery came, to a consumer or to basic.get. Throws {@link CommandInvalidError} unless its tag is the next one of
   * the channel, which counts them from 1.
   */
  add(tag: number): void {
    if (!this.#marks.add(tag)) this.#addToFull(tag)
    this.#count++
    this.#metrics.delivered++
  }

  /**
   * Settles one delivery, or all up to it. Returns how many that were: 0 if the broker has taken that one back. Throws
   * {@link AlreadySettledError} if it was settled before.
   */
  settle(tag: number, settlement: Settlement): number {
    const count = this.#settle(tag, settlement)
    if (count > 0) {
      this.#count -= count
      this.#metrics.settled += count
    } else {
      this.settleTooLate(tag)
    }
    return count
  }

  /**
   * Acks a delivery, and all before it, which need no settling by their user. The ack leaves at the end of this round of
   * the event loop if it has to be `soon`, or else some milliseconds later, with others.
   */
  autoAck(tag: number, soon: boolean): void {
    if (this.#autoAckCount === 0) this.#gathering.gatherLonger()
    if (soon) this.#gathering.gather()
    let count = 1
    const inRun = this.#autoAckCount === 0 || tag === this.#autoAcked + 1
    if (inRun && this.#takenBack === undefined && this.#marks.pass(tag)) {
      this.#autoAcked = tag
      this.#autoAckCount++
    } else {
      count = this.#ackUpTo(tag)
    }
    this.#count -= count
    this.#metrics.settled += count
  }

  /**
   * Gives back those of the deliveries that are outstanding, by nack. All of them that lie before any other outstanding
   * one go in one frame, each of the rest in a frame of its own, in the order given. `frames` is how many these are
   * together, and `count` how many deliveries.
   */
  giveBack(tags: readonly number[]): { readonly count: number; readonly frames: number } {
    // What was acked so far must not be swept up.
    this.onFlush()
    const given = tags.filter(tag => this.#marks.mark(tag, SETTLED))
    this.#count -= given.length
    this.#metrics.settled += given.length
    const frames = this.#send(given, true)
    return { count: given.length, frames }
  }

  /** Acks leave only when they are released, or after a short time, unless a frame has to come behind them. */
  hold(onReleased: () => void): void {
    this.#gathering.hold(onReleased)
  }

  get isHolding(): boolean {
    return this.#gathering.isHolding
  }

  release(): void {
    this.#gathering.release()
  }

  /** Gives back deliveries that their user may hold: to settle one of them is late from now on. */
  surrender(tags: readonly number[]): void {
    this.giveBack(tags)
    this.#takenBack ??= new TakenBack()
    for (const tag of tags) this.#takenBack.add(tag, false)
  }

  /** The same of all deliveries, and of what is on its way here. */
  surrenderAll(): void {
    this.onFlush()
    this.takeBack(this.outstanding())
    // A tag of 0 stands for all that the broker has sent on this channel.
    this.#write(0, true, true)
  }

  /** Sends a nack for each of these deliveries, which the broker has taken back, or so it seems. */
  returnEach(tags: readonly number[]): void {
    for (const tag of tags) this.#write(tag, false, true)
  }

  /**
   * The broker has taken deliveries back, for example because it has cancelled their consumer: nothing is sent for them
   * any more, be it an ack that is due. Those that were settled before are passed over.
   */
  takeBack(tags: readonly number[]): void {
    this.#markAutoAcked()
    for (const tag of tags) {
      const mark = this.#marks.get(tag)
      if (mark === SETTLED) continue
      this.#takenBack ??= new TakenBack()
      this.#takenBack.add(tag, mark === DUE)
      this.#marks.set(tag, SETTLED)
      if (mark !== DUE) this.#count--
    }
    this.#due = this.#due.filter(tag => this.#marks.get(tag) === DUE)
    this.#marks.raiseFloor()
  }

  /**
   * Somebody settles a delivery that the broker has taken back, or whose channel is gone: nothing is sent. Throws if it
   * was settled before that.
   */
  settleTooLate(tag: number): false {
    if (!this.isOutstanding(tag) && this.#takenBack?.has(tag) !== true) {
      throw new AlreadySettledError(`the message with delivery tag ${tag} is settled already`)
    }
    this.#metrics.staleSettlements++
    return false
  }

  /** The channel is closed: acks that are due must not be sent on the next channel of its number. */
  onChannelClosed(): void {
    this.#gathering.stop()
    this.#due = []
    this.#autoAckCount = 0
  }

  /** Sends the acks that are due. */
  onFlush(): void {
    this.#gathering.onFlush()
    if (this.#autoAckCount > 0) {
      const multiple = this.#autoAckCount > 1
      this.#autoAckCount = 0
      this.#write(this.#autoAcked, multiple)
    }
    if (this.#due.length > 0) this.#sendDue(this.#due)
  }

  #sendDue(due: readonly number[]): void {
    this.#due = []
    const marks = this.#marks
    if (marks.hasLate || this.#takenBack !== undefined) {
      for (const tag of due) marks.set(tag, SETTLED)
      this.#send(due)
      return
    }
    const lastOfRun = marks.passDue()
    const countOfRun = marks.dueCount
    if (countOfRun > 0) this.#write(lastOfRun, countOfRun > 1)
    if (countOfRun === due.length) return
    for (const tag of due) {
      if (tag <= marks.floor) continue
      marks.set(tag, SETTLED)
      this.#write(tag, false)
    }
  }

  /** Returns how many were settled. */
  #settle(tag: number, settlement: Settlement): number {
    if (settlement.kind === 'ack') {
      const { multiple } = settlement
      if (multiple ? !this.#marks.isOutstanding(tag) : !this.#marks.mark(tag, DUE)) return 0
      this.#gathering.gather()
      if (multiple) return this.#ackUpTo(tag)
      this.#due.push(tag)
      return 1
    }
    const { requeue } = settlement
    if (settlement.kind === 'nack' && settlement.multiple) {
      if (!this.#marks.isOutstanding(tag)) return 0
      // What was acked so far must not be swept up.
      this.onFlush()
      const tags: number[] = []
      this.#marks.sweep(tag, SETTLED, tags)
      this.#send(tags, requeue)
      return tags.length
    }
    if (!this.#marks.mark(tag, SETTLED)) return 0
    this.#marks.raiseFloor()
    const name = settlement.kind === 'nack' ? 'basic.nack' : 'basic.reject'
    this.#sent++
    this.#outbox.method(this.#channel, name, { deliveryTag: tag, multiple: false, requeue })
    return 1
  }

  #ackUpTo(tag: number): number {
    const before = this.#due.length
    this.#marks.sweep(tag, DUE, this.#due)
    return this.#due.length - before
  }

  /** Makes the automatic acks that are not sent yet acks like all others. */
  #markAutoAcked(): void {
    for (let tag = this.#autoAcked - this.#autoAckCount + 1; tag <= this.#autoAcked; tag++) {
      this.#marks.set(tag, DUE)
      this.#due.push(tag)
    }
    this.#autoAckCount = 0
  }

  /** The ring of marks is full, or the tag is not the next one. */
  #addToFull(tag: number): void {
    const next = this.#marks.top + 1
    // A tag is what the peer says: room is never made for one that it made up.
    if (tag !== next) throw new CommandInvalidError(`delivery tag ${tag} came, but ${next} was the next one`)
    if (this.#marks.isCrowdedBy(this.#count + this.#due.length)) {
      this.#marks.grow()
    } else {
      this.onFlush()
      this.#marks.moveLate()
    }
    this.#marks.add(tag)
  }

  /** Acks what is marked as settled by now, or nacks it where `requeue` is given. Returns how many frames it took. */
  #send(tags: readonly number[], requeue?: boolean): number {
    this.#marks.raiseFloor()
    // The first one that must not be swept up.
    const kept = Math.min(this.#marks.lowest(), this.#takenBack?.lowest ?? Number.POSITIVE_INFINITY)
    const run = tags.filter(tag => tag < kept)
    if (run.length > 0)
      this.#write(
        run.reduce((last, tag) => Math.max(last, tag)),
        run.length > 1,
        requeue,
      )
    for (const tag of tags) if (tag > kept) this.#write(tag, false, requeue)
    return tags.length - run.length + Math.min(run.length, 1)
  }

  #write(deliveryTag: number, multiple: boolean, requeue?: boolean): void {
    this.#sent++
    if (requeue === undefined) this.#outbox.method(this.#channel, 'basic.ack', { deliveryTag, multiple })
    else this.#outbox.method(this.#channel, 'basic.nack', { deliveryTag, multiple, requeue })
  }
}
