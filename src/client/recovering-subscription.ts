/**
 * Owns the subscriptions of a consumer over time. When one ends that another can follow, the next one begins: at once,
 * after a pause, or when the client is connected again. What becomes of the messages is the consumer's concern.
 */
import type { Content } from '../connection/content.js'
import { AmqpError, type ErrorContext } from '../errors.js'
import type { ConsumeMultiOptions } from '../options.js'
import type { SubscribedQueue } from '../session/queue-consumer.js'
import type { Settler } from '../session/settlement.js'
import type { Subscription } from '../session/subscription.js'
import type { SubscriptionEnd, SubscriptionEvents, SubscriptionPlan } from '../session/subscription-types.js'
import { ignore } from '../util/promise.js'
import type { Message } from './message.js'
import { type ResumeHost, ResumePolicy, type Resumption } from './resume-policy.js'
import { restOf } from './stream-position.js'

/** What subscribing needs of the client. */
export interface SubscriptionHost extends ResumeHost {
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
  /** A message that is larger than the client takes: `error` says so. `content` has no body, and is valid only during the call. */
  onOversized(content: Content, deliveryTag: number, settler: Settler, error: AmqpError): void
  /** A message, or several, were settled. */
  onSettled(): void
  /** The channel of an earlier subscription is closed: what was delivered by it is delivered again. */
  onFormerClosed(): void
  /**
   * Another subscription follows. What was delivered and not handed out is delivered again, unless an earlier subscription
   * still holds it; with `inDoubt`, that is known only when the next one is ready.
   */
  onInterrupted(error: AmqpError, cause: SubscriptionEnd, inDoubt: boolean): void
  /** None follows; with `cancelled`, what was delivered can still be handed out. */
  onEnd(error: unknown, cancelled: boolean): void
}

export class RecoveringSubscription {
  readonly #host: SubscriptionHost
  readonly #context: ErrorContext
  readonly #events: RecoveringSubscriptionEvents
  readonly #policy: ResumePolicy
  /** The present subscription, or the last one; none before the first. */
  #subscription: Subscription | undefined
  /** Earlier ones of this connection, with messages that can still be settled. */
  #former: readonly Subscription[] = []
  #state: 'waiting' | 'starting' | 'ready' | 'ended' = 'waiting'
  /** What to subscribe to next: of streams, the rest. */
  #queues: readonly SubscribedQueue[]
  #count = 0
  /** It could not even begin, and is going to try again. */
  #tryingAgain = false
  /** Nothing is wanted for now. */
  #paused = false
  /** Ends the wait for the next subscription. Hardly any consumer ever waits for one. */
  #waiting: AbortController | undefined

  constructor(
    host: SubscriptionHost,
    queues: readonly SubscribedQueue[],
    context: ErrorContext,
    onCancel: NonNullable<ConsumeMultiOptions['onCancel']>,
    events: RecoveringSubscriptionEvents,
  ) {
    this.#host = host
    this.#queues = queues
    this.#context = context
    this.#events = events
    this.#policy = new ResumePolicy(host, onCancel, context)
  }

