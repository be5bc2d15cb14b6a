/**
 * Owns how many publishes may be in flight after a lost connection. What is in flight when a connection is lost is sent
 * again, and the broker may have it already. Where connections are lost again and again, all that waits would be written on
 * each of them: so little is in flight at first, and the more the longer the connection lasts, until nothing waits.
 */

const FIRST_LIMIT = 64
/**
 * Before the broker has answered at all. What it answers then has the rest sent, and with it the acknowledgement of TCP,
 * which may be delayed otherwise, and the confirms with it.
 */
const LIMIT_BEFORE_ANSWER = 32
/** The limit doubles in so many milliseconds. */
const DOUBLES_IN = 1000
/** After so many milliseconds in flight, a publish takes no place in the window any more: it may never be confirmed. */
const PATIENCE = 1000

/** Whom the window asks and tells. */
export interface InFlightHost {
  /** What is in flight now is stale when this is called the next time. */
  age(): void
  /** How many of those in flight are stale. */
  countStale(): number
  /** There may be room. */
  onRoom(): void
}

export class InFlightWindow {
  readonly #host: InFlightHost
  readonly #since = performance.now()
  #limit: number
  /** So many of those in flight took no place when they were counted last. */
  #stale = 0
  #timer: NodeJS.Timeout | undefined

  /** `open`: any number may be in flight. */
  constructor(open: boolean, host: InFlightHost) {
    this.#host = host
    this.#limit = open ? Number.POSITIVE_INFINITY : LIMIT_BEFORE_ANSWER
  }

  /** It is open: any number may be in flight. */
  get isOpen(): boolean {
    return this.#limit === Number.POSITIVE_INFINITY
  }

  /** Whether there is room for another one beside so many that are in flight. */
  hasRoom(inFlight: number): boolean {
    return inFlight < this.#limit + this.#stale || this.#wait()
  }

  /** Whether none of so many is in flight that is confirmed soon. What was stale may be confirmed by now. */
  isEmpty(inFlight: number): boolean {
    return inFlight === 0 || inFlight === this.#host.countStale() || this.#wait()
  }

  /** Something is answered or confirmed: the connection works. */
  onProgress(): void {
    if (this.isOpen) return
    this.#limit = FIRST_LIMIT * 2 ** ((performance.now() - this.#since) / DOUBLES_IN)
  }

  /** Nothing waits any more. */
  open(): void {
    this.#limit = Number.POSITIVE_INFINITY
    this.end()
  }

  /** Nothing will be in flight any more. */
  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #wait(): false {
    this.#timer ??= setTimeout(() => this.#onTime(), PATIENCE).unref()
    return false
  }

  #onTime(): void {
    this.#timer = undefined
    this.#host.age()
    this.#stale = this.#host.countStale()
    this.#host.onRoom()
  }
}
