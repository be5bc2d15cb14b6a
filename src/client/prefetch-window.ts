/**
 * Owns the arithmetic of prefetch: how many messages the user may hold, and the prefetch count that the broker is asked
 * for so that this works out. The broker's count is per queue (never `global`); the user's is over all queues of a
 * consumer.
 */
import { checkWhole } from '../util/check.js'

/**
 * The broker's prefetch count at first if the user sets no limit. Whatever waits in a buffer when a consumer ends counts as
 * returned, and a quorum queue drops a message that has come back too often.
 */
const FIRST = 1
/** The count grows by this factor with each step. */
const FACTOR = 8
/** This keeps a fast reader busy; it grows no further unless the user holds as much. */
const PLENTY = 1000
/** The count at first where it must not grow with the pace, since another consumer could take the place meanwhile. */
const STEADY = 100
/** No count grows before so many messages were read. */
const LEAST_READ = 8
const MAX_COUNT = 65_535

export class PrefetchWindow {
  /** How many messages may be handed out and unacknowledged; 0: no limit. */
  #limit = 0
  /** The broker's prefetch count per queue; never 0, which would be no limit, and streams refuse it. */
  #wireCount = FIRST
  /**
   * How many messages were handed out since the broker was last asked for a count, without a limit; with automatic acks,
   * since the last one that had to leave soon.
   */
  #handedOutSince = 0
  /** How many had been handed out when at least half of what the broker may deliver was there; undefined if it never was. */
  #fullAt: number | undefined
  /** How many automatic acks wait. */
  #autoAcked = 0
  readonly #noAck: boolean
  /** It grows only with what the user holds. */
  readonly #isSteady: boolean
  /** The user has named a count. */
  #chosen = false

  /** Throws {@link ArgumentError} if `limit` is no prefetch count. */
  constructor(limit: number | undefined, noAck: boolean, isSteady = false) {
    this.#noAck = noAck
    this.#isSteady = isSteady
    this.set(limit ?? 0)
    this.#chosen = limit !== undefined
    this.restart()
  }

  /** The broker's prefetch count per queue. */
  get wireCount(): number {
    return this.#wireCount
  }

  /** The next subscription begins with this: without a limit, small again. */
  restart(): void {
    if (this.#limit !== 0) return
    this.#ask(this.#isSteady ? STEADY : FIRST)
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
    this.#ask(limit === 0 ? PLENTY : limit)
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

  /** One more was delivered; so many are unacknowledged now. */
  countDelivered(unacked: number): void {
    if (2 * unacked >= this.#wireCount) this.#fullAt = this.#handedOutSince
  }

  /** One more is handed out that is acked automatically. Returns whether that ack is urgent: half the window is used up. */
  countAutoAcked(): boolean {
    this.#handedOutSince++
    this.#autoAcked++
    if (2 * this.#autoAcked < this.#wireCount) return false
    this.#autoAcked = 0
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
    if (this.#wireCount < STEADY || handedOut < half || this.#handedOutSince < half) return false
    this.#ask(Math.min(2 * this.#wireCount, MAX_COUNT))
    return true
  }

  /**
   * A reader waits, and nothing is there for it. Without a limit, returns true if the broker is to be asked for a larger
   * count: the reader is faster than this one allows, or holds all of it.
   */
  countWaiting(handedOut: number): boolean {
    const count = this.#wireCount
    if (this.#limit !== 0 || count >= PLENTY || this.#fullAt === undefined) return false
    const since = this.#handedOutSince
    const holdsAll = handedOut >= count && since >= count
    const wasFull = since - this.#fullAt <= count
    const isFast = !this.#isSteady && wasFull && since >= Math.max(LEAST_READ, 2 * count)
    if (!holdsAll && !isFast) return false
    this.#ask(Math.min(FACTOR * this.#wireCount, PLENTY))
    return true
  }

  #ask(count: number): void {
    this.#wireCount = count
    this.#handedOutSince = 0
    this.#fullAt = undefined
    this.#autoAcked = 0
  }
}
