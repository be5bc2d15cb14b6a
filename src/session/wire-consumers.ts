/**
 * Owns the broker's consumers of one channel, one for each queue of a subscription: how they begin, make way for others
 * with another prefetch count, pause, and are cancelled; and whose a delivery is. Knows nothing of how deliveries are
 * settled.
 */
import type { Reply } from '../connection/channel.js'
import { encodeRequest, type Request } from '../connection/request.js'
import type { ErrorContext } from '../errors.js'
import { isSame } from './delivery.js'
import { QueueConsumer, STREAM_OFFSET, type SubscribedQueue } from './queue-consumer.js'

/** What the consumers need of their channel. */
export interface WireConsumersHost {
  /** The channel is open, and deliveries are wanted. */
  readonly isLive: boolean
  /** Makes a request. Rejects if the broker closes the channel over it, or it is closed anyway. */
  ask(request: Request, context: ErrorContext): Promise<Reply>
  /** Sends basic.cancel that gets no answer. */
  cancelNoWait(consumerTag: string): void
  /** Asks the broker whether a queue is a stream; undefined if it does not say. Never rejects. */
  isStream(queue: string): Promise<boolean | undefined>
  /** What was delivered on the channel. */
  readonly deliveries: DeliveryWindow
}

/** How much of what the broker may deliver is there. */
export interface DeliveryWindow {
  /** The last delivery tag. */
  readonly top: number
  /** The broker has delivered all that the prefetch count of a consumer allows, and knows of no settlement of that. */
  isFull(consumer: QueueConsumer): boolean
  /** Sends no acks until they are released, or for a short time, so that consumers become full. */
  hold(): void
  release(): void
}

/** So many tags are still known after their consumers have made way for others. */
const MOST_RETIRED = 64

export class WireConsumers {
  /** In the order of the queues. */
  readonly all: readonly QueueConsumer[]
  readonly #host: WireConsumersHost
  readonly #frameMax: number
  readonly #context: ErrorContext
  /** By present and former tags. */
  readonly #byTag = new Map<string, QueueConsumer>()
  readonly #retired: string[] = []
  /** The tag of the last delivery: mostly it is that of the next one, too. */
  #lastTag: Uint8Array = new Uint8Array(0)
  #last: QueueConsumer | undefined

