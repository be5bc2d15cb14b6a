/**
 * Owns the account of the messages of a run: which were published and not received yet, which came twice, or damaged.
 * Knows nothing of clients.
 */

const SMALL = 100
const LARGE = 65_536
/** One message of so many is a large one. */
const LARGE_EVERY = 1_000
const NUMBER_BYTES = 8

export class Ledger {
  received = 0
  duplicates = 0
  damaged = 0
  readonly #outstanding = new Set<number>()
  readonly #most: number
  #last = 0
  #waiting: (() => void)[] = []

  /** @param most Messages that may be on their way: the queues, and the disk of the broker, do not grow without end. */
  constructor(most: number) {
    this.#most = most
  }

  get published(): number {
    return this.#last
  }

  get outstanding(): number {
    return this.#outstanding.size
  }

  /** Resolves when another message may be on its way. */
  async room(): Promise<void> {
    while (this.#outstanding.size >= this.#most) {
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  /** Whether another message may be on its way now; most of the time it may, and a promise is saved. */
  get hasRoom(): boolean {
    return this.#outstanding.size < this.#most
  }

  /** The body of the next message: its number at the beginning and at the end. */
  issue(): Buffer {
    const number = ++this.#last
    this.#outstanding.add(number)
    const body = Buffer.alloc(number % LARGE_EVERY === 0 ? LARGE : SMALL)
    body.writeDoubleBE(number)
    body.writeDoubleBE(number, body.length - NUMBER_BYTES)
    return body
  }

  take(body: Buffer): void {
    this.received++
    const number = body.length < SMALL ? Number.NaN : body.readDoubleBE()
    if (!(number >= 1 && number <= this.#last) || body.readDoubleBE(body.length - NUMBER_BYTES) !== number) {
      this.damaged++
      return
    }
    if (!this.#outstanding.delete(number)) this.duplicates++
    if (this.#waiting.length > 0 && this.hasRoom) this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
