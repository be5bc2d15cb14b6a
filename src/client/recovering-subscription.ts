/**
 * Owns the lives of a consumer on the wire, one after the other: each is a subscription on a channel of its own. Where
 * one ends that another can follow, the next one begins: at once, after a pause, or when the client is connected again.
 * What becomes of the messages is the consumer's business.
 */

import type { Content } from '../connection/content.js'
import { type AmqpError, AmqpError as AnyAmqpError, type ErrorContext, NotFoundError } from '../errors.js'
import type { FieldValue } from '../options.js'
import { isLocked, isUnavailable, LOCK_TIMEOUT } from '../reply-codes.js'
import type { Settlement, Settler } from '../session/settlement.js'
import type {
  SubscribedQueue,
  Subscription,
  SubscriptionEnd,
  SubscriptionSink,
} from '../session/subscription.js'
import { ignore } from '../util/promise.js'
import type { Message } from './message.js'

/** What to consume from, and how to begin. */
export interface SubscriptionSetup {
  readonly queues: readonly SubscribedQueue[]
  /** Who it is, for errors. */
  readonly context: ErrorContext
  /** Begins to consume, with the broker's prefetch count; undefined where there is no connection for now. */
  subscribe(
    queues: readonly SubscribedQueue[],
    prefetch: number,
    sink: SubscriptionSink,
  ): Subscription | undefined
  /** Whether a lost connection is going to be replaced. */
  recovering(): boolean
  /** Whether a queue is not there yet, but is being brought back. */
  isAwaited(queue: string): boolean
}

/** The consumer whose lives they are. */
export interface SubscriptionOwner {
  /** The broker's prefetch count for each queue. */
  readonly prefetch: number
  /** What has come and was not handed out, in order. */
  unread(): readonly Message[]
  /** Every queue is consumed from. */
  onReady(): void
  /** A message; `content` is valid only during the call. */
  onDelivery(content: Content, deliveryTag: number, settler: Settler): void
  /** A message, or several, were settled. */
  onSettled(): void
  /** A life is over, and another follows: what has come and was not handed out comes again. */
  onInterrupted(): void
  /** The last life is over; with `cancelled`, what it has brought can still be settled. */
  onEnd(error: unknown, cancelled: boolean): void
}

/** So many lives in a row that brought nothing are enough. */
const MOST_BARREN_LIVES = 3
/** Milliseconds between two tries to come back to a queue that is not to be had yet. */
const RETRY_PAUSE = 500
/** Reply codes from here on are those of errors in what was sent, and end the connection. */
const HARD_ERRORS = 501
const BASIC_CLASS = 60
const STREAM_OFFSET = 'x-stream-offset'

