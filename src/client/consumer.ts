/**
 * Owns the user's end of a consumer: the buffer of deliveries that wait to be handed out, the iterators that wait for
 * deliveries, the shared window, and the consumer's end. What goes over the wire, and on which connection, is the
 * business of its lives.
 */

import type { Content } from '../connection/content.js'
import { type AmqpError, ConnectionClosedError, ConsumerCancelledError, ResourceError } from '../errors.js'
import { connectionLost, withContext } from '../operation-errors.js'
import type { ForEachOptions } from '../options.js'
import type { Settlement, Settler } from '../session/settlement.js'
import { Deque } from '../util/deque.js'
import { type Deferred, defer, ignore, quiet } from '../util/promise.js'
import { forEachMessage, type HandlerHome, planForEach } from './for-each.js'
import { Message } from './message.js'
import type { PrefetchWindow } from './prefetch-window.js'
import { RecoveringSubscription, type SubscriptionSetup } from './recovering-subscription.js'

/** What a consumer needs of its client. */
export interface ConsumerHome {
  /** It is over: the client need not think of it any more. */
  onConsumerEnd(consumer: Consumer): void
  /** It consumes no more from this queue; with `begun`, it did. */
  onQueueEnd(queue: string, begun: boolean): void
}

/** How a consumer is made. */
export interface ConsumerSetup extends SubscriptionSetup {
  readonly noAck: boolean
  readonly window: PrefetchWindow
  readonly signal: AbortSignal | undefined
}

/** How it ended: `undefined` normally, else with what iterators throw. */
interface Ending {
  readonly error: unknown
}

const NORMAL: Ending = { error: undefined }
const GIVE_BACK: Settlement = { kind: 'nack', multiple: false, requeue: true }

/**
 * A consumer of one queue or several: loop over it with `for await`, or use {@link forEach}.
 *
 * Leaving the loop cancels the consumer, and messages that were not handed out yet go back to their queues. Several
 * loops over one consumer share its messages: each message goes to one of them, and whichever ends first ends all.
 */
export class Consumer implements AsyncIterable<Message>, AsyncDisposable {
  /** The consumer tags, in the order of the queues. */
  readonly consumerTags: readonly string[]
  /**
   * Resolves when the broker has confirmed the subscription to every queue; rejects with what it said instead. Nobody
   * has to look at it: iterators tell of the error too.
   */
  readonly ready: Promise<void>
  readonly #home: ConsumerHome
  readonly #setup: ConsumerSetup
  readonly #ready: Deferred<void> = defer<void>()
  readonly #lives: RecoveringSubscription
  /** Every queue was consumed from, once at least. */
  #begun = false
  readonly #window: PrefetchWindow
  readonly #noAck: boolean
  readonly #buffer = new Deque<Message>()
  readonly #waiting = new Deque<Deferred<IteratorResult<Message, undefined>>>()
  /** The deliveries that go back to their queues as soon as no more can come. */
  #surplus: number[] = []
  readonly #stopWatching: () => void
  #ending: Ending | undefined
  /** Somebody left with messages in hand: nobody need wait for these to be settled. */
  #left = false
  #idle: Deferred<void> | undefined
  #handlers = 0
  /** What handlers do cannot reach the broker any more; made where there are handlers. */
  #gone: Deferred<unknown> | undefined

