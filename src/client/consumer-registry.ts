/**
 * Owns the consumers of a client, over all its connections: each begins on the session that is there, and comes back on
 * the next one.
 */
import { captureCallSite } from '../call-site.js'
import { ConsumerCancelledError, NotFoundError } from '../errors.js'
import { type ConnectionLoss, withOperation } from '../operation-errors.js'
import type { ConsumeMultiOptions, QueueItem } from '../options.js'
import type { Recoverable } from '../recovery/recoverable.js'
import type { RecoveringConnection } from '../recovery/recovering-connection.js'
import type { TopologyRecovery } from '../recovery/topology-recovery.js'
import { isUnavailable } from '../reply-codes.js'
import type { SubscribedQueue } from '../session/queue-consumer.js'
import type { Session } from '../session/session.js'
import type { Subscription } from '../session/subscription.js'
import type { SubscriptionEvents, SubscriptionPlan } from '../session/subscription-types.js'
import { consumeRequest } from '../session/wire-consumers.js'
import type { TicketCounter } from '../ticket.js'
import { pause, settledWithin } from '../util/pause.js'
import { tellAll } from '../util/tell-all.js'
import { readConsumeOptions } from './consume-options.js'
import { Consumer, type ConsumerHost } from './consumer.js'

/** So long the rest of the recovery waits for consumers, in milliseconds; slower ones come when they can. */
const RESUME_TIMEOUT = 2000

/** So many consumers that have failed are remembered. */
const MOST_FAILED = 1000

/** What is remembered of a consumer that has failed: not the consumer, and all that it was made of. */
interface Failure {
  readonly consumer: WeakRef<Consumer>
  readonly queues: readonly string[]
}

export class ConsumerRegistry implements Recoverable, ConsumerHost {
  /** Those that run, and those that have ended with messages in hand. */
  readonly #consumers = new Set<Consumer>()
  /** Their tags. */
  readonly #tags = new Set<string>()
  /** Those that have ended with an error, and that nobody has replaced or cancelled since: the last for each set of queues. */
  readonly #failed = new Map<string, Failure>()
  readonly #counter: TicketCounter
  readonly #topology: TopologyRecovery
  readonly #connection: () => RecoveringConnection
  #session: Session | undefined
  /** Aborted when the session is over. */
  #over = new AbortController()

  readonly #onEnded: (consumer: Consumer, error: unknown) => void

  /** `connection` gives the connection, which is made with this registry on its list. */
  constructor(
    counter: TicketCounter,
    topology: TopologyRecovery,
    connection: () => RecoveringConnection,
    onEnded: (consumer: Consumer, error: unknown) => void,
  ) {
    this.#counter = counter
    this.#topology = topology
    this.#connection = connection
    this.#onEnded = onEnded
  }

  /** How many there are that have not ended. */
  get size(): number {
    return this.#running.length
  }

  /** Every consumer that should run does. */
  get areHealthy(): boolean {
    const { record } = this.#topology
    // A consumer of queues that this client has deleted need not run.
    const due = [...this.#failed.values()].filter(({ queues }) =>
      queues.some(name => !record.wasDeleted(name)),
    )
    return due.length === 0 && this.#running.every(({ state }) => state.name === 'running')
  }

