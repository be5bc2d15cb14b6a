/**
 * Owns the user's end of a consumer: what users call, and its end. The handing out of messages is its delivery queue's
 * concern; what goes over the wire, and on which connection, is its subscription's.
 */
import { captureCallSite, leadTo } from '../call-site.js'
import { debugRecovery } from '../debug.js'
import {
  type AmqpError,
  ConnectionClosedError,
  ConsumerCancelledError,
  type ErrorContext,
} from '../errors.js'
import { connectionLost, withOperation } from '../operation-errors.js'
import type { ForEachOptions } from '../options.js'
import { onAbort } from '../util/abort.js'
import { type Deferred, defer, ignore, quiet } from '../util/promise.js'
import type { ConsumerPlan } from './consume-options.js'
import { ConsumerIterator, type IteratorHost } from './consumer-iterator.js'
import { ConsumerPause } from './consumer-pause.js'
import type { ConsumerState } from './consumer-state.js'
import { DeliveryQueue, type Ending } from './delivery-queue.js'
import { type ForEachPlan, forEachMessage, type HandlerHost, readForEachOptions } from './for-each.js'
import { giveBack, Message } from './message.js'
import { RecoveringSubscription, type SubscriptionHost } from './recovering-subscription.js'

/** What a consumer needs of its client. */
export interface ConsumerHost extends SubscriptionHost {
  /** It has ended: with an error, or with undefined as its user wanted. */
  onConsumerEnd(consumer: Consumer, error: unknown): void
  /** Its user has cancelled it, whether or not it had ended. */
  onConsumerCancelled(consumer: Consumer): void
  /** It consumes no more from this queue, since it has ended with this error, if any; with `begun`, it did. */
  onQueueEnd(queue: string, begun: boolean, error: unknown): void
}

/**
 * A consumer of one queue or several: loop over it with `for await`, or use {@link forEach}.
 *
 * Leaving the loop cancels the consumer, and messages that were not handed out yet are requeued. Several loops over one
 * consumer share its messages: each message goes to one of them, and whichever ends first ends all.
 */
export class Consumer implements AsyncIterable<Message>, AsyncDisposable {
  /** The consumer tags, in the order of the queues. */
  readonly consumerTags: readonly string[]
  /**
   * Resolves when the broker has confirmed the subscription to every queue; rejects with its error if it refuses. Nobody
   * has to look at it: iterators throw the error too.
   */
  readonly ready: Promise<void>
  readonly #host: ConsumerHost
  readonly #plan: ConsumerPlan
  readonly #ready: Deferred<void> = defer<void>()
  readonly #subscription: RecoveringSubscription
  readonly #deliveries: DeliveryQueue
  readonly #pause: ConsumerPause
  readonly #loops: IteratorHost
  readonly #stopWatching: () => void
  #state: ConsumerState = { name: 'starting' }
  /** It has been running. */
  #begun = false
  /** A loop was left with messages in hand: nobody need wait for these to be settled. */
  #abandoned = false
  #idle: Deferred<void> | undefined
  #handlers = 0
  /** What handlers do cannot reach the broker any more; made if there are handlers. */
  #gone: Deferred<unknown> | undefined

