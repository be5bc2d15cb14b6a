/**
 * Owns the deliveries of a subscription: which queue each of them came from, how it is settled where that queue is a
 * stream, and how many there may be. Knows nothing of how consumers begin and end.
 */
import type { Connection } from '../connection/connection.js'
import { CommandInvalidError } from '../errors.js'
import type { QueueConsumer } from './queue-consumer.js'
import { type Settlement, UnackedDeliveries } from './settlement.js'
import type { DeliveryWindow } from './wire-consumers.js'

const ACK: Settlement = { kind: 'ack', multiple: false }
/** More deliveries than this beyond the prefetch count break the protocol. */
const MOST_BEYOND_PREFETCH = 1000
/** RabbitMQ before 3.11 delivers a stream in whole chunks, of some thousand messages each. */
const MOST_BEYOND_OF_STREAMS = 65_536

export class Deliveries implements DeliveryWindow {
  readonly #unacked: UnackedDeliveries
  readonly #consumers: readonly QueueConsumer[]
  /** The one queue that all come from, or else where each comes from. */
  readonly #onlySource: QueueConsumer | undefined
  readonly #sources = new Map<number, QueueConsumer>()
  /** The present prefetch count. */
  #prefetch = 0
  /** So many may be unacknowledged, by prefetch counts. */
  #granted = 0

  constructor(connection: Connection, channel: number, consumers: readonly QueueConsumer[]) {
    this.#unacked = new UnackedDeliveries(channel, connection.outbox, connection.metrics)
    this.#consumers = consumers
    this.#onlySource = consumers.length === 1 ? consumers[0] : undefined
  }

  /** How many can still be settled. */
  get count(): number {
    return this.#unacked.count
  }

  /** How many frames of settlements were sent. */
  get sent(): number {
    return this.#unacked.sent
  }

  isOutstanding(tag: number): boolean {
    return this.#unacked.isOutstanding(tag)
  }

  /** The last tag that was delivered. */
  get top(): number {
    return this.#unacked.top
  }

