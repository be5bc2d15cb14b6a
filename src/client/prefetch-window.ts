/**
 * Owns the arithmetic of prefetch: how many messages the user may hold, and what the broker is asked for so that this
 * works out. The broker's count is per queue (never `global`); the user's is over all queues of a consumer.
 */
import { ArgumentError } from '../errors.js'

/** What the broker is asked for at first where the user sets no limit: enough to keep a fast reader busy. */
const UNLIMITED_START = 1000
const MOST = 65_535

export class PrefetchWindow {
  /** How many messages may be handed out and not settled; 0: no limit. */
  #limit: number
  /** The broker's prefetch count per queue; never 0, which would be no limit, and streams refuse it. */
  #wire: number
  /**
   * How many messages were handed out since the broker was asked for a window, without a limit; without acks of the user,
   * since the broker had to hear of it last.
   */
  #taken = 0
  readonly #noAck: boolean
  /** The user has named a count. */
  #chosen = false

  constructor(limit: number | undefined, noAck: boolean) {
    this.#noAck = noAck
    this.#limit = 0
    this.#wire = UNLIMITED_START
    this.set(limit ?? 0)
    this.#chosen = limit !== undefined
  }

  /** The broker's prefetch count per queue. */
  get wire(): number {
    return this.#wire
  }

  /**
   * Sets the user's count. Returns whether that changes what the broker is asked for. Throws {@link ArgumentError} where
   * it is none.
   */
  set(limit: number): boolean {
    if (!Number.isInteger(limit) || limit < 0 || limit > MOST) {
      throw new ArgumentError(`prefetchCount must be a whole number from 0 to ${MOST}, got ${String(limit)}`)
    }
    const changes = limit !== this.#limit
    this.#chosen = true
    if (!changes) return false
    this.#limit = limit
    this.#wire = limit === 0 ? UNLIMITED_START : limit
    this.#taken = 0
    return true
  }

  /**
   * Sets a count for a user who has named none, and settles messages at all. Returns whether that changes what the broker
   * is asked for.
   */
  suggest(limit: number): boolean {
    return !this.#chosen && !this.#noAck && limit <= MOST && this.set(limit)
  }

  /** Whether one more may be handed out, with so many out already. */
  allows(handedOut: number): boolean {
    return this.#limit === 0 || handedOut < this.#limit
  }

  /**
   * One more is handed out that needs no ack of the user. Returns whether the broker has to hear of it soon: half of its
   * window is used up.
   */
  take(): boolean {
    this.#taken++
    if (2 * this.#taken < this.#wire) return false
    this.#taken = 0
    return true
  }

  /**
   * One more is handed out. A user without a limit may hold more than the broker was asked for: returns true where it
   * must be asked for another window, a larger one if possible, so that a reader who settles late, or never, does not
   * run dry. A consumer anew gets a window that what came before does not count in.
   */
  grow(handedOut: number): boolean {
    if (this.#limit !== 0) return false
    this.#taken++
    const half = this.#wire / 2
    if (handedOut < half || this.#taken < half) return false
    this.#taken = 0
    this.#wire = Math.min(2 * this.#wire, MOST)
    return true
  }
}