export class RecoveringSubscription {
  readonly #setup: SubscriptionSetup
  readonly #owner: SubscriptionOwner
  /** The life of the moment, or the last one; none before the first. */
  #subscription: Subscription | undefined
  #state: 'waiting' | 'beginning' | 'ready' | 'over' = 'waiting'
  /** What to subscribe to in the next life: of streams, the rest. */
  #rest: readonly SubscribedQueue[]
  #count = 0
  /** How many lives have ended in a row without a delivery. */
  #barren = 0
  /** Since when it was refused to come back. */
  #refusedSince: number | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(setup: SubscriptionSetup, owner: SubscriptionOwner) {
    this.#setup = setup
    this.#owner = owner
    this.#rest = setup.queues
  }

  /** How many deliveries can still be settled. */
  get outstanding(): number {
    return this.#subscription?.outstanding ?? 0
  }

  /** Begins a life, where there is none and there may be one. Throws where AMQP cannot carry the plan. */
  begin(): void {
    if (this.#state !== 'waiting') return
    clearTimeout(this.#retry)
    const subscription = this.#setup.subscribe(this.#rest, this.#owner.prefetch, {
      onDelivery: (content, deliveryTag) => {
        this.#barren = 0
        this.#owner.onDelivery(content, deliveryTag, subscription as Subscription)
      },
      onSettled: () => this.#owner.onSettled(),
      onEnd: (error, cause) => this.#onEnd(error, cause),
    })
    if (subscription === undefined) return
    this.#state = 'beginning'
    this.#count++
    this.#subscription = subscription
    subscription.ready.then(() => this.#onReady(subscription), ignore)
  }

  /** Begins a life on a new connection. Resolves when it is known what becomes of it; never rejects. */
  async resume(): Promise<void> {
    this.#begin()
    if (this.#state === 'beginning') await this.#subscription?.ready.catch(ignore)
  }

  /** Settles a message of the life of the moment. */
  settle(deliveryTag: number, settlement: Settlement): void {
    this.#subscription?.settle(deliveryTag, settlement)
  }

  /** A message of the life of the moment is handed out that needs no settling, as {@link Subscription.release} says. */
  release(deliveryTag: number, soon: boolean): void {
    this.#subscription?.release(deliveryTag, soon)
  }

  /** Tells the broker the prefetch count, as its owner says; where a life ends over it, the next one begins with it. */
  async changePrefetch(context?: ErrorContext): Promise<void> {
    try {
      await this.#subscription?.setPrefetch(this.#owner.prefetch, context)
    } catch (error) {
      if (this.#state === 'over') throw error
    }
  }

  /** No other life is to begin. */
  stop(): void {
    this.#state = 'over'
    clearTimeout(this.#retry)
  }

  /** Stops deliveries, for good. Never rejects. */
  async cancel(): Promise<void> {
    this.stop()
    // A life whose channel is gone is cancelled already.
    await this.#subscription?.cancel().catch(ignore)
  }

  #begin(): void {
    try {
      this.begin()
    } catch (error) {
      this.stop()
      this.#owner.onEnd(error, false)
    }
  }

  #onReady(subscription: Subscription): void {
    if (subscription !== this.#subscription || this.#state !== 'beginning') return
    this.#state = 'ready'
    this.#refusedSince = undefined
    this.#owner.onReady()
  }

  /** A life has ended by itself. */
  #onEnd(error: AmqpError, cause: SubscriptionEnd): void {
    if (this.#state === 'over' || !this.#mayLiveOn(error, cause)) {
      this.stop()
      this.#owner.onEnd(error, cause === 'cancelled')
      return
    }
    this.#state = 'waiting'
    this.#rest = this.#restOf(this.#subscription)
    this.#owner.onInterrupted()
    // A connection that is lost is replaced by and by: then the client says so.
    if (cause === 'closed') queueMicrotask(() => this.#begin())
    if (cause === 'refused') this.#retry = setTimeout(() => this.#begin(), RETRY_PAUSE)
  }

  #mayLiveOn(error: AmqpError, cause: SubscriptionEnd): boolean {
    switch (cause) {
      case 'cancelled':
        return false
      // For no fault of ours: an ack that took too long, say.
      case 'closed':
        return this.#setup.recovering() && this.#state === 'ready' && ++this.#barren <= MOST_BARREN_LIVES
      case 'refused':
        return this.#count > 1 && this.#mayPass(error)
      case 'lost':
        return this.#setup.recovering() && !this.#isToBlame(error)
    }
  }

  /** A refusal that time may cure. */
  #mayPass(error: AmqpError): boolean {
    if (isUnavailable(error)) return true
    this.#refusedSince ??= performance.now()
    if (performance.now() - this.#refusedSince > LOCK_TIMEOUT) return false
    if (isLocked(error)) return true
    return error instanceof NotFoundError && this.#rest.some(({ queue }) => this.#setup.isAwaited(queue))
  }

  /** A connection that was ended over what was just asked for would be ended over it again, and again. */
  #isToBlame(error: AmqpError): boolean {
    const reason = error.cause instanceof AnyAmqpError ? error.cause : error
    const { replyCode = 0, classId = 0 } = reason
    if (this.#state === 'ready' || replyCode < HARD_ERRORS) return false
    if (classId !== 0 && classId !== BASIC_CLASS) return false
    return this.#count === 1 || ++this.#barren > MOST_BARREN_LIVES
  }

  /** A stream goes on at the first message that was not handed out. */
  #restOf(subscription: Subscription | undefined): readonly SubscribedQueue[] {
    if (subscription === undefined) return this.#rest
    const { rest } = subscription
    if (!subscription.streaming) return rest
    const first = new Map<string | undefined, FieldValue>()
    for (const { consumerTag, headers } of this.#owner.unread()) {
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
