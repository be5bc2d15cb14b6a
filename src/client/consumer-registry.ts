/**
 * Owns the consumers of a client, over all its connections: each begins on the session that is there, and comes back on
 * the next one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionLoss, withOperation } from '../operation-errors.js'
import type { ConsumeMultiOptions, QueueItem } from '../options.js'
import type { Recoverable } from '../recovery/recoverable.js'
import type { RecoveringConnection } from '../recovery/recovering-connection.js'
import type { TopologyRecovery } from '../recovery/topology-recovery.js'
import type { SubscribedQueue } from '../session/queue-consumer.js'
import type { Session } from '../session/session.js'
import {
  consumeRequest,
  type Subscription,
  type SubscriptionEvents,
  type SubscriptionPlan,
} from '../session/subscription.js'
import type { TicketCounter } from '../ticket.js'
import { ignore } from '../util/promise.js'
import { readConsumeOptions } from './consume-options.js'
import { Consumer, type ConsumerHost } from './consumer.js'

/** So long the rest of the recovery waits for consumers, in milliseconds; slower ones come when they can. */
const RESUME_TIMEOUT = 5000

export class ConsumerRegistry implements Recoverable, ConsumerHost {
  readonly #consumers = new Set<Consumer>()
  readonly #counter: TicketCounter
  readonly #topology: TopologyRecovery
  readonly #connection: () => RecoveringConnection
  #session: Session | undefined

  /** `connection` gives the connection, which is made with this registry on its list. */
  constructor(counter: TicketCounter, topology: TopologyRecovery, connection: () => RecoveringConnection) {
    this.#counter = counter
    this.#topology = topology
    this.#connection = connection
  }

  /** Makes a consumer, which begins soon. Throws {@link ArgumentError} for options that are invalid. */
  consume(operation: string, items: readonly QueueItem[], options: ConsumeMultiOptions): Consumer {
    const context = { operation, ticket: this.#counter.next() }
    try {
      const plan = readConsumeOptions(items, options, context)
      const connection = this.#connection()
      connection.check(operation)
      for (const queue of plan.queues) consumeRequest(queue, queue.consumerTag, connection.frameMax)
      const consumer = new Consumer(this, plan)
      this.#consumers.add(consumer)
      for (const { queue } of plan.queues) this.#topology.record.consumerAdded(queue)
      return consumer
    } catch (error) {
      throw withOperation(error, context)
    }
  }

  attach(session: Session): Promise<void> | undefined {
    this.#session = session
    return this.#consumers.size === 0 ? undefined : this.#resume()
  }

  /** Each consumer is told by its channel. */
  detach(): void {
    this.#session = undefined
  }

  end({ reason }: ConnectionLoss): void {
    this.#session = undefined
    for (const consumer of this.#consumers) consumer.fail(reason)
  }

  /** Cancels them all. */
  async cancel(): Promise<void> {
    await Promise.all([...this.#consumers].map(consumer => consumer.cancel()))
  }

  /** Resolves when everything that consumers have handed out before they ended is settled. */
  async idle(): Promise<void> {
    const ended = [...this.#consumers].filter(consumer => consumer.hasEnded)
    await Promise.all(ended.map(consumer => consumer.idle()))
  }

  /** The client is closed while handlers are running. */
  cutOff(): void {
    for (const consumer of this.#consumers) consumer.cutOff()
  }

  get recovers(): boolean {
    return this.#connection().recovers
  }

  subscribe(plan: SubscriptionPlan, events: SubscriptionEvents): Subscription | undefined {
    const queues = plan.queues.map(queue => this.#present(queue))
    return this.#session?.subscribe({ ...plan, queues }, events)
  }

  restoreMissing(queue: string): Promise<void> | undefined {
    return this.#topology.restoreMissing(queue)
  }

  onQueueEnd(queue: string, begun: boolean): void {
    this.#topology.record.consumerRemoved(queue, begun)
  }

  /** What it has handed out may still be at work: drain waits for that. */
  onConsumerEnd(consumer: Consumer): void {
    void consumer.idle().then(() => this.#consumers.delete(consumer))
  }

  /** What is known of a queue by now. */
  #present(queue: SubscribedQueue): SubscribedQueue {
    const { record } = this.#topology
    const name = record.nameOf(queue.queue)
    return { ...queue, queue: name, outlivesConsumers: record.queue(name)?.args.autoDelete === false }
  }

  async #resume(): Promise<void> {
    const resumed = [...this.#consumers].map(consumer => consumer.resume())
    // A queue that cannot be consumed from for now, such as one without a leader, must not keep the others waiting.
    const done = new AbortController()
    const timeout = sleep(RESUME_TIMEOUT, undefined, { signal: done.signal }).catch(ignore)
    await Promise.race([Promise.all(resumed), timeout])
    done.abort()
  }
}