  /** Makes a consumer, which begins soon. Throws {@link ArgumentError} for options that are invalid. */
  consume(operation: string, items: readonly QueueItem[], options: ConsumeMultiOptions): Consumer {
    const context = { operation, ticket: this.#counter.next() }
    try {
      const plan = readConsumeOptions(items, options, context, {
        takenTags: this.#tags,
        isContended: queue => this.#topology.record.hasSingleConsumer(queue),
        site: captureCallSite(this.consume),
      })
      const connection = this.#connection()
      connection.check(operation)
      for (const queue of plan.queues) consumeRequest(queue, queue.consumerTag, connection.frameMax)
      const consumer = new Consumer(this, plan)
      this.#consumers.add(consumer)
      for (const tag of consumer.consumerTags) this.#tags.add(tag)
      this.#failed.delete(keyOf(consumer))
      for (const { queue } of plan.queues) this.#topology.record.consumerAdded(queue)
      return consumer
    } catch (error) {
      throw withOperation(error, context)
    }
  }

  attach(session: Session): Promise<void> | undefined {
    this.#session = session
    this.#over = new AbortController()
    return this.#consumers.size === 0 ? undefined : this.#resume()
  }

  /** Each consumer is told by its channel; what the broker meant, by this. */
  detach({ blamed }: ConnectionLoss): void {
    this.#session = undefined
    this.#over.abort()
    tellAll(this.#consumers, consumer => consumer.blame(blamed))
  }

  end({ reason }: ConnectionLoss): void {
    this.#session = undefined
    this.#over.abort()
    tellAll(this.#consumers, consumer => consumer.fail(reason))
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

  get patience(): number {
    return this.#connection().patience
  }

  subscribe(plan: SubscriptionPlan, events: SubscriptionEvents): Subscription | undefined {
    const queues = plan.queues.map(queue => this.#present(queue))
    return this.#session?.subscribe({ ...plan, queues }, events)
  }

  restoreMissing(queue: string): Promise<void> | undefined {
    return this.#topology.restoreMissing(queue)
  }

  onQueueEnd(queue: string, begun: boolean, error: unknown): void {
    const { record } = this.#topology
    record.consumerRemoved(queue, begun, isMissing(error, record.nameOf(queue)))
  }

  /** What it has handed out may still be at work: drain waits for that. */
  onConsumerEnd(consumer: Consumer, error: unknown): void {
    void consumer.idle().then(() => {
      this.#consumers.delete(consumer)
      for (const tag of consumer.consumerTags) this.#tags.delete(tag)
    })
    if (error !== undefined) this.#fail(consumer)
    this.#onEnded(consumer, error)
  }

  onConsumerCancelled(consumer: Consumer): void {
    if (this.#failed.get(keyOf(consumer))?.consumer.deref() === consumer) this.#failed.delete(keyOf(consumer))
  }

  #fail(consumer: Consumer): void {
    this.#failed.set(keyOf(consumer), { consumer: new WeakRef(consumer), queues: consumer.queues })
    const [oldest] = this.#failed.keys()
    if (this.#failed.size > MOST_FAILED && oldest !== undefined) this.#failed.delete(oldest)
  }

  get #running(): Consumer[] {
    return [...this.#consumers].filter(consumer => !consumer.hasEnded)
  }

  /** What is known of a queue by now. */
  #present(queue: SubscribedQueue): SubscribedQueue {
    const { record } = this.#topology
    const name = record.nameOf(queue.queue)
    const declared = record.kindOf(name)
    const kind = declared === 'unknown' ? queue.kind : declared
    return { ...queue, queue: name, kind, outlivesConsumers: record.outlivesConsumers(name) }
  }

  async #resume(): Promise<void> {
    const suspects = this.#running.filter(({ isSuspect }) => isSuspect)
    suspects.sort((one, other) => one.resumePause - other.resumePause)
    const resumed: Promise<void>[] = []
    for (const consumer of this.#running) {
      if (consumer.isSuspect) continue
      const attached = consumer.attach()
      // It comes when its queue does.
      if (!this.#isLate(consumer)) resumed.push(attached)
    }
    const prompt = suspects.filter(({ resumePause }) => resumePause === 0)
    const promptlyResumed = this.#resumeOneByOne(prompt, [...resumed])
    resumed.push(promptlyResumed)
    const later = suspects.filter(suspect => !prompt.includes(suspect))
    void this.#resumeOneByOne(later, [promptlyResumed])
    // A queue that cannot be consumed from for now, such as one without a leader, must not keep the others waiting.
    await settledWithin(Promise.all(resumed), RESUME_TIMEOUT, this.#over.signal)
  }

  /** A queue that it consumes from is not back yet. */
  #isLate({ queues }: Consumer): boolean {
    return queues.some(queue => this.#topology.pending({ queue }) !== undefined)
  }

  /** If one of them brings the connection down again, it is known which. */
  async #resumeOneByOne(suspects: readonly Consumer[], others: readonly Promise<void>[]): Promise<void> {
    const { signal } = this.#over
    await settledWithin(Promise.all(others), RESUME_TIMEOUT, signal)
    for (const suspect of suspects) {
      if (suspect.resumePause > 0) await pause(suspect.resumePause, signal)
      if (signal.aborted) return
      await settledWithin(suspect.attach(), RESUME_TIMEOUT, signal)
    }
  }
}

/** A consumer has ended since the broker says that there is no such queue, whose name it gives. */
function isMissing(error: unknown, queue: string): boolean {
  const reason = error instanceof ConsumerCancelledError ? error.cause : error
  return reason instanceof NotFoundError && !isUnavailable(reason) && reason.message.includes(`'${queue}'`)
}

/** The queues of a consumer, as a key. */
function keyOf({ queues }: Consumer): string {
  return JSON.stringify(queues)
}
