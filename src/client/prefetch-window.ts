/**
 * Owns the arithmetic of prefetch: how many messages the user may hold, and the prefetch count that the broker is asked
 * for so that this works out. The broker's count is per queue (never `global`); the user's is over all queues of a
 * consumer.
 */
import { checkWhole } from '../util/check.js'

/** The broker's prefetch count at first if the user sets no limit: enough to keep a fast reader busy. */
const UNLIMITED_START = 1000
const MAX_COUNT = 65_535

export class PrefetchWindow {
  /** How many messages may be handed out and unacknowledged; 0: no limit. */
  #limit = 0
  /** The broker's prefetch count per queue; never 0, which would be no limit, and streams refuse it. */
  #wireCount = UNLIMITED_START
  /**
   * How many messages were handed out since the broker was last asked for a count, without a limit; with automatic acks,
   * since the last one that had to leave soon.
   */
  #handedOutSince = 0
  readonly #noAck: boolean
  /** The user has named a count. */
  #chosen = false

  /** Throws {@link ArgumentError} if `limit` is no prefetch count. */
  constructor(limit: number | undefined, noAck: boolean) {
    this.#noAck = noAck
    this.set(limit ?? 0)
    this.#chosen = limit !== undefined
  }

  /** The broker's prefetch count per queue. */
  get wireCount(): number {
    return this.#wireCount
  }

  /**
   * Sets the user's count. Returns whether the broker has to be asked for another one. Throws {@link ArgumentError} if it
   * is no prefetch count.
   */
  set(limit: number): boolean {
    checkWhole('prefetchCount', limit, 0, MAX_COUNT)
    const changes = limit !== this.#limit
    this.#chosen = true
    if (!changes) return false
    this.#limit = limit
    this.#wireCount = limit === 0 ? UNLIMITED_START : limit
    this.#handedOutSince = 0
    return true
  }

  /**
   * Sets a count for a user who has named none, and settles messages. Returns whether the broker has to be asked for
   * another one.
   */
  suggest(limit: number): boolean {
    return !this.#chosen && !this.#noAck && limit <= MAX_COUNT && this.set(limit)
  }

  /** Whether one more may be handed out, with so many handed out already. */
  allows(handedOut: number): boolean {
    return this.#limit === 0 || handedOut < this.#limit
  }

  /** One more is handed out that is acked automatically. Returns whether that ack is urgent: half the window is used up. */
  countAutoAcked(): boolean {
    this.#handedOutSince++
    if (2 * this.#handedOutSince < this.#wireCount) return false
    this.#handedOutSince = 0
    return true
  }

  /**
   * One more is handed out, with so many before. A user without a limit may hold more than the broker's window: returns
   * true if the broker must be asked for another one, a larger one if possible, so that a reader who settles late, or
   * never, does not run dry. A new consumer has a window of its own: what came before does not count in it.
   */
  countHandedOut(handedOut: number): boolean {
    if (this.#limit !== 0) return false
    this.#handedOutSince++
    const half = this.#wireCount / 2
    if (handedOut < half || this.#handedOutSince < half) return false
    this.#handedOutSince = 0
    this.#wireCount = Math.min(2 * this.#wireCount, MAX_COUNT)
    return true
  }
}