  /** @internal */
  constructor(host: ConsumerHost, plan: ConsumerPlan) {
    this.#host = host
    this.#plan = plan
    this.consumerTags = plan.queues.map(({ consumerTag }) => consumerTag)
    this.ready = quiet(this.#ready.promise)
    this.#subscription = this.#makeSubscription(plan)
    this.#deliveries = new DeliveryQueue(this.#subscription, plan.window, plan.noAck, () =>
      this.#changePrefetch(),
    )
    this.#pause = new ConsumerPause(this.#subscription, this.#deliveries)
    this.#loops = {
      requeuesOnLeave: plan.onLeave === 'requeue',
      onNext: () => this.#reportIdle(),
      leave: inHand => this.#leave(inHand),
    }
    this.#stopWatching = this.#watch(plan.signal)
    // forEach may have a say in the prefetch count, if it is called at once.
    queueMicrotask(() => void this.attach())
  }

  /** Whether it runs. A consumer that is paused counts as running. */
  get state(): ConsumerState {
    const state = this.#state
    return state.name === 'resuming' && this.#subscription.isPaused ? { name: 'running' } : state
  }

  /** Its user has paused it. */
  get isPaused(): boolean {
    return this.#pause.isOn
  }

  /** Hands out messages one by one; ends when the consumer is cancelled, throws when it fails. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return new ConsumerIterator(this.#loops, this.#deliveries, true)
  }

  /**
   * Stops deliveries (AMQP 0-9-1, `basic.cancel`); messages not handed out yet are requeued, and iterators end. What was
   * handed out can still be settled. A second call waits for the first. Never rejects.
   */
  async cancel(): Promise<void> {
    this.#deliveries.discard()
    this.#end({ error: undefined })
    this.#host.onConsumerCancelled(this)
    await this.#stop()
  }

  /**
   * Hands out nothing more until {@link resume}: loops and `forEach` wait. Messages in hand can be settled. After a second,
   * the client also gives back what waits in its buffer, which does not count as a failed delivery (before RabbitMQ 4.3, a
   * quorum queue counts it), and stops to consume. It does stop if it knows that the queue outlives its consumers, because
   * it has declared it without `autoDelete` and `x-expires`; if not, one message of each queue stays with it. A stream, and
   * an `exclusive` consumer, keep what they have.
   */
  pause(): void {
    if (!this.hasEnded) this.#pause.begin()
  }

  /** Goes on after {@link pause}. */
  resume(): void {
    this.#pause.end()
  }

  /**
   * Changes the prefetch count while the consumer runs: how many messages may be handed out and not settled, over all
   * its queues; 0 for no limit. Resolves when the broker knows.
   *
   * AMQP has no way to change the count of a consumer: each queue gets a new consumer on the same channel. The old one is
   * cancelled after that, or, if it is `exclusive` or this client declared the queue as a lasting one, before: an
   * auto-delete queue does not outlive the change of its `exclusive` consumer. A quorum queue takes back what was in
   * flight to the old one at that moment: it comes to the new one a little later, out of order, and marked as redelivered.
   *
   * @throws an {@link ArgumentError} if it is not a whole number from 0 to 65535
   */
  async qos(prefetchCount: number): Promise<void> {
    const context = { operation: 'basicQos' }
    const site = captureCallSite(this.qos)
    try {
      const changes = this.#plan.window.set(prefetchCount)
      this.#deliveries.handOut()
      if (!changes || this.hasEnded) return
      await this.#subscription.changePrefetch(context)
    } catch (error) {
      const known = withOperation(error, context)
      leadTo(known, site)
      throw known
    }
  }

  /**
   * Runs `handler` for every message, `concurrency` of them at once: acks the message when the handler resolves, rejects
   * it when it throws or rejects; a handler may also settle its message itself. If the consumer has no `prefetchCount`,
   * it gets one of twice the concurrency.
   *
   * Resolves when the consumer is cancelled, or the `signal` aborted, and all handlers have ended: one that never ends
   * is waited for, without harm to the others. Rejects when the consumer fails; if the broker cancelled it, after the
   * handlers have ended, and if the channel or the client is closed, at once, since nothing that they do about their
   * messages matters any more.
   *
   * @throws an {@link ArgumentError} for an invalid option; the consumer is cancelled then
   */
  async forEach(
    handler: (message: Message) => unknown,
    options: ForEachOptions<Message> = {},
  ): Promise<void> {
    const plan = this.#readForEach(handler, options)
    if (this.#plan.window.suggest(2 * plan.concurrency)) this.#changePrefetch()
    this.#gone ??= defer<unknown>()
    const host: HandlerHost = {
      begin: () => {
        this.#handlers++
      },
      end: () => {
        this.#handlers--
        this.#reportIdle()
      },
      cancel: () => void this.cancel(),
      gone: this.#gone.promise,
      [Symbol.asyncIterator]: () => new ConsumerIterator(this.#loops, this.#deliveries, false),
    }
    await forEachMessage(host, handler, this.#plan.noAck, plan)
  }

  /** Cancels it, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel()
  }

  /** @internal */
  get hasEnded(): boolean {
    return this.#state.name === 'ended'
  }

  /**
   * @internal Resolves when everything that was handed out is settled, unless a loop was left. If messages need no
   * settling, or nobody is there to do it, the handlers' ends count.
   */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    this.#idle ??= defer<void>()
    return this.#idle.promise
  }

  /** @internal There is a new connection: goes on there. Resolves when the outcome is known; never rejects. */
  attach(): Promise<void> {
    return this.#subscription.resume()
  }

  /** @internal It may have brought a connection down as it began: it is tried with no other one beside it. */
  get isSuspect(): boolean {
    return this.#subscription.isSuspect
  }

  /** @internal For how many milliseconds it is not to begin on a new connection. */
  get resumePause(): number {
    return this.#subscription.resumePause
  }

  /** @internal The broker ended the connection over one of these requests. */
  blame(blamed: readonly ErrorContext[]): void {
    this.#subscription.blame(blamed)
  }

  /** @internal The queues that it consumes from, as its user names them. */
  get queues(): readonly string[] {
    return this.#plan.queues.map(({ queue }) => queue)
  }

  /** @internal The client is closed while handlers are running. */
  cutOff(): void {
    const message = 'forEach: the client was closed while handlers were running'
    this.#gone?.resolve(new ConnectionClosedError(message, { operation: 'forEach' }))
  }

  /** @internal No other connection follows. */
  fail(reason: AmqpError): void {
    if (this.hasEnded) return
    const error = connectionLost(reason, this.#plan.context)
    this.#gone?.resolve(error)
    this.#forget()
    this.#end({ error })
  }

  async #leave(inHand: readonly Message[]): Promise<void> {
    this.#abandoned = true
    this.#deliveries.addSurplus(inHand)
    await this.cancel()
    this.#reportIdle()
  }

  get #isIdle(): boolean {
    // What is left over from a consumer that the broker cancelled may be handed out still.
    if (!this.#deliveries.isEmpty) return false
    if (this.#plan.noAck || this.#abandoned) return this.#handlers === 0
    return this.#deliveries.handedOut <= 0
  }

  #watch(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return ignore
    const abort = (): void => {
      this.#end({ error: signal.reason })
      void this.cancel()
    }
    if (!signal.aborted) return onAbort(signal, abort)
    queueMicrotask(abort)
    return ignore
  }

  #makeSubscription({ queues, context, window, noAck, onCancel }: ConsumerPlan): RecoveringSubscription {
    return new RecoveringSubscription(this.#host, queues, context, onCancel, {
      get prefetch() {
        return window.wireCount
      },
      unread: () => this.#deliveries.items(),
      onReady: () => {
        if (!this.hasEnded) this.#state = { name: 'running' }
        this.#begun = true
        this.#deliveries.endDoubt()
        this.#ready.resolve()
      },
      onDelivery: (content, deliveryTag, settler) =>
        this.#deliveries.push(new Message(content, deliveryTag, settler, noAck, false)),
      onOversized: (content, deliveryTag, settler, error) =>
        this.#onOversized(new Message(content, deliveryTag, settler, false, false), error),
      onSettled: () => this.#onSettled(),
      onFormerClosed: () => {
        this.#deliveries.onFormerClosed()
        this.#onSettled()
      },
      onInterrupted: (error, cause, inDoubt) => {
        if (this.#begun) this.#state = { name: 'resuming', since: new Date(), error }
        window.restart()
        if (inDoubt) this.#deliveries.suspend()
        else if (cause === 'lost') this.#forget()
        else this.#deliveries.forget()
        this.#reportIdle()
      },
      onEnd: (reason, cancelled) => {
        const error = withOperation(reason, context)
        // What was delivered before the broker cancelled the consumer can be worked on still.
        if (!cancelled) {
          this.#forget()
          this.#gone?.resolve(error)
        }
        this.#end({ error })
        if (cancelled) void this.#stop()
      },
    })
  }

  #changePrefetch(): void {
    if (!this.hasEnded) void this.#subscription.adjustPrefetch()
  }

  #onSettled(): void {
    this.#deliveries.handOut()
    if (this.#idle !== undefined) this.#reportIdle()
  }

  /** What came by a connection, or by a channel, that is closed is delivered again. */
  #forget(): void {
    this.#deliveries.clear()
    this.#reportIdle()
  }

  #end({ error }: Ending): void {
    if (this.hasEnded) return
    leadTo(error, this.#plan.site)
    this.#state = { name: 'ended', error }
    this.#stopWatching()
    this.#pause.stop()
    this.#subscription.stop()
    if (!this.#begun) {
      const { operation, ticket } = this.#plan.context
      const text = `${operation}: the consumer was cancelled before it was ready`
      this.#ready.reject(error ?? new ConsumerCancelledError(text, { operation, ticket }))
    }
    this.#deliveries.end({ error })
    for (const { queue } of this.#plan.queues) this.#host.onQueueEnd(queue, this.#begun, error)
    this.#host.onConsumerEnd(this, error)
  }

  /** Cancels on the wire, then requeues what is left over: any earlier, the broker would deliver it here again. */
  async #stop(): Promise<void> {
    await this.#subscription.cancel()
    giveBack(this.#deliveries.takeSurplus())
  }

  /** By the option, it is dropped or dead-lettered, or the consumer ends, and everything goes back. */
  #onOversized(message: Message, error: AmqpError): void {
    debugRecovery('consumer %s: %s', message.consumerTag, error.message)
    if (this.#plan.oversized === 'reject' && !this.hasEnded) {
      message.reject({ requeue: false })
      return
    }
    this.#deliveries.addSurplus([message])
    if (this.hasEnded) return
    this.#deliveries.discard()
    this.#end({ error })
    void this.#stop()
  }

  #readForEach(handler: unknown, options: ForEachOptions<Message>): ForEachPlan {
    try {
      return readForEachOptions(handler, options)
    } catch (error) {
      // Nobody else has it in hand, and it must not hoard messages.
      void this.cancel()
      throw error
    }
  }

  #reportIdle(): void {
    if (this.#idle === undefined || !this.#isIdle) return
    this.#idle.resolve()
    this.#idle = undefined
  }
}
