/**
 * Owns one life of a consumer on the wire: a channel of its own, a basic.consume per queue, the settling of what it
 * delivers, and the change of the broker's prefetch count by subscribing anew on the same channel. What is handed out,
 * and when, is its sink's business.
 */
import { methods } from '../codec/methods.gen.js'
import type { Channel, ChannelOwner, Reply } from '../connection/channel.js'
import type { Content } from '../connection/content.js'
import type { Outbox } from '../connection/outbox.js'
import { encodeRequest, type Request } from '../connection/request.js'
import { type AmqpError, ChannelError, ConsumerCancelledError, type ErrorContext } from '../errors.js'
import { connectionLost, withContext } from '../operation-errors.js'
import { ignore, quiet } from '../util/promise.js'
import { indexOfLaterTag, QueueConsumer, type SubscribedQueue } from './queue-consumer.js'
import { type Settlement, type Settler, UnackedDeliveries } from './settlement.js'

export type { SubscribedQueue }

/** What to subscribe to. */
export interface SubscriptionPlan {
  readonly queues: readonly SubscribedQueue[]
  /** The broker's prefetch count for each queue; 0 means no limit. */
  readonly prefetch: number
  readonly context: ErrorContext
}

/**
 * Why nothing more comes: the broker cancelled a consumer, refused to begin or to change one, closed the channel for
 * another reason (an ack that took too long, say), or the connection is gone.
 */
export type SubscriptionEnd = 'cancelled' | 'refused' | 'closed' | 'lost'

/** Where deliveries go. */
export interface SubscriptionSink {
  /** A message; `content` is valid only during the call. */
  onDelivery(content: Content, deliveryTag: number): void
  /** A message, or several, were settled. */
  onSettled(): void
  /** Nothing more will come. */
  onEnd(error: AmqpError, cause: SubscriptionEnd): void
}

/** The part of the session that a subscription needs. */
export interface SubscriptionHome {
  readonly outbox: Outbox
  openChannel(owner: ChannelOwner): Channel
}

export class Subscription implements ChannelOwner, Settler {
  /** Resolves when every queue is consumed from. */
  readonly ready: Promise<void>
  readonly #home: SubscriptionHome
  readonly #plan: SubscriptionPlan
  readonly #sink: SubscriptionSink
  readonly #channel: Channel
  readonly #ledger: UnackedDeliveries
  /** The queues that are consumed from. */
  readonly #sources: QueueConsumer[]
  /** The sources by the tags that they began with, and by those that deliveries may come with now. */
  readonly #byTag = new Map<string, QueueConsumer>()
  /** How many queues are streams, or may be: their deliveries are looked at. */
  #watched: number
  /** The deliveries of streams that are not settled. */
  #streamed: Set<number> | undefined
  /** Changes of prefetch count happen one after the other. */
  #lastChange: Promise<void>
  #state: 'live' | 'cancelling' | 'cancelled' | 'ended' = 'live'
  #cancelled: Promise<void> | undefined
  /** What the broker refused. */
  #failure: AmqpError | undefined

