/**
 * Owns the search for the publish that made the broker close the channel, where several may have: they are sent again
 * a few at a time, with a barrier behind each, until it is clear which one it was. It goes on over several channels.
 */

/** How often in a row the channel may close for no fault of a publish before those in flight fail. */
const MAX_FRUITLESS_RETRIES = 3

export class CulpritSearch {
  /** So many publishes at the head of the buffer are suspects. */
  #suspects = 0
  /** So many of them may be in flight. */
  #window = 1
  #inFlight = 0
  #fruitless = 0

  /** Publishes are being tried. */
  get active(): boolean {
    return this.#suspects > 0
  }

  /** Whether another publish may be in flight. */
  get hasRoom(): boolean {
    return this.#suspects === 0 || this.#inFlight < this.#window
  }

  /** A suspect is written. */
  onWritten(): void {
    this.#inFlight++
  }

  /** Everything in flight is confirmed: so many suspects are innocent, and more are tried at once. */
  onAllConfirmed(): void {
    if (this.#inFlight === 0) return
    this.#suspects = Math.max(0, this.#suspects - this.#inFlight)
    this.#inFlight = 0
    this.#window *= 2
  }

  /** Something is confirmed: the channel works. */
  onProgress(): void {
    this.#fruitless = 0
  }

  /** The channel was closed for no fault of a publish. Returns false if that was too often. */
  mayRetry(): boolean {
    return ++this.#fruitless <= MAX_FRUITLESS_RETRIES
  }

  /** The channel was closed, with so many suspects in flight of those that are sent again. */
  onClosed(suspects: number, sentAgain: number): void {
    const before = this.#suspects
    this.reset()
    const found = suspects === 1 ? 1 : 0
    // A culprit that is known leaves no other publish under suspicion, unless there were suspects already.
    if (suspects > 1 || before > 0) this.#suspects = Math.max(sentAgain, before - found)
  }

  /** Nobody is a suspect. */
  reset(): void {
    this.#suspects = 0
    this.#window = 1
    this.#inFlight = 0
  }
}