  /** How many deliveries can still be settled. */
  get unacked(): number {
    const present = this.#subscription?.unacked ?? 0
    // It is read for each message, and there is hardly ever a former one.
    if (this.#former.length === 0) return present
    return this.#former.reduce((sum, { unacked }) => sum + unacked, present)
  }

  /** It may have brought a connection down as it began: it is tried with no other one beside it. */
  get isSuspect(): boolean {
    return this.#policy.isSuspect
  }

  /** For how many milliseconds it is not to begin on a new connection. */
  get resumePause(): number {
    return this.#policy.pause
  }

  /** It does not consume, since nothing is wanted. */
  get isPaused(): boolean {
    return this.#paused
  }

  /** Begins, if it waits and there is a connection. Resolves when the outcome is known; never rejects. */
  async resume(): Promise<void> {
    this.#begin()
    if (this.#state === 'starting') await this.#subscription?.ready.catch(ignore)
  }

  /** The broker ended the connection over one of these requests. */
  blame(blamed: readonly ErrorContext[]): void {
    this.#policy.blame(blamed)
  }

  /** Asks the broker for the prefetch count of the moment; if a subscription ends over it, the next begins with it. */
  async changePrefetch(context: ErrorContext): Promise<void> {
    try {
      await this.#subscription?.setPrefetch(this.#events.prefetch, context)
    } catch (error) {
      if (this.#state === 'ended') throw error
    }
  }

  /** The same as soon as it changes the order of no messages. Never rejects. */
  async adjustPrefetch(): Promise<void> {
    await this.#subscription?.setPrefetchInOrder(this.#events.prefetch).catch(ignore)
  }

  /** Nothing is wanted for now. Resolves with what tells of a delivery whether it is to be given back. */
  async pause(): Promise<(message: Message) => boolean> {
    this.#paused = true
    const subscription = this.#subscription
    await subscription?.pause()
    return ({ deliveryTag }) => subscription?.isFromPaused(deliveryTag) === true
  }

  /** Messages are wanted again. */
  async unpause(): Promise<void> {
    this.#paused = false
    this.#begin()
    await this.#subscription?.unpause(this.#events.prefetch)
  }

  /** No other subscription follows. */
  stop(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#waiting?.abort()
  }

  /** Stops deliveries, for good. Never rejects. */
  async cancel(): Promise<void> {
    this.stop()
    // One whose channel is closed is cancelled already.
    await this.#subscription?.cancel().catch(ignore)
  }

  #begin(): void {
    if (this.#state !== 'waiting' || this.#paused) return
    try {
      this.#subscribe()
    } catch (error) {
      this.#onFailure(error)
    }
  }

  /** Nothing was sent: all channels are in use, say. */
  #onFailure(error: unknown): void {
    const next = this.#policy.afterFailure(error, this.#count > 0)
    if (next === 'end') {
      this.stop()
      const reason = error instanceof AmqpError ? this.#policy.explain(error) : error
      this.#events.onEnd(reason, this.#policy.wasCancelled)
    } else if (!this.#tryingAgain) {
      this.#tryingAgain = true
      void next.wait(this.#endSignal).then(() => {
        this.#tryingAgain = false
        this.#begin()
      })
    }
  }

  #subscribe(): void {
    const plan = { queues: this.#queues, prefetch: this.#events.prefetch, context: this.#context }
    const subscription = this.#host.subscribe(plan, {
      onReady: () => this.#onReady(),
      onDelivery: (content, deliveryTag) => {
        // It has an end that is not complete: the next one begins with this.
        if (subscription !== this.#subscription || this.#state === 'waiting') {
          subscription?.giveBack([deliveryTag])
          return
        }
        this.#policy.onDelivery()
        this.#events.onDelivery(content, deliveryTag, subscription as Subscription)
      },
      onOversized: (content, deliveryTag, error) =>
        this.#events.onOversized(content, deliveryTag, subscription as Subscription, error),
      onSettled: () => this.#events.onSettled(),
      onEnd: (error, cause) => {
        // The channel of one that the broker has cancelled may end later.
        const isPresent = subscription === this.#subscription && this.#state !== 'waiting'
        if (isPresent) this.#onEnd(error, cause)
        else this.#events.onFormerClosed()
      },
    })
    if (subscription === undefined) return
    this.#former = [...this.#former, this.#subscription].filter(former => former !== undefined)
    this.#former = this.#former.filter(({ unacked }) => unacked > 0)
    this.#state = 'starting'
    this.#count++
    this.#subscription = subscription
  }

  #onReady(): void {
    if (this.#state !== 'starting') return
    this.#state = 'ready'
    this.#policy.onReady()
    this.#events.onReady()
  }

  #onEnd(error: AmqpError, cause: SubscriptionEnd): void {
    const wasReady = this.#state === 'ready'
    const next =
      this.#state === 'ended' ? 'end' : this.#policy.next(error, cause, wasReady, this.#count, this.#queues)
    if (next === 'end') {
      this.stop()
      if (cause === 'lost') this.#events.onEnd(error, false)
      else this.#events.onEnd(this.#policy.explain(error), this.#policy.wasCancelled)
      return
    }
    this.#state = 'waiting'
    this.#queues = this.#rest(cause, next)
    this.#events.onInterrupted(error, cause, this.#policy.wasCancelled)
    // If the connection is lost, the client resumes its consumers on the next one.
    if (cause !== 'lost') void this.#beginAfter(next.wait)
  }

  async #beginAfter(wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const count = this.#count
    await wait(this.#endSignal)
    // Another connection may have come meanwhile.
    if (this.#count === count) this.#begin()
  }

  get #endSignal(): AbortSignal {
    this.#waiting ??= new AbortController()
    return this.#waiting.signal
  }

  #rest(cause: SubscriptionEnd, { noStreams }: Resumption): readonly SubscribedQueue[] {
    const subscription = this.#subscription
    if (subscription === undefined) return this.#queues
    const rest = restOf(this.#queues, subscription.rest, this.#events.unread())
    return rest.map(queue => ({
      ...queue,
      ...(noStreams.includes(queue.queue) ? { kind: 'queue', resumeAt: undefined } : {}),
      // Tags that were used before mean nothing on another connection.
      generation: cause === 'lost' ? 1 : queue.generation,
    }))
  }
}