  /** Subscribes. Throws {@link ArgumentError} where AMQP cannot carry the plan, and then nothing was sent. */
  constructor(home: SubscriptionHome, plan: SubscriptionPlan, sink: SubscriptionSink) {
    this.#home = home
    this.#plan = plan
    this.#sink = sink
    this.#sources = plan.queues.map((queue, index) => new QueueConsumer(queue, index, plan.prefetch))
    const consumes = this.#sources.map(source => this.#consumeRequest(source))
    for (const source of this.#sources) this.#byTag.set(source.tag, source)
    this.#watched = this.#sources.length
    this.#channel = home.openChannel(this)
    this.#ledger = new UnackedDeliveries(this.#channel.number, home.outbox)
    const requests = [this.#qosRequest(plan.prefetch), ...consumes]
    this.ready = quiet(Promise.all(requests.map(request => this.#ask(request))).then(ignore))
    this.#lastChange = this.ready
  }

  /** How many deliveries can still be settled. */
  get outstanding(): number {
    return this.#state === 'ended' ? 0 : this.#ledger.outstanding
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (this.#state === 'ended') return this.#ledger.settleTooLate(deliveryTag)
    const fitting = this.#streamed === undefined ? settlement : this.#fit(deliveryTag, settlement)
    this.#ledger.settle(deliveryTag, fitting)
    this.#closeWhenSettled()
    this.#sink.onSettled()
    return true
  }

  /**
   * A message is handed out that needs no settling by its user, nor does any that came before it. The broker has to hear
   * of it `soon`, or may some milliseconds later.
   */
  release(deliveryTag: number, soon: boolean): void {
    if (this.#state === 'ended') return
    this.#streamed?.delete(deliveryTag)
    this.#ledger.release(deliveryTag, soon)
    this.#closeWhenSettled()
  }

  /** What to subscribe to when this life is over: of streams, the rest. */
  get rest(): SubscribedQueue[] {
    return this.#sources.map(source => source.plan)
  }

  /** One of the queues is a stream. */
  get streaming(): boolean {
    return this.#sources.some(source => source.stream)
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

  onDeliver(content: Content): void {
    const { methodBytes, methodAt } = content
    // basic.deliver: consumer-tag, then delivery-tag.
    const at = methodAt + 1 + (methodBytes[methodAt] as number)
    const deliveryTag = methodBytes.readUInt32BE(at) * 0x1_0000_0000 + methodBytes.readUInt32BE(at + 4)
    this.#ledger.delivered(deliveryTag)
    if (this.#watched > 0) this.#watch(content, deliveryTag, methodBytes.toString('utf8', methodAt + 1, at))
    this.#sink.onDelivery(content, deliveryTag)
  }

  onCancel(consumerTag: string): void {
    const source = this.#byTag.get(consumerTag)
    if (source === undefined || source.tag !== consumerTag || this.#state !== 'live') return
    const error = new ConsumerCancelledError(
      `the broker cancelled the consumer of queue '${source.queue.queue}': it was deleted, or is not available`,
      this.#plan.context,
    )
    this.#sources.splice(this.#sources.indexOf(source), 1)
    this.cancel().catch(ignore)
    this.#sink.onEnd(error, 'cancelled')
  }

  onClosed(error: AmqpError, lost: boolean): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#ledger.onChannelGone()
    if (lost) this.#sink.onEnd(connectionLost(error, this.#plan.context), 'lost')
    else if (this.#failure !== undefined) this.#sink.onEnd(this.#failure, 'refused')
    else this.#sink.onEnd(withContext(error, this.#plan.context), 'closed')
  }

  onReturn(): void {}
  onConfirm(): void {}
  onFlow(): void {}

  async #cancel(): Promise<void> {
    if (this.#state === 'live') this.#state = 'cancelling'
    // A change of the prefetch count under way would bring the consumers back.
    await this.#lastChange.catch(ignore)
    if (this.#state === 'ended') return
    await Promise.all(this.#sources.map(source => this.#ask(this.#cancelRequest(source.tag))))
    if (this.#state !== 'cancelling') return
    this.#state = 'cancelled'
    this.#closeWhenSettled()
  }

  async #resubscribe(count: number, context: ErrorContext): Promise<void> {
    if (this.#state !== 'live') return
    const qos = this.#ask(this.#qosRequest(count), context)
    await Promise.all([qos, ...this.#sources.map(source => this.#renew(source, count, context))])
  }

  /** Gives a queue a new consumer in place of the old one. */
  async #renew(source: QueueConsumer, count: number, context: ErrorContext): Promise<void> {
    const { tag: oldTag, queue } = source
    // Nobody else waits for what an exclusive consumer holds: it can do without the change, not without the queue.
    if (queue.exclusive && count < source.prefetch) return
    source.prefetch = count
    const newTag = source.takeNextTag(this.#byTag)
    this.#byTag.set(newTag, source)
    const cancel = async () => {
      await this.#ask(this.#cancelRequest(oldTag), context)
      if (oldTag !== queue.consumerTag) this.#byTag.delete(oldTag)
    }
    const consume = () => this.#ask(this.#consumeRequest(source), context)
    if (source.resumable) {
      // Where a stream has to go on is known only when the old consumer delivers no more.
      await cancel()
      if (this.#state !== 'ended') await consume()
      return
    }
    // An auto-delete queue must never be without a consumer. An exclusive consumer suffers no other, and RabbitMQ 3.10
    // loses a queue with a single active consumer when the active one makes way for the next of its channel.
    const cancelFirst = queue.exclusive || queue.lasting === true
    await Promise.all(cancelFirst ? [cancel(), consume()] : [consume(), cancel()])
  }

  #watch(content: Content, deliveryTag: number, consumerTag: string): void {
    const source = this.#byTag.get(consumerTag)
    if (source?.watched !== true) return
    if (source.watch(content)) {
      this.#streamed ??= new Set()
      this.#streamed.add(deliveryTag)
    } else {
      this.#watched--
    }
  }

  /**
   * A stream keeps its messages, whatever its readers say: to settle one means no more than that another may come.
   * RabbitMQ before 3.11 ends the connection where that is said by nack or reject (540), so it is said by ack.
   */
  #fit(deliveryTag: number, settlement: Settlement): Settlement {
    const streamed = this.#streamed?.has(deliveryTag) === true
    const multiple = settlement.kind !== 'reject' && settlement.multiple
    if (multiple) {
      for (const tag of this.#streamed ?? []) if (tag <= deliveryTag) this.#streamed?.delete(tag)
      // What lies between may belong to a queue.
      if (!this.#sources.every(source => source.stream)) return settlement
    } else {
      this.#streamed?.delete(deliveryTag)
    }
    return streamed ? { kind: 'ack', multiple } : settlement
  }

  #closeWhenSettled(): void {
    if (this.#state !== 'cancelled' || this.#ledger.outstanding > 0) return
    this.#state = 'ended'
    this.#ledger.onFlush()
    this.#channel.close(new ChannelError('the consumer has ended', this.#plan.context))
  }

  #ask(request: Request, context = this.#plan.context): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#channel.ask(request, context, resolve, error => {
        if (isAbout(error, request)) this.#failure ??= error
        reject(error)
      })
    })
  }

  #qosRequest(prefetchCount: number): Request {
    const { frameMax } = this.#home.outbox
    return encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount, global: false }, frameMax)
  }

  #consumeRequest(source: QueueConsumer): Request {
    return consumeRequest(source.plan, source.tag, this.#home.outbox.frameMax)
  }

  #cancelRequest(consumerTag: string): Request {
    return encodeRequest('basic.cancel', { consumerTag, noWait: false }, this.#home.outbox.frameMax)
  }
}

/** A channel may also be closed while a request is under way that has nothing to do with it. */
function isAbout({ classId = 0, methodId = 0 }: AmqpError, { name }: Request): boolean {
  return methods[name].id === ((classId << 16) | methodId)
}

/** Throws {@link ArgumentError} where AMQP cannot carry the names or arguments. */
export function consumeRequest(plan: SubscribedQueue, consumerTag: string, frameMax: number): Request {
  const { queue, noLocal, exclusive } = plan
  // Never no-ack on the wire: a reader that is slow would have no way to make the broker wait.
  const options = { noLocal, noAck: false, exclusive, noWait: false, arguments: plan.arguments }
  return encodeRequest('basic.consume', { queue, consumerTag, ...options }, frameMax)
}
