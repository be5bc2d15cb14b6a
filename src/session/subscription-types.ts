/** Owns the types of what a subscription is given, and of what it tells. */
import type { Content } from '../connection/content.js'
import type { AmqpError, ErrorContext } from '../errors.js'
import type { SubscribedQueue } from './queue-consumer.js'

/** What to subscribe to. */
export interface SubscriptionPlan {
  readonly queues: readonly SubscribedQueue[]
  /** The broker's prefetch count for each queue; never 0, which would be no limit. */
  readonly prefetch: number
  readonly context: ErrorContext
}

/**
 * Why nothing more comes: the broker cancelled a consumer, refused to begin or to change one, closed the channel for
 * another reason (an ack that took too long, say), or the connection is lost.
 */
export type SubscriptionEnd = 'cancelled' | 'refused' | 'closed' | 'lost'

/** What a subscription tells its consumer. */
export interface SubscriptionEvents {
  /** Every queue is consumed from. */
  onReady(): void
  /** A message; `content` is valid only during the call. */
  onDelivery(content: Content, deliveryTag: number): void
  /** A message that is larger than the client takes: `error` says so. `content` has no body, and is valid only during the call. */
  onOversized(content: Content, deliveryTag: number, error: AmqpError): void
  /** A message, or several, were settled. */
  onSettled(): void
  /** Nothing more will come. */
  onEnd(error: AmqpError, cause: SubscriptionEnd): void
}
