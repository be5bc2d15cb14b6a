/**
 * Owns one subscription on the wire: a channel of its own, a basic.consume per queue, the settling of what is delivered,
 * and the change of the broker's prefetch count by subscribing anew on the same channel. What is handed out, and when, is
 * not its concern.
 */
import { methods } from '../codec/methods.gen.js'
import { type Channel, ChannelListener, type Reply } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import type { Content } from '../connection/content.js'
import { encodeRequest, type Request } from '../connection/request.js'
import { type AmqpError, ChannelError, ConsumerCancelledError, type ErrorContext } from '../errors.js'
import { connectionLost, withContext } from '../operation-errors.js'
import { ignore, quiet } from '../util/promise.js'
import { indexOfLaterTag, QueueConsumer, type SubscribedQueue } from './queue-consumer.js'
import { type Settlement, type Settler, UnackedDeliveries } from './settlement.js'

/** What to subscribe to. */
export interface SubscriptionPlan {
  readonly queues: readonly SubscribedQueue[]
  /** The broker's prefetch count for each queue; 0 means no limit. */
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
  /** A message; `content` is valid only during the call. */
  onDelivery(content: Content, deliveryTag: number): void
  /** A message, or several, were settled. */
  onSettled(): void
  /** Nothing more will come. */
  onEnd(error: AmqpError, cause: SubscriptionEnd): void
}

export class Subscription extends ChannelListener implements Settler {
  /** Resolves when every queue is consumed from. */
  readonly ready: Promise<void>
  readonly #frameMax: number
  readonly #plan: SubscriptionPlan
  readonly #events: SubscriptionEvents
  readonly #channel: Channel
  readonly #unacked: UnackedDeliveries
  /** The queues that are consumed from. */
  readonly #consumers: QueueConsumer[]
  /** The consumers by the tags that they began with, and by those that deliveries may come with now. */
  readonly #byTag = new Map<string, QueueConsumer>()
  /** How many queues are streams, or may be: their deliveries are looked at. */
  #maybeStreams: number
  /** The unacknowledged deliveries of streams. */
  #fromStreams: Set<number> | undefined
  /** Changes of prefetch count happen one after the other. */
  #lastChange: Promise<void>
  #state: 'live' | 'cancelling' | 'cancelled' | 'ended' = 'live'
  #cancelled: Promise<void> | undefined
  /** What the broker refused. */
  #refusal: AmqpError | undefined

