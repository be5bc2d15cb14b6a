/**
 * Owns what has to be true of the messages of a run: each is processed, none comes again that was acked unless a fault lies
 * between, and a stream is read in order and without gaps. Knows nothing of how consumers read.
 */

/** Something that may undo what a consumer settles, until the client knows of it. */
export interface Fault {
  /** When the client came to know of it, by the clock of `performance`. */
  ended: number
}

interface Entry {
  readonly queue: number
  /** It is processed: it was acked, or handed out without acks. */
  processed: boolean
  handedOut: number
  /** When it was settled for good, and by whom; undefined if it may come again. */
  settledAt: number | undefined
  settledBy: FaultHistory | undefined
  /** Published again when its queue was gone: then it may be there twice. */
  copied: boolean
}

/** The faults that have hit one consumer. */
export class FaultHistory {
  readonly #faults: Fault[] = []

  /** A fault begins; it ends with `noticed`, or never. */
  add(noticed?: Promise<unknown>): Fault {
    const fault = { ended: Number.POSITIVE_INFINITY }
    this.#faults.push(fault)
    void noticed?.then(() => {
      fault.ended = performance.now()
    })
    return fault
  }

  /** What was settled then may have been undone. */
  endangers(time: number): boolean {
    return this.#faults.some(({ ended }) => ended >= time)
  }
}

export class Ledger {
  /** What must not have happened. */
  readonly troubles: string[] = []
  /** How often a message came that was processed before. */
  duplicates = 0
  readonly #entries = new Map<string, Entry>()
  /** How many messages each stream has. */
  readonly #offsets = new Map<number, number>()

  get published(): number {
    return this.#entries.size
  }

  get handedOut(): number {
    return [...this.#entries.values()].reduce((sum, { handedOut }) => sum + handedOut, 0)
  }

  /** A number for a message of a queue that forgets what is acked. */
  newMessage(queue: number): string {
    const id = `${queue}:${this.#entries.size}`
    const fresh = {
      processed: false,
      handedOut: 0,
      settledAt: undefined,
      settledBy: undefined,
      copied: false,
    }
    this.#entries.set(id, { queue, ...fresh })
    return id
  }

  /** A number for a message of a stream. */
  newOffset(queue: number): string {
    const offset = this.length(queue)
    this.#offsets.set(queue, offset + 1)
    return `${queue}:${offset}`
  }

  /** How many messages a stream has. */
  length(queue: number): number {
    return this.#offsets.get(queue) ?? 0
  }

  /** A message was handed out. */
  takenOut(id: string, noAck: boolean, by: FaultHistory): void {
    const entry = this.#entry(id)
    entry.handedOut++
    if (entry.processed) this.duplicates++
    const { settledAt, settledBy, copied } = entry
    if (settledAt !== undefined && !copied && settledBy?.endangers(settledAt) === false) {
      const ago = Math.round(performance.now() - settledAt)
      this.troubles.push(`message ${id} came again ${ago} ms after it was settled, without a fault`)
    }
    entry.settledAt = undefined
    if (noAck) this.settled(id, by)
  }

  /** It was acked. */
  settled(id: string, by: FaultHistory): void {
    const entry = this.#entry(id)
    entry.processed = true
    entry.settledAt = performance.now()
    entry.settledBy = by
  }

  /** The queue is gone, with everything in it. Returns what has to be published again. */
  lost(queue: number): string[] {
    const lost: string[] = []
    for (const [id, entry] of this.#entries) {
      if (entry.queue !== queue || entry.processed) continue
      entry.copied = true
      lost.push(id)
    }
    return lost
  }

  /** What was not processed yet. */
  missing(): string[] {
    return [...this.#entries].filter(([, { processed }]) => !processed).map(([id]) => id)
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw new Error(`nobody has published message ${id}`)
    return entry
  }
}

/** How far one consumer has read a stream. */
export class StreamReading {
  #next = 0
  #repeats: number | undefined

  get next(): number {
    return this.#next
  }

  /** Returns what is wrong with getting this offset now. */
  read(offset: number, faulty: boolean): string | undefined {
    const expected = this.#repeats ?? this.#next
    if (offset > this.#next || (offset > expected && this.#repeats !== undefined)) {
      return `offset ${offset} came, but ${expected} was the next one`
    }
    if (offset < expected && !faulty) return `offset ${offset} came again, without a fault`
    this.#repeats = offset + 1
    this.#next = Math.max(this.#next, offset + 1)
    return undefined
  }
}