  /** The broker has delivered all that the prefetch count of a consumer allows, and knows of no settlement of that. */
  isFull(consumer: QueueConsumer): boolean {
    const { before, prefetch } = consumer
    // Most are not full, which needs no counting.
    if (before === undefined || this.top - before < prefetch || this.#unacked.unsent < prefetch) return false
    const unsent = this.#unacked.unsentBehind(before).filter(tag => this.sourceOf(tag) === consumer)
    return unsent.length >= prefetch
  }

  /** Sends no acks until they are released, or for a short time, unless other frames need them to. */
  hold(): void {
    this.#unacked.hold(() => this.#forgetSettled())
  }

  release(): void {
    this.#unacked.release()
  }

  sourceOf(tag: number): QueueConsumer | undefined {
    return this.#onlySource ?? this.#sources.get(tag)
  }

  /** The broker may deliver so much for each queue, beside what was delivered before, or is on its way. */
  grant(prefetch: number): void {
    this.#granted = this.#unacked.count + this.#consumers.length * (this.#prefetch + prefetch)
    this.#prefetch = prefetch
  }

  /** A delivery came. Throws {@link CommandInvalidError} if it cannot have come now. */
  add(tag: number, source: QueueConsumer): void {
    this.#unacked.add(tag)
    if (this.#unacked.count > this.#granted + MOST_BEYOND_PREFETCH) this.#checkBound()
    if (this.#onlySource === undefined) this.#sources.set(tag, source)
  }

  /** Returns how many were settled: 0 if the broker has taken it back. Throws if it was settled before. */
  settle(tag: number, settlement: Settlement): number {
    const multiple = settlement.kind !== 'reject' && settlement.multiple
    const count = multiple ? this.#settleUpTo(tag, settlement) : this.#settleOne(tag, settlement)
    this.#forget(tag, multiple)
    return count
  }

  settleTooLate(tag: number): false {
    return this.#unacked.settleTooLate(tag)
  }

  autoAck(tag: number, soon: boolean): void {
    this.#unacked.autoAck(tag, soon)
    this.#forget(tag, true)
  }

  /** Gives back those that are outstanding, in as few frames as possible. */
  giveBack(tags: readonly number[]): void {
    for (const tag of tags) {
      if (this.#isFromStream(tag) && this.isOutstanding(tag)) this.#unacked.settle(tag, ACK)
    }
    this.#unacked.giveBack(tags)
    for (const tag of tags) this.#forget(tag, false)
  }

  /** Gives back all but what may be of a stream: to settle one of them is late from now on. */
  surrender(): void {
    this.flush()
    if (this.#consumers.every(({ isStream, isInDoubt }) => !isStream && !isInDoubt)) {
      this.#unacked.surrenderAll()
    } else {
      const tags = this.#unacked.outstanding()
      this.#unacked.surrender(tags.filter(tag => this.sourceOf(tag)?.maybeStream === false))
    }
  }

  /**
   * The broker has taken back what came from there, and is told so: RabbitMQ 4.3 keeps what has not timed out when it
   * cancels a consumer. Returns how much that was.
   */
  surrenderFrom(source: QueueConsumer): number {
    const all = this.#unacked.outstanding()
    const tags = all.filter(tag => this.sourceOf(tag) === source)
    this.#unacked.onFlush()
    // What is on its way here may be from a stream, which RabbitMQ before 3.11 lets nobody give anything back to.
    const noStreams = this.#consumers.every(({ maybeStream }) => !maybeStream)
    if (tags.length === 0 || source.maybeStream) this.#unacked.takeBack(tags)
    else if (tags.length === all.length && noStreams) this.#unacked.surrenderAll()
    else {
      this.#unacked.takeBack(tags)
      this.#unacked.returnEach(tags)
    }
    return tags.length
  }

  /** Sends the acks that are due. */
  flush(): void {
    this.#unacked.release()
    this.#unacked.onFlush()
  }

  onChannelClosed(): void {
    this.#unacked.onChannelClosed()
  }

  #checkBound(): void {
    const { count } = this.#unacked
    const anyStream = this.#consumers.some(({ maybeStream }) => maybeStream)
    if (anyStream && count <= this.#granted + MOST_BEYOND_OF_STREAMS) return
    const limit = `with a prefetch count of ${this.#prefetch}`
    throw new CommandInvalidError(`${count} messages were delivered and not acknowledged, ${limit}`)
  }

  #settleUpTo(tag: number, settlement: Settlement): number {
    const anyStream = this.#consumers.some(({ isStream }) => isStream)
    if (settlement.kind === 'ack' || !anyStream) return this.#unacked.settle(tag, settlement)
    // What lies between may belong to a stream, or to a queue.
    const single = { ...settlement, multiple: false }
    const earlier = this.#unacked.outstanding().filter(each => each < tag)
    let count = this.#settleOne(tag, single)
    if (count > 0) for (const each of earlier) count += this.#settleOne(each, single)
    return count
  }

  /**
   * A stream keeps its messages, whatever its readers say: to settle one means no more than that another may come.
   * RabbitMQ before 3.11 ends the connection if that is said by nack or reject (540), so it is said by ack.
   */
  #settleOne(tag: number, settlement: Settlement): number {
    return this.#unacked.settle(tag, this.#isFromStream(tag) ? ACK : settlement)
  }

  #isFromStream(tag: number): boolean {
    return this.sourceOf(tag)?.isStream === true
  }

  #forgetSettled(): void {
    for (const tag of this.#sources.keys()) if (!this.isOutstanding(tag)) this.#sources.delete(tag)
  }

  #forget(tag: number, multiple: boolean): void {
    if (this.#sources.size === 0 || this.#unacked.isHolding) return
    if (!multiple) {
      this.#sources.delete(tag)
      return
    }
    for (const each of this.#sources.keys()) {
      // They were added in order.
      if (each > tag) break
      this.#sources.delete(each)
    }
  }
}
