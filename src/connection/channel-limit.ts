/**
 * Owns how many channels the broker lets a user have on a connection. It does not say so ahead (RabbitMQ, "User Limits"):
 * it ends the connection over the first one too many. So the limit is learned, and kept for the next connections.
 */

/** After so many milliseconds it is asked again whether there is still no channel at all: that costs little, and may cure much. */
const ASK_AGAIN_AFTER = 5000

export class ChannelLimit {
  #count = Number.POSITIVE_INFINITY
  #learnedAt = 0

  /** So many channels there may be. */
  get count(): number {
    const isOutdated = this.#count === 0 && performance.now() - this.#learnedAt >= ASK_AGAIN_AFTER
    return isOutdated ? Number.POSITIVE_INFINITY : this.#count
  }

  /** The broker has refused another one beside so many. What is known already may be less, and holds. */
  learn(count: number): void {
    this.#count = Math.max(0, Math.min(this.#count, count))
    this.#learnedAt = performance.now()
  }

  /** It may be different by now. */
  forget(): void {
    this.#count = Number.POSITIVE_INFINITY
  }
}

/** The limits of a client: for the session's own connection, and for the one that publishes. */
export class ChannelLimits {
  readonly session = new ChannelLimit()
  readonly publishing = new ChannelLimit()

  forget(): void {
    this.session.forget()
    this.publishing.forget()
  }
}
