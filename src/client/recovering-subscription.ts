/**
 * Owns the subscriptions of a consumer over time. When one ends that another can follow, the next one begins: at once,
 * after a pause, or when the client is connected again. What becomes of the messages is the consumer's concern.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Content } from '../connection/content.js'
import { CLASS_BASIC } from '../constants.gen.js'
import { AmqpError, type ErrorContext, NotFoundError } from '../errors.js'
import { isConnectionFault, isLocked, isUnavailable, LOCK_TIMEOUT } from '../reply-codes.js'
import { STREAM_OFFSET, type SubscribedQueue } from '../session/queue-consumer.js'
import type { Settlement, Settler } from '../session/settlement.js'
import type {
  Subscription,
  SubscriptionEnd,
  SubscriptionEvents,
  SubscriptionPlan,
} from '../session/subscription.js'
import type { FieldValue } from '../util/field-value.js'
import { ignore } from '../util/promise.js'
import type { Message } from './message.js'

/** What subscribing needs of the client. */
export interface SubscriptionHost {
  /** A connection that is lost is replaced. */
  readonly recovers: boolean
  /** Begins to consume; undefined if there is no connection for now. */
  subscribe(plan: SubscriptionPlan, events: SubscriptionEvents): Subscription | undefined
  /**
   * Sees to it that a queue which was not found comes back, if recovery can do that. Resolves when it is back, or will not
   * be; undefined if recovery has no part in it.
   */
  restoreMissing(queue: string): Promise<void> | undefined
}

/** What a recovering subscription tells its consumer, and asks of it. */
export interface RecoveringSubscriptionEvents {
  /** The broker's prefetch count for each queue. */
  readonly prefetch: number
  /** What was delivered and not handed out, in order. */
  unread(): readonly Message[]
  /** Every queue is consumed from. */
  onReady(): void
  /** A message; `content` is valid only during the call. */
  onDelivery(content: Content, deliveryTag: number, settler: Settler): void
  /** A message, or several, were settled. */
  onSettled(): void
  /** Another subscription follows: what was delivered and not handed out is delivered again. */
  onInterrupted(): void
  /** None follows; with `cancelled`, what was delivered can still be settled. */
  onEnd(error: unknown, cancelled: boolean): void
}

/** So many subscriptions in a row may end without a delivery. */
const MAX_FRUITLESS = 3
/** Milliseconds between two attempts to come back to a queue that is locked or unavailable. */
const RETRY_PAUSE = 500

export class RecoveringSubscription {
  readonly #host: SubscriptionHost
  readonly #context: ErrorContext
  readonly #events: RecoveringSubscriptionEvents
  /** The present subscription, or the last one; none before the first. */
  #subscription: Subscription | undefined
  #state: 'waiting' | 'starting' | 'ready' | 'ended' = 'waiting'
  /** What to subscribe to next: of streams, the rest. */
  #queues: readonly SubscribedQueue[]
  #count = 0
  /** How many subscriptions have ended in a row without a delivery. */
  #fruitless = 0
  /** How often in a row, and since when, the broker refuses to let it come back. */
  #refusals = 0
  #refusedSince: number | undefined
  /** What resolves when the queues that were not found are back. */
  #missing: readonly Promise<void>[] = []
  readonly #end = new AbortController()

  constructor(
    host: SubscriptionHost,
    queues: readonly SubscribedQueue[],
    context: ErrorContext,
    events: RecoveringSubscriptionEvents,
  ) {
    this.#host = host
    this.#queues = queues
    this.#context = context
    this.#events = events
  }

  /** How many deliveries can still be settled. */
  get unacked(): number {
    return this.#subscription?.unacked ?? 0
  }

