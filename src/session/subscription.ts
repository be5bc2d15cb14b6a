/**
 * Owns one subscription on the wire: a channel of its own, what is delivered on it, the settling of that, and the end.
 * How the broker's consumers change meanwhile is the concern of `wire-consumers.ts`. What is handed out, and when, is not
 * its concern.
 */
import { methods } from '../codec/methods.gen.js'
import { type Channel, ChannelListener, type Reply } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import type { Content } from '../connection/content.js'
import type { Request } from '../connection/request.js'
import {
  type AmqpError,
  ChannelError,
  ConsumerCancelledError,
  type ErrorContext,
  ResourceError,
} from '../errors.js'
import { connectionLost, withContext } from '../operation-errors.js'
import { ignore, quiet } from '../util/promise.js'
import { Deliveries } from './deliveries.js'
import { deliveryTagAt, readDeliveryTag } from './delivery.js'
import { indexOfLaterTag, type QueueConsumer, type SubscribedQueue } from './queue-consumer.js'
import type { Settlement, Settler } from './settlement.js'
import { probeStream } from './stream-probe.js'
import type { SubscriptionEvents, SubscriptionPlan } from './subscription-types.js'
import { type DeliveryWindow, WireConsumers, type WireConsumersHost } from './wire-consumers.js'

/** What a subscription tells its session. */
export interface SubscriptionOwner {
  /** Its channel is closed, on both sides. */
  onSubscriptionGone(subscription: Subscription): void
}

/** RabbitMQ has so many settlements on their way to a quorum queue at once, and forgets the others where a channel closes. */
const MOST_ON_THE_WAY = 16
/** The channel of a consumer that has ended with more settlements stays for so long, in milliseconds. */
const LINGER = 1000

export class Subscription extends ChannelListener implements Settler, WireConsumersHost {
  /** Resolves when every queue is consumed from. */
  readonly ready: Promise<void>
  readonly #plan: SubscriptionPlan
  readonly #events: SubscriptionEvents
  readonly #owner: SubscriptionOwner
  readonly #connection: Connection
  readonly #channel: Channel
  readonly #consumers: WireConsumers
  readonly #deliveries: Deliveries
  /** Changes of the consumers happen one after the other. */
  #lastChange: Promise<void>
  #state: 'live' | 'cancelling' | 'cancelled' | 'ended' = 'live'
  #cancelled: Promise<void> | undefined
  /** How many settlements had been sent when cancelling the consumers began. */
  #sentBefore = 0
  /** Runs while the channel stays only for what is on its way to the queue. */
  #lingering: NodeJS.Timeout | undefined
  /** Every queue has been consumed from. */
  #begun = false
  /** What the broker refused. */
  #refusal: AmqpError | undefined

  /** Subscribes. Throws {@link ArgumentError} if AMQP cannot carry the plan, and then nothing was sent. */
  constructor(
    owner: SubscriptionOwner,
    connection: Connection,
    plan: SubscriptionPlan,
    events: SubscriptionEvents,
  ) {
    super()
    this.#owner = owner
    this.#connection = connection
    this.#plan = plan
    this.#events = events
    const { queues, prefetch, context } = plan
    this.#consumers = new WireConsumers(this, queues, prefetch, connection.outbox.frameMax, context)
    const requests = this.#consumers.startRequests(prefetch)
    this.#channel = connection.openChannel(this, { context })
    this.#deliveries = new Deliveries(connection, this.#channel.number, this.#consumers.all)
    this.#deliveries.grant(prefetch)
    this.ready = quiet(this.#start(requests))
    this.#lastChange = this.ready
  }

  get isLive(): boolean {
    return this.#state === 'live'
  }

  /** How many deliveries can still be settled. */
  get unacked(): number {
    return this.#state === 'ended' ? 0 : this.#deliveries.count
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (this.#state === 'ended') return this.#deliveries.settleTooLate(deliveryTag)
    if (this.#deliveries.settle(deliveryTag, settlement) === 0) return false
    this.#closeWhenSettled()
    this.#events.onSettled()
    return true
  }

  /** Acks a message that needs no settling by its user, and all before it; `soon`, or some milliseconds later. */
  autoAck(deliveryTag: number, soon: boolean): void {
    if (!this.isOutstanding(deliveryTag)) return
    this.#deliveries.autoAck(deliveryTag, soon)
    this.#closeWhenSettled()
  }

  /** Gives deliveries back that nobody has looked at. */
  giveBack(deliveryTags: readonly number[]): void {
    if (this.#state === 'ended' || deliveryTags.length === 0) return
    this.#deliveries.giveBack(deliveryTags)
    this.#closeWhenSettled()
  }

  /** A delivery can still be settled. */
  isOutstanding(deliveryTag: number): boolean {
    return this.#state !== 'ended' && this.#deliveries.isOutstanding(deliveryTag)
  }

  /** A delivery came from a queue that does not deliver for now. */
  isFromPaused(deliveryTag: number): boolean {
    return this.#deliveries.sourceOf(deliveryTag)?.paused === true
  }

  isFromStream(wireTag: string): boolean {
    return this.#consumers.get(wireTag)?.isStream === true
  }

  publicTag(wireTag: string): string {
    const queue = this.#consumers.get(wireTag)?.queue ?? this.#plan.queues[indexOfLaterTag(wireTag)]
    return queue?.consumerTag ?? wireTag
  }

  /** What to subscribe to when this subscription has ended: of streams, the rest. */
  get rest(): SubscribedQueue[] {
    return this.#consumers.all.map(consumer => consumer.rest)
  }

  /**
   * Sets the broker's prefetch count, which holds for new consumers only: so each queue gets a new one. Messages on their
   * way meanwhile may change their order.
   */
  setPrefetch(count: number, context: ErrorContext): Promise<void> {
    return this.#change(async () => {
      this.#deliveries.grant(count)
      await this.#consumers.renew(count, context)
    })
  }

  /** Sets the broker's prefetch count as soon as this changes no order, which may be never. */
  setPrefetchInOrder(count: number): Promise<void> {
    return this.#change(async () => {
      this.#deliveries.grant(count)
      await this.#consumers.renewInOrder(count)
    })
  }

