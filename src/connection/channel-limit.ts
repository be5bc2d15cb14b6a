/**
 * Owns how many channels the broker lets a user have on a connection. It does not say so ahead (RabbitMQ, "User Limits"):
 * it ends the connection over the first one too many. So the limit is learned, and kept for the next connections.
 */

export class ChannelLimit {
  /** So many channels there may be. */
  count = Number.POSITIVE_INFINITY

  /** The broker has refused another one beside so many. What is known already may be less, and holds. */
  learn(count: number): void {
    this.count = Math.max(0, Math.min(this.count, count))
  }

  /** It may be different by now. */
  forget(): void {
    this.count = Number.POSITIVE_INFINITY
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
