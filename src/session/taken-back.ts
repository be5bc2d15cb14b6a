/**
 * Owns which deliveries of a channel the broker has taken back, for example because their consumer was cancelled. To
 * settle one of them is late, and no mistake of the user.
 */

/** So many are remembered, as many as a window can hold. */
const REMEMBERED = 65_535

export class TakenBack {
  #lowest = Number.POSITIVE_INFINITY
  readonly #tags = new Set<number>()
  /** The highest tag that is not remembered any more. */
  #forgotten = 0

  /**
   * The first of them, or Infinity. The broker may still know it by its tag, so no `multiple` may reach that far:
   * RabbitMQ 4.3 takes an ack of such a delivery for a sign of life of a consumer that it has given up.
   */
  get lowest(): number {
    return this.#lowest
  }

  /** `acked`: its user had acked it already, and that ack will not be sent. To settle it again stays a mistake. */
  add(tag: number, acked: boolean): void {
    if (tag < this.#lowest) this.#lowest = tag
    if (acked) return
    this.#tags.add(tag)
    if (this.#tags.size <= REMEMBERED) return
    const [oldest = 0] = this.#tags
    this.#tags.delete(oldest)
    this.#forgotten = Math.max(this.#forgotten, oldest)
  }

  /** A delivery was taken back before its user settled it. Of very old ones nobody knows, and none is called a mistake. */
  has(tag: number): boolean {
    return this.#tags.has(tag) || tag <= this.#forgotten
  }
}