  /** Throws {@link ArgumentError} if AMQP cannot carry one of the queues. */
  constructor(
    host: WireConsumersHost,
    queues: readonly SubscribedQueue[],
    prefetch: number,
    frameMax: number,
    context: ErrorContext,
  ) {
    this.#host = host
    this.#frameMax = frameMax
    this.#context = context
    this.all = queues.map((queue, index) => {
      const consumer = new QueueConsumer(queue, index, prefetch)
      if (this.#byTag.has(consumer.tag)) consumer.renewTag(this.#byTag)
      this.#byTag.set(consumer.tag, consumer)
      return consumer
    })
  }

  /** What begins all of them. */
  startRequests(prefetch: number): Request[] {
    return [this.#qosRequest(prefetch), ...this.all.map(consumer => this.#consumeRequest(consumer))]
  }

  get(tag: string): QueueConsumer | undefined {
    return this.#byTag.get(tag)
  }

  /**
   * The consumer whose tag stands there. A tag that was never used on this channel belongs to a former channel of the same
   * number: RabbitMQ may still send what was on its way when that one was closed.
   */
  find(bytes: Buffer, at: number, end: number): QueueConsumer | undefined {
    if (this.#last !== undefined && isSame(this.#lastTag, bytes, at, end)) return this.#last
    const tag = bytes.toString('utf8', at, end)
    const consumer = this.#byTag.get(tag)
    if (consumer !== undefined) {
      this.#last = consumer
      this.#lastTag = Uint8Array.from(bytes.subarray(at, end))
      if (tag === consumer.tag) consumer.before ??= this.#host.deliveries.top
    }
    return consumer
  }

  /** Gives each queue a new consumer with another prefetch count, at once: what is on its way may change its order. */
  async renew(count: number, context: ErrorContext): Promise<void> {
    const renewed = await this.#changeable(count)
    if (!this.#host.isLive) return
    const qos = this.#ask(this.#qosRequest(count), context)
    const requests = renewed.map(consumer => this.#renew(consumer, count, context))
    this.#host.deliveries.release()
    await Promise.all([qos, ...requests])
  }

  /**
   * Gives each queue a new consumer with another prefetch count, where that changes no order: the other queues want it,
   * and it is to be tried again when their present consumers are full.
   */
  async renewInOrder(count: number): Promise<void> {
    const wanting = await this.#changeable(count)
    const renewed = wanting.filter(consumer => this.#keepsOrder(consumer))
    for (const consumer of wanting) if (!renewed.includes(consumer)) consumer.wanted = count
    const qos = renewed.length === 0 ? undefined : this.#ask(this.#qosRequest(count))
    const requests = renewed.map(consumer => this.#renew(consumer, count))
    if (renewed.length < wanting.length) this.#host.deliveries.hold()
    else this.#host.deliveries.release()
    await Promise.all([qos, ...requests])
  }

  /** Has the broker say whether a queue is a stream. Never rejects. */
  resolveDoubt(consumer: QueueConsumer): Promise<void> {
    return consumer.resolveDoubt(queue => this.#host.isStream(queue))
  }

  /** They have all begun: the broker accepts an offset for a stream only. */
  onStarted(): void {
    for (const consumer of this.all) if (consumer.queue.resumeAt !== undefined) consumer.learn(true)
  }

  /**
   * Lets as few deliveries come as possible. A queue that outlives its consumers is not consumed from any more; another
   * one keeps a consumer, which gets one message. An exclusive consumer stays as it is, since somebody else could take its
   * place, and so does that of a stream, which is not taken anything from.
   */
  async pause(): Promise<void> {
    for (const consumer of this.all) consumer.wanted = 0
    const pausing = this.#running.filter(({ queue, maybeStream }) => !queue.exclusive && !maybeStream)
    for (const consumer of pausing) consumer.paused = true
    const lasting = pausing.filter(({ queue }) => queue.outlivesConsumers)
    const others = pausing.filter(({ queue }) => !queue.outlivesConsumers)
    const qos = others.length === 0 ? undefined : this.#ask(this.#qosRequest(1))
    await Promise.all([
      qos,
      ...lasting.map(({ tag }) => this.#cancel(tag)),
      ...others.map(consumer => this.#renew(consumer, 1)),
    ])
  }

  /** Goes on after a pause. */
  async unpause(count: number): Promise<void> {
    const paused = this.#running.filter(consumer => consumer.paused)
    if (paused.length === 0) return
    const qos = this.#ask(this.#qosRequest(count))
    await Promise.all([qos, ...paused.map(consumer => this.#unpause(consumer, count))])
  }

  /** Cancels them all; resolves when no more deliveries can come. */
  async cancel(): Promise<void> {
    await Promise.all(this.#running.map(({ tag }) => this.#cancel(tag)))
    // RabbitMQ before 3.11 ends the connection where something is given back to a stream.
    await Promise.all(this.all.map(consumer => this.resolveDoubt(consumer)))
  }

  /** Cancels them all, and waits for nothing. */
  abandon(): void {
    for (const { tag } of this.#running) this.#host.cancelNoWait(tag)
  }

  get #running(): QueueConsumer[] {
    return this.all.filter(consumer => !consumer.cancelledByBroker)
  }

  /** The consumers that are to get another prefetch count. What their queues are, the broker has said by then. */
  async #changeable(count: number): Promise<QueueConsumer[]> {
    // This count takes the place of one that some of them wait for.
    for (const consumer of this.all) consumer.wanted = 0
    const changeable = this.#running.filter(
      // Nobody else waits for what an exclusive consumer holds: it can do without the change, not without the queue.
      ({ paused, prefetch, queue }) => !paused && (queue.exclusive ? count > prefetch : count !== prefetch),
    )
    await Promise.all(changeable.map(consumer => this.resolveDoubt(consumer)))
    return this.#host.isLive ? changeable.filter(({ cancelledByBroker }) => !cancelledByBroker) : []
  }

  async #unpause(consumer: QueueConsumer, count: number): Promise<void> {
    consumer.paused = false
    if (!consumer.queue.outlivesConsumers) return this.#renew(consumer, count)
    consumer.prefetch = count
    this.#takeNewTag(consumer)
    await this.#ask(this.#consumeRequest(consumer))
  }

  /**
   * A new consumer of this queue gets nothing that belongs behind what is on its way to the old one. What is on its way to
   * a cancelled consumer of a quorum queue goes back, and another that begins at the same time may be ahead of it.
   */
  #keepsOrder(consumer: QueueConsumer): boolean {
    return consumer.isResumable || this.#host.deliveries.isFull(consumer)
  }

  /** Gives a queue a new consumer in place of the old one. */
  async #renew(consumer: QueueConsumer, count: number, context = this.#context): Promise<void> {
    const { tag: oldTag, queue } = consumer
    consumer.prefetch = count
    this.#takeNewTag(consumer)
    const cancel = () => this.#cancel(oldTag, context)
    const consume = () => this.#ask(this.#consumeRequest(consumer), context)
    if (consumer.isResumable) {
      // Where a stream has to go on is known only when the old consumer delivers no more.
      await cancel()
      if (this.#host.isLive) await consume()
      return
    }
    // An auto-delete queue must never be without a consumer. An exclusive consumer suffers no other, and RabbitMQ 3.10
    // loses a queue with a single active consumer when the active one makes way for the next of its channel.
    const cancelFirst = queue.exclusive || queue.outlivesConsumers
    await Promise.all(cancelFirst ? [cancel(), consume()] : [consume(), cancel()])
  }

  #takeNewTag(consumer: QueueConsumer): void {
    this.#byTag.set(consumer.renewTag(this.#byTag), consumer)
  }

  async #cancel(tag: string, context = this.#context): Promise<void> {
    await this.#ask(
      encodeRequest('basic.cancel', { consumerTag: tag, noWait: false }, this.#frameMax),
      context,
    )
    this.#retired.push(tag)
    if (this.#retired.length > MOST_RETIRED) this.#byTag.delete(this.#retired.shift() as string)
  }

  #ask(request: Request, context = this.#context): Promise<Reply> {
    return this.#host.ask(request, context)
  }

  #qosRequest(prefetchCount: number): Request {
    return encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount, global: false }, this.#frameMax)
  }

  #consumeRequest({ queue, resumeAt, tag }: QueueConsumer): Request {
    return consumeRequest({ ...queue, resumeAt }, tag, this.#frameMax)
  }
}

/** Throws {@link ArgumentError} if AMQP cannot carry the names or arguments. */
export function consumeRequest(plan: SubscribedQueue, consumerTag: string, frameMax: number): Request {
  const { queue, noLocal, exclusive, resumeAt } = plan
  const args = resumeAt === undefined ? plan.arguments : { ...plan.arguments, [STREAM_OFFSET]: resumeAt }
  // Never no-ack on the wire: a slow reader would have no way to make the broker wait.
  const options = { noLocal, noAck: false, exclusive, noWait: false, arguments: args }
  return encodeRequest('basic.consume', { queue, consumerTag, ...options }, frameMax)
}
