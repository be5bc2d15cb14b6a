/** A broker's own book of one channel, and an outbox that writes to it at once. */
import type { ArgsOf, Method, MethodName } from '../../../src/codec/methods.gen.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { type FlushListener, Outbox } from '../../../src/connection/outbox.js'

/** It knows nothing of ticks, and takes no settlement that it did not wait for. */
export class Book {
  readonly unsettled = new Set<number>()
  readonly acked = new Set<number>()
  readonly refused = new Set<number>()
  /** What it took back from a cancelled consumer, and still knows by its tag. */
  readonly takenBack = new Set<number>()
  /** The frames that came: method, tag, multiple. */
  readonly frames: [string, number, boolean][] = []

  take({ name, args }: Method): void {
    switch (name) {
      case 'basic.ack':
        this.#settle(name, args.deliveryTag, args.multiple, this.acked)
        break
      case 'basic.nack':
        this.#settle(name, args.deliveryTag, args.multiple, this.refused)
        break
      case 'basic.reject':
        this.#settle(name, args.deliveryTag, false, this.refused)
        break
      default:
        throw new Error(`${name} came`)
    }
  }

  takeBack(tags: readonly number[]): void {
    for (const tag of tags) if (this.unsettled.delete(tag)) this.takenBack.add(tag)
  }

  /** The first that a `multiple` frame must not reach. */
  get lowestKept(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.unsettled, ...this.takenBack)
  }

  #settle(name: string, tag: number, multiple: boolean, to: Set<number>): void {
    this.frames.push([name, tag, multiple])
    const revived = [...this.takenBack].filter(one => one === tag || (multiple && one < tag))
    if (revived.length > 0) throw new Error(`delivery tag ${revived} was taken back`)
    // RabbitMQ: 406, unknown delivery tag.
    if (!this.unsettled.has(tag)) throw new Error(`delivery tag ${tag} is not outstanding`)
    for (const one of multiple ? [...this.unsettled].filter(other => other <= tag) : [tag]) {
      this.unsettled.delete(one)
      to.add(one)
    }
  }
}

/** Hands each method to a book at once; what is gathered waits for a tick. */
export class BookOutbox extends Outbox {
  readonly book = new Book()
  #gathered = new Set<FlushListener>()

  constructor() {
    super(0, new Metrics())
  }

  override method<N extends MethodName>(_channel: number, name: N, args: ArgsOf<N>): void {
    this.book.take({ name, args } as unknown as Method)
  }

  override gather(listener: FlushListener): void {
    this.#gathered.add(listener)
  }

  override gatherLonger(listener: FlushListener): void {
    this.#gathered.add(listener)
  }

  tick(): void {
    const gathered = this.#gathered
    this.#gathered = new Set()
    for (const listener of gathered) listener.onFlush()
  }
}