  /** Begins, if it waits and there is a connection. Resolves when the outcome is known; never rejects. */
  async resume(): Promise<void> {
    this.#begin()
    if (this.#state === 'starting') await this.#subscription?.ready.catch(ignore)
  }

  /** Settles a message of the present subscription. */
  settle(deliveryTag: number, settlement: Settlement): void {
    this.#subscription?.settle(deliveryTag, settlement)
  }

  /** Acks a message of the present subscription that needs no settling by its user. */
  autoAck(deliveryTag: number, soon: boolean): void {
    this.#subscription?.autoAck(deliveryTag, soon)
  }

  /** Asks the broker for the prefetch count of the moment; if a subscription ends over it, the next begins with it. */
  async changePrefetch(context?: ErrorContext): Promise<void> {
    try {
      await this.#subscription?.setPrefetch(this.#events.prefetch, context)
    } catch (error) {
      if (this.#state === 'ended') throw error
    }
  }

  /** No other subscription follows. */
  stop(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#end.abort()
  }

  /** Stops deliveries, for good. Never rejects. */
  async cancel(): Promise<void> {
    this.stop()
    // One whose channel is closed is cancelled already.
    await this.#subscription?.cancel().catch(ignore)
  }

  #begin(): void {
    if (this.#state !== 'waiting') return
    try {
      this.#subscribe()
    } catch (error) {
      this.stop()
      this.#events.onEnd(error, false)
    }
  }

  #subscribe(): void {
    const plan = { queues: this.#queues, prefetch: this.#events.prefetch, context: this.#context }
    const subscription = this.#host.subscribe(plan, {
      onDelivery: (content, deliveryTag) => {
        this.#fruitless = 0
        this.#events.onDelivery(content, deliveryTag, subscription as Subscription)
      },
      onSettled: () => this.#events.onSettled(),
      onEnd: (error, cause) => this.#onEnd(error, cause),
    })
    if (subscription === undefined) return
    this.#state = 'starting'
    this.#count++
    this.#subscription = subscription
    subscription.ready.then(() => this.#onReady(subscription), ignore)
  }

  #onReady(subscription: Subscription): void {
    if (subscription !== this.#subscription || this.#state !== 'starting') return
    this.#state = 'ready'
    this.#refusedSince = undefined
    this.#refusals = 0
    this.#events.onReady()
  }

  #onEnd(error: AmqpError, cause: SubscriptionEnd): void {
    if (this.#state === 'ended' || !this.#mayResume(error, cause)) {
      this.stop()
      this.#events.onEnd(error, cause === 'cancelled')
      return
    }
    this.#state = 'waiting'
    this.#queues = this.#rest()
    this.#events.onInterrupted()
    // If the connection is lost, the client resumes its consumers on the next one.
    if (cause === 'closed') queueMicrotask(() => this.#begin())
    if (cause === 'refused') void this.#retry()
  }

  #mayResume(error: AmqpError, cause: SubscriptionEnd): boolean {
    switch (cause) {
      case 'cancelled':
        return false
      // For no fault of ours: an ack that took too long, say.
      case 'closed':
        return this.#host.recovers && this.#state === 'ready' && ++this.#fruitless <= MAX_FRUITLESS
      case 'refused':
        return this.#count > 1 && this.#mayRetry(error)
      case 'lost':
        return this.#host.recovers && !this.#isToBlame(error)
    }
  }

  /** Whether time may cure a refusal. */
  #mayRetry(error: AmqpError): boolean {
    this.#missing = []
    if (isUnavailable(error)) return true
    this.#refusedSince ??= performance.now()
    if (performance.now() - this.#refusedSince > LOCK_TIMEOUT) return false
    if (isLocked(error)) return true
    if (!(error instanceof NotFoundError)) return false
    this.#missing = this.#queues.flatMap(({ queue }) => this.#host.restoreMissing(queue) ?? [])
    return this.#missing.length > 0
  }

  /** Begins again when its queues are back; if recovery has no part in that, or it was in vain before, after a pause. */
  async #retry(): Promise<void> {
    const count = this.#count
    const missing = this.#missing
    this.#refusals++
    await Promise.all(missing)
    if (missing.length === 0 || this.#refusals > 1) {
      await sleep(RETRY_PAUSE, undefined, { signal: this.#end.signal }).catch(ignore)
    }
    // Another connection may have come meanwhile.
    if (this.#count === count) this.#begin()
  }

  /** A connection that the broker ended over what was just asked for would be ended over it again, and again. */
  #isToBlame(error: AmqpError): boolean {
    const reason = error.cause instanceof AmqpError ? error.cause : error
    if (this.#state === 'ready' || !isConnectionFault(reason)) return false
    const { classId = 0 } = reason
    if (classId !== 0 && classId !== CLASS_BASIC) return false
    return this.#count === 1 || ++this.#fruitless > MAX_FRUITLESS
  }

  /** A stream goes on at the first message that was not handed out. */
  #rest(): readonly SubscribedQueue[] {
    const subscription = this.#subscription
    if (subscription === undefined) return this.#queues
    const { rest } = subscription
    if (!subscription.hasStreams) return rest
    const first = new Map<string | undefined, FieldValue>()
    for (const { consumerTag, headers } of this.#events.unread()) {
      if (!first.has(consumerTag)) first.set(consumerTag, headers[STREAM_OFFSET])
    }
    return rest.map(queue => {
      const offset = first.get(queue.consumerTag)
      return offset === undefined
        ? queue
        : { ...queue, arguments: { ...queue.arguments, [STREAM_OFFSET]: offset } }
    })
  }
}