  get deliveries(): DeliveryWindow {
    return this.#deliveries
  }

  /** Has the broker deliver as little as possible. Resolves when what came before can be given back. */
  pause(): Promise<void> {
    return this.#change(() => this.#consumers.pause())
  }

  /** Goes on after a pause, with this prefetch count. */
  unpause(count: number): Promise<void> {
    return this.#change(async () => {
      this.#deliveries.grant(count)
      await this.#consumers.unpause(count)
    })
  }

  /** Stops deliveries. The channel stays until everything delivered is settled. */
  cancel(): Promise<void> {
    this.#cancelled ??= this.#cancel()
    return this.#cancelled
  }

  ask(request: Request, context: ErrorContext): Promise<Reply> {
    return new Promise((resolve, reject) => this.#ask(request, context, resolve, reject))
  }

  cancelNoWait(consumerTag: string): void {
    this.#channel.send('basic.cancel', { consumerTag, noWait: true })
  }

  isStream(queue: string): Promise<boolean | undefined> {
    return probeStream(this.#connection, queue)
  }

  /** Nothing is in hand any more, but the channel is not closed yet. */
  get isClosing(): boolean {
    return this.#lingering !== undefined || this.#state === 'ended'
  }

  /**
   * The client is being closed: everything goes back, also what is on its way here. Otherwise a quorum queue would count
   * it as a failed delivery.
   */
  surrender(): void {
    if (this.#state === 'ended') return
    if (this.isLive) this.#consumers.abandon()
    this.#deliveries.surrender()
  }

  override onDeliver(content: Content): void {
    const deliveryTag = this.#take(content)
    if (deliveryTag !== undefined) this.#events.onDelivery(content, deliveryTag)
  }

  override onOversized(content: Content, size: number): void {
    const deliveryTag = this.#take(content)
    if (deliveryTag === undefined) return
    const { maxMessageSize } = this.#connection
    const error = new ResourceError(`a message has ${size} bytes, beyond maxMessageSize (${maxMessageSize})`)
    this.#events.onOversized(content, deliveryTag, withContext(error, this.#plan.context))
  }

  override onCancel(consumerTag: string): void {
    const consumer = this.#consumers.get(consumerTag)
    // One that has made way for another means nothing any more.
    if (consumer?.tag !== consumerTag || consumer.cancelledByBroker) return
    consumer.cancelledByBroker = true
    // RabbitMQ 4.3 keeps a consumer whose ack timed out, and delivers to it again when something is settled: so it is
    // cancelled here, too, and before that.
    this.cancelNoWait(consumer.tag)
    const held = this.#deliveries.surrenderFrom(consumer)
    if (this.isLive) {
      // It is one consumer for its user: where it goes on, it goes on with all its queues.
      this.cancel().catch(ignore)
      this.#events.onEnd(this.#cancellation(consumer, held), 'cancelled')
    } else {
      this.#closeWhenSettled()
      this.#events.onSettled()
    }
  }

  override onReleased(): void {
    this.#owner.onSubscriptionGone(this)
  }

  override onClosed(error: AmqpError, lost: boolean): void {
    this.#owner.onSubscriptionGone(this)
    if (this.#state === 'ended') return
    this.#state = 'ended'
    clearTimeout(this.#lingering)
    this.#deliveries.onChannelClosed()
    const refusal = this.#refusal
    if (lost) this.#events.onEnd(connectionLost(error, this.#plan.context), 'lost')
    else if (refusal !== undefined && this.#isOfRenewal(refusal))
      this.#events.onEnd(this.#renewalRefused(refusal), 'cancelled')
    else if (refusal !== undefined) this.#events.onEnd(refusal, 'refused')
    else this.#events.onEnd(withContext(error, this.#plan.context), 'closed')
  }

  /** The outcome is known while the last reply is parsed: what the broker says right behind it is about a running consumer. */
  #start(requests: readonly Request[]): Promise<void> {
    let missing = requests.length
    return new Promise((resolve, reject) => {
      const onReply = (): void => {
        if (--missing > 0) return
        this.#consumers.onStarted()
        this.#begun = true
        resolve()
        this.#events.onReady()
      }
      for (const request of requests) this.#ask(request, this.#plan.context, onReply, reject)
    })
  }

  /** Counts a delivery as unacknowledged. Undefined if it is none of this channel. */
  #take(content: Content): number | undefined {
    const { methodBytes, methodAt } = content
    const at = deliveryTagAt(content)
    const consumer = this.#consumers.find(methodBytes, methodAt + 1, at)
    if (consumer === undefined) return undefined
    const deliveryTag = readDeliveryTag(methodBytes, at)
    this.#deliveries.add(deliveryTag, consumer)
    if (consumer.maybeStream && consumer.observe(content)) void this.#consumers.resolveDoubt(consumer)
    if (consumer.cancelledByBroker) {
      this.giveBack([deliveryTag])
      return undefined
    }
    if (consumer.wanted > 0 && this.#deliveries.isFull(consumer)) this.#retry(consumer)
    return deliveryTag
  }

  /** Nothing is on its way to a consumer for now, so that it can make way for one with the prefetch count that is wanted. */
  #retry(consumer: QueueConsumer): void {
    const count = consumer.wanted
    consumer.wanted = 0
    this.#change(() => this.#consumers.renewInOrder(count)).catch(ignore)
  }

  #change(act: () => Promise<void>): Promise<void> {
    const change = this.#lastChange.then(async () => {
      if (this.isLive) await act()
    })
    this.#lastChange = change.catch(ignore)
    return change
  }

  async #cancel(): Promise<void> {
    if (this.#state === 'live') this.#state = 'cancelling'
    // A change in progress would bring the consumers back.
    await this.#lastChange.catch(ignore)
    if (this.#state === 'ended') return
    this.#sentBefore = this.#deliveries.sent
    await this.#consumers.cancel()
    if (this.#state !== 'cancelling') return
    this.#state = 'cancelled'
    this.#closeWhenSettled()
  }

  /** The consumer ran, and its user has not asked for a change: another prefetch count, or going on, was refused. */
  #isOfRenewal({ operation }: AmqpError): boolean {
    return this.#begun && operation === this.#plan.context.operation
  }

  /** The consumer has made way for a new one, which the broker has refused, probably since the queue was deleted just then. */
  #renewalRefused(refusal: AmqpError): AmqpError {
    const text = `the broker does not let the consumer go on: ${refusal.message}`
    return new ConsumerCancelledError(text, { ...this.#plan.context, cause: refusal })
  }

  #cancellation({ queue }: QueueConsumer, held: number): AmqpError {
    const timeout = held === 0 ? '' : ', or messages were not acked within the consumer timeout'
    const causes = `it was deleted or has moved${timeout}`
    const text = `the broker cancelled the consumer of queue '${queue.queue}': probably ${causes}`
    return withContext(new ConsumerCancelledError(text), this.#plan.context)
  }

  #closeWhenSettled(): void {
    if (this.#state !== 'cancelled' || this.#deliveries.count > 0) return
    this.#deliveries.flush()
    const sent = this.#deliveries.sent - this.#sentBefore
    if (sent <= MOST_ON_THE_WAY) this.#close()
    else this.#lingering ??= setTimeout(() => this.#close(), LINGER).unref()
  }

  #close(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    clearTimeout(this.#lingering)
    this.#channel.close(new ChannelError('the consumer has ended', this.#plan.context))
  }

  #ask(
    request: Request,
    context: ErrorContext,
    resolve: (reply: Reply) => void,
    reject: (error: AmqpError) => void,
  ): void {
    this.#channel.ask(request, context, resolve, error => {
      if (isAbout(error, request)) this.#refusal ??= error
      reject(error)
    })
  }
}

/** A channel may also be closed while a request is in progress that has nothing to do with it. */
function isAbout({ classId = 0, methodId = 0 }: AmqpError, { name }: Request): boolean {
  return methods[name].id === ((classId << 16) | methodId)
}