  /** Subscribes. Throws {@link ArgumentError} if AMQP cannot carry the plan, and then nothing was sent. */
  constructor(connection: Connection, plan: SubscriptionPlan, events: SubscriptionEvents) {
    super()
    this.#frameMax = connection.outbox.frameMax
    this.#plan = plan
    this.#events = events
    this.#consumers = plan.queues.map((queue, index) => new QueueConsumer(queue, index, plan.prefetch))
    const consumes = this.#consumers.map(consumer => this.#consumeRequest(consumer))
    for (const consumer of this.#consumers) this.#byTag.set(consumer.tag, consumer)
    this.#maybeStreams = this.#consumers.length
    this.#channel = connection.openChannel(this)
    this.#unacked = new UnackedDeliveries(this.#channel.number, connection.outbox, connection.metrics)
    const requests = [this.#qosRequest(plan.prefetch), ...consumes]
    this.ready = quiet(Promise.all(requests.map(request => this.#ask(request))).then(ignore))
    this.#lastChange = this.ready
  }

  /** How many deliveries can still be settled. */
  get unacked(): number {
    return this.#state === 'ended' ? 0 : this.#unacked.count
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (this.#state === 'ended') return this.#unacked.settleTooLate(deliveryTag)
    const fitting = this.#fromStreams === undefined ? settlement : this.#fit(deliveryTag, settlement)
    this.#unacked.settle(deliveryTag, fitting)
    this.#closeWhenSettled()
    this.#events.onSettled()
    return true
  }

  /** Acks a message that needs no settling by its user, and all before it; `soon`, or some milliseconds later. */
  autoAck(deliveryTag: number, soon: boolean): void {
    if (this.#state === 'ended') return
    this.#fromStreams?.delete(deliveryTag)
    this.#unacked.autoAck(deliveryTag, soon)
    this.#closeWhenSettled()
  }

  /** What to subscribe to when this subscription has ended: of streams, the rest. */
  get rest(): SubscribedQueue[] {
    return this.#consumers.map(consumer => consumer.rest)
  }

  /** One of the queues is a stream. */
  get hasStreams(): boolean {
    return this.#consumers.some(consumer => consumer.isStream)
  }

  publicTag(wireTag: string): string {
    const queue = this.#byTag.get(wireTag)?.queue ?? this.#plan.queues[indexOfLaterTag(wireTag)]
    return queue?.consumerTag ?? wireTag
  }

  /** Sets the broker's prefetch count, which holds for new consumers only: so each queue gets a new one. */
  setPrefetch(count: number, context = this.#plan.context): Promise<void> {
    const change = this.#lastChange.then(() => this.#resubscribe(count, context))
    this.#lastChange = change.catch(ignore)
    return change
  }

  /** Stops deliveries. The channel stays until everything delivered is settled. */
  cancel(): Promise<void> {
    this.#cancelled ??= this.#cancel()
    return this.#cancelled
  }

  override onDeliver(content: Content): void {
    const { methodBytes, methodAt } = content
    // basic.deliver: consumer-tag, then delivery-tag.
    const at = methodAt + 1 + (methodBytes[methodAt] as number)
    const deliveryTag = methodBytes.readUInt32BE(at) * 0x1_0000_0000 + methodBytes.readUInt32BE(at + 4)
    this.#unacked.add(deliveryTag)
    if (this.#maybeStreams > 0) {
      this.#observe(content, deliveryTag, methodBytes.toString('utf8', methodAt + 1, at))
    }
    this.#events.onDelivery(content, deliveryTag)
  }

  override onCancel(consumerTag: string): void {
    const consumer = this.#byTag.get(consumerTag)
    if (consumer === undefined || consumer.tag !== consumerTag || this.#state !== 'live') return
    const error = new ConsumerCancelledError(
      `the broker cancelled the consumer of queue '${consumer.queue.queue}': it was deleted, or is not available`,
      this.#plan.context,
    )
    this.#consumers.splice(this.#consumers.indexOf(consumer), 1)
    this.cancel().catch(ignore)
    this.#events.onEnd(error, 'cancelled')
  }

  override onClosed(error: AmqpError, lost: boolean): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#unacked.onChannelClosed()
    if (lost) this.#events.onEnd(connectionLost(error, this.#plan.context), 'lost')
    else if (this.#refusal !== undefined) this.#events.onEnd(this.#refusal, 'refused')
    else this.#events.onEnd(withContext(error, this.#plan.context), 'closed')
  }

  async #cancel(): Promise<void> {
    if (this.#state === 'live') this.#state = 'cancelling'
    // A change of the prefetch count in progress would bring the consumers back.
    await this.#lastChange.catch(ignore)
    if (this.#state === 'ended') return
    await Promise.all(this.#consumers.map(({ tag }) => this.#ask(this.#cancelRequest(tag))))
    if (this.#state !== 'cancelling') return
    this.#state = 'cancelled'
    this.#closeWhenSettled()
  }

  async #resubscribe(count: number, context: ErrorContext): Promise<void> {
    if (this.#state !== 'live') return
    const qos = this.#ask(this.#qosRequest(count), context)
    await Promise.all([qos, ...this.#consumers.map(consumer => this.#renew(consumer, count, context))])
  }

  /** Gives a queue a new consumer in place of the old one. */
  async #renew(consumer: QueueConsumer, count: number, context: ErrorContext): Promise<void> {
    const { tag: oldTag, queue } = consumer
    // Nobody else waits for what an exclusive consumer holds: it can do without the change, not without the queue.
    if (queue.exclusive && count < consumer.prefetch) return
    consumer.prefetch = count
    const newTag = consumer.renewTag(this.#byTag)
    this.#byTag.set(newTag, consumer)
    const cancel = async () => {
      await this.#ask(this.#cancelRequest(oldTag), context)
      if (oldTag !== queue.consumerTag) this.#byTag.delete(oldTag)
    }
    const consume = () => this.#ask(this.#consumeRequest(consumer), context)
    if (consumer.isResumable) {
      // Where a stream has to go on is known only when the old consumer delivers no more.
      await cancel()
      if (this.#state !== 'ended') await consume()
      return
    }
    // An auto-delete queue must never be without a consumer. An exclusive consumer suffers no other, and RabbitMQ 3.10
    // loses a queue with a single active consumer when the active one makes way for the next of its channel.
    const cancelFirst = queue.exclusive || queue.outlivesConsumers === true
    await Promise.all(cancelFirst ? [cancel(), consume()] : [consume(), cancel()])
  }

  #observe(content: Content, deliveryTag: number, consumerTag: string): void {
    const consumer = this.#byTag.get(consumerTag)
    if (consumer?.maybeStream !== true) return
    if (consumer.observe(content)) {
      this.#fromStreams ??= new Set()
      this.#fromStreams.add(deliveryTag)
    } else {
      this.#maybeStreams--
    }
  }

  /**
   * A stream keeps its messages, whatever its readers say: to settle one means no more than that another may come.
   * RabbitMQ before 3.11 ends the connection if that is said by nack or reject (540), so it is said by ack.
   */
  #fit(deliveryTag: number, settlement: Settlement): Settlement {
    const fromStream = this.#fromStreams?.has(deliveryTag) === true
    const multiple = settlement.kind !== 'reject' && settlement.multiple
    if (multiple) {
      for (const tag of this.#fromStreams ?? []) if (tag <= deliveryTag) this.#fromStreams?.delete(tag)
      // What lies between may belong to a queue.
      if (!this.#consumers.every(consumer => consumer.isStream)) return settlement
    } else {
      this.#fromStreams?.delete(deliveryTag)
    }
    return fromStream ? { kind: 'ack', multiple } : settlement
  }

  #closeWhenSettled(): void {
    if (this.#state !== 'cancelled' || this.#unacked.count > 0) return
    this.#state = 'ended'
    this.#unacked.onFlush()
    this.#channel.close(new ChannelError('the consumer has ended', this.#plan.context))
  }

  #ask(request: Request, context = this.#plan.context): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#channel.ask(request, context, resolve, error => {
        if (isAbout(error, request)) this.#refusal ??= error
        reject(error)
      })
    })
  }

  #qosRequest(prefetchCount: number): Request {
    return encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount, global: false }, this.#frameMax)
  }

  #consumeRequest({ rest, tag }: QueueConsumer): Request {
    return consumeRequest(rest, tag, this.#frameMax)
  }

  #cancelRequest(consumerTag: string): Request {
    return encodeRequest('basic.cancel', { consumerTag, noWait: false }, this.#frameMax)
  }
}

/** A channel may also be closed while a request is in progress that has nothing to do with it. */
function isAbout({ classId = 0, methodId = 0 }: AmqpError, { name }: Request): boolean {
  return methods[name].id === ((classId << 16) | methodId)
}

/** Throws {@link ArgumentError} if AMQP cannot carry the names or arguments. */
export function consumeRequest(plan: SubscribedQueue, consumerTag: string, frameMax: number): Request {
  const { queue, noLocal, exclusive } = plan
  // Never no-ack on the wire: a slow reader would have no way to make the broker wait.
  const options = { noLocal, noAck: false, exclusive, noWait: false, arguments: plan.arguments }
  return encodeRequest('basic.consume', { queue, consumerTag, ...options }, frameMax)
}