  /** @internal */
  constructor(home: ConsumerHome, setup: ConsumerSetup) {
    this.#home = home
    this.#setup = setup
    this.consumerTags = setup.queues.map(({ consumerTag }) => consumerTag)
    this.#noAck = setup.noAck
    this.#window = setup.window
    this.ready = quiet(this.#ready.promise)
    this.#lives = this.#makeLives(setup)
    this.#stopWatching = this.#watch(setup.signal)
    // forEach may have a say in the prefetch count, if it is called at once.
    queueMicrotask(() => void this.#lives.resume())
  }

  /** Hands out messages one by one; ends when the consumer is cancelled, throws when it fails. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    let over = false
    return {
      next: () => {
        if (over) return outcomeOf(NORMAL)
        const message = this.#take()
        if (message !== undefined) return Promise.resolve({ value: message, done: false })
        if (this.#ending === undefined || this.#buffer.length > 0) {
          const waiting = defer<IteratorResult<Message, undefined>>()
          this.#waiting.push(waiting)
          return waiting.promise
        }
        over = true
        return outcomeOf(this.#ending)
      },
      return: async () => {
        over = true
        this.#left = true
        await this.cancel()
        this.#reportIdle()
        return { value: undefined, done: true }
      },
    }
  }

  /**
   * Stops deliveries (AMQP 0-9-1, `basic.cancel`); messages not handed out yet go back to their queues, and iterators
   * end. What was handed out can still be settled. A second call waits for the first. Never rejects.
   */
  async cancel(): Promise<void> {
    for (const { deliveryTag } of this.#buffer.drain()) this.#surplus.push(deliveryTag)
    if (this.#ending === undefined) this.#end(NORMAL)
    else this.#endWaiting()
    await this.#stop()
  }

  /**
   * Changes the prefetch count while the consumer runs: how many messages may be handed out and not settled, over all
   * its queues; 0 for no limit. Resolves when the broker knows.
   *
   * AMQP has no way to change the count of a consumer: each queue gets a new consumer on the same channel. The old one is
   * cancelled after that, or, where it is `exclusive` or this client declared the queue as a lasting one, before: an
   * auto-delete queue does not outlive the change of its `exclusive` consumer. What a quorum queue had under way to the old
   * one at that moment, it takes back: it comes to the new one a little later, out of order, and marked as redelivered.
   *
   * @throws {@link ArgumentError} where it is not a whole number from 0 to 65535
   */
  async qos(prefetchCount: number): Promise<void> {
    const changes = this.#window.set(prefetchCount)
    this.#pump()
    if (!changes || this.#ending !== undefined) return
    await this.#lives.changePrefetch({ operation: 'basicQos' })
  }

  /**
   * Runs `handler` for every message, `concurrency` of them at once: acks the message when the handler resolves, nacks
   * it when it throws or rejects; a handler may also settle its message itself. Where the consumer has no
   * `prefetchCount`, it gets one of twice the concurrency.
   *
   * Resolves when the consumer is cancelled, or the `signal` aborted, and all handlers have ended: one that never ends
   * is waited for, without harm to the others. Rejects when the consumer fails; where the broker cancelled it, after
   * the handlers have ended, and where the channel or the client is gone, at once, since nothing that they do about
   * their messages matters any more.
   */
  async forEach(
    handler: (message: Message) => unknown,
    options: ForEachOptions<Message> = {},
  ): Promise<void> {
    const plan = planForEach(handler, options)
    if (this.#window.suggest(2 * plan.concurrency)) this.#changeWire()
    this.#gone ??= defer<unknown>()
    const home: HandlerHome = {
      begin: () => {
        this.#handlers++
      },
      end: () => {
        this.#handlers--
        this.#reportIdle()
      },
      cancel: () => void this.cancel(),
      gone: this.#gone.promise,
      [Symbol.asyncIterator]: () => this[Symbol.asyncIterator](),
    }
    await forEachMessage(home, handler, this.#noAck, plan)
  }

  /** Cancels it, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel()
  }

  /**
   * @internal Resolves when everything that was handed out is settled, unless its user has left. Where messages need no
   * settling, or nobody is there to do it, the handlers' ends count.
   */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve()
    this.#idle ??= defer<void>()
    return this.#idle.promise
  }

  /** @internal There is a new connection: goes on there. Resolves when that is settled; never rejects. */
  resume(): Promise<void> {
    return this.#lives.resume()
  }

  /** @internal The client has ended with work under way. */
  cutOff(): void {
    const message = 'forEach: the client was closed while handlers were running'
    this.#gone?.resolve(new ConnectionClosedError(message, { operation: 'forEach' }))
  }

  /** @internal There will be no other connection. */
  fail(reason: AmqpError): void {
    if (this.#ending !== undefined) return
    const error = connectionLost(reason, this.#setup.context)
    this.#gone?.resolve(error)
    this.#end({ error })
  }

  get #handedOut(): number {
    return this.#lives.outstanding - this.#buffer.length - this.#surplus.length
  }

  get #isIdle(): boolean {
    // What is left over from a consumer that the broker cancelled may be handed out still.
    if (this.#buffer.length > 0) return false
    if (this.#noAck || this.#left) return this.#handlers === 0
    return this.#handedOut <= 0
  }

  #watch(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return ignore
    const abort = (): void => {
      this.#end({ error: signal.reason })
      void this.cancel()
    }
    signal.addEventListener('abort', abort)
    if (signal.aborted) queueMicrotask(abort)
    return () => signal.removeEventListener('abort', abort)
  }

  #makeLives(setup: SubscriptionSetup): RecoveringSubscription {
    const window = this.#window
    return new RecoveringSubscription(setup, {
      get prefetch() {
        return window.wire
      },
      unread: () => this.#buffer.items(),
      onReady: () => {
        this.#begun = true
        this.#ready.resolve()
      },
      onDelivery: (content, deliveryTag, settler) => this.#onDelivery(content, deliveryTag, settler),
      onSettled: () => this.#onSettled(),
      onInterrupted: () => this.#onInterrupted(),
      onEnd: (error, cancelled) => this.#onEnd(error, cancelled),
    })
  }

  #onDelivery(content: Content, deliveryTag: number, settler: Settler): void {
    if (this.#ending !== undefined) {
      this.#surplus.push(deliveryTag)
      return
    }
    this.#buffer.push(new Message(content, deliveryTag, settler, this.#noAck, false))
    if (this.#waiting.length > 0) this.#pump()
  }

  #onSettled(): void {
    if (this.#waiting.length > 0) this.#pump()
    if (this.#idle !== undefined) this.#reportIdle()
  }

  /** Serves those who wait, as far as the window allows. */
  #pump(): void {
    while (this.#waiting.length > 0) {
      const message = this.#take()
      if (message === undefined) break
      this.#waiting.shift()?.resolve({ value: message, done: false })
    }
    if (this.#ending !== undefined) this.#endWaiting()
  }

  /** The next message, if there is one and the window allows it. */
  #take(): Message | undefined {
    if (this.#buffer.length === 0) return undefined
    if (this.#noAck) return this.#takeForGood()
    const handedOut = this.#handedOut
    if (!this.#window.allows(handedOut)) return undefined
    const message = this.#buffer.shift()
    if (this.#window.grow(handedOut)) this.#changeWire()
    return message
  }

  /** Without acks of the user, the broker's window follows what is handed out: a slow reader makes it wait. */
  #takeForGood(): Message | undefined {
    const message = this.#buffer.shift()
    if (message !== undefined) this.#lives.release(message.deliveryTag, this.#window.take())
    if (this.#idle !== undefined) this.#reportIdle()
    return message
  }

  #changeWire(): void {
    if (this.#ending === undefined) this.#lives.changePrefetch().catch(ignore)
  }

  /** What came by a lost channel comes again. */
  #onInterrupted(): void {
    this.#buffer.drain()
    this.#surplus = []
    this.#reportIdle()
  }

  #onEnd(reason: unknown, cancelled: boolean): void {
    const nameless = reason instanceof ResourceError && reason.operation === undefined
    const error = nameless ? withContext(reason, this.#setup.context) : reason
    if (cancelled) {
      // What it has received can be worked on still.
      this.#end({ error })
      void this.#stop()
      return
    }
    this.#onInterrupted()
    this.#gone?.resolve(error)
    this.#end({ error })
    this.#endWaiting()
  }

  #end(ending: Ending): void {
    if (this.#ending !== undefined) return
    this.#ending = ending
    this.#stopWatching()
    this.#lives.stop()
    this.#ready.reject(
      ending.error ?? new ConsumerCancelledError('the consumer was cancelled before it was ready'),
    )
    this.#endWaiting()
    for (const { queue } of this.#setup.queues) this.#home.onQueueEnd(queue, this.#begun)
    this.#home.onConsumerEnd(this)
  }

  /** Nobody need wait for messages that will not come; what is in the buffer may still be handed out. */
  #endWaiting(): void {
    if (this.#ending === undefined || this.#buffer.length > 0) return
    for (const waiting of this.#waiting.drain()) {
      outcomeOf(this.#ending).then(
        result => waiting.resolve(result),
        error => waiting.reject(error),
      )
    }
  }

  /** Cancels on the wire, then gives back what is left over: any earlier, the broker would send it here again. */
  async #stop(): Promise<void> {
    await this.#lives.cancel()
    const surplus = this.#surplus
    this.#surplus = []
    for (const deliveryTag of surplus) this.#lives.settle(deliveryTag, GIVE_BACK)
  }

  #reportIdle(): void {
    if (this.#idle === undefined || !this.#isIdle) return
    this.#idle.resolve()
    this.#idle = undefined
  }
}

function outcomeOf({ error }: Ending): Promise<IteratorResult<Message, undefined>> {
  return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error)
}
