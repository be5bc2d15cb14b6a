/**
 * Owns one place where messages are read: a consumer in loops or `forEach`, and the next one when that was left. It does
 * with each message what its habits are. Knows nothing of the broker, and of what breaks.
 */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { AlreadySettledError, type Client, type Consumer, type Message } from '../../../src/index.js'
import { Hand, settleBy } from './consumer-hand.js'
import { FaultHistory, type Ledger, StreamReading } from './consumer-ledger.js'
import { type ConsumerSpec, type Habit, KINDS } from './consumer-steps.js'

/** What an actor needs of its run. */
export interface Stage {
  readonly ledger: Ledger
  /** Everything is to come to its end: all is acked at once. */
  readonly calm: boolean
  /** Resolves with the client when there is one that is not to be closed. */
  client(): Promise<Client>
  /** The client was told to close. */
  isLeaving(client: Client): boolean
  nameOf(queue: number): string
}

/** A message that goes back this often is acked. */
const MOST_RETURNS = 3
const LATE = 15
const FAILURE = new Error('left by the test')

export class ConsumerActor {
  readonly history = new FaultHistory()
  readonly hand: Hand
  readonly spec: ConsumerSpec
  consumer: Consumer | undefined
  /** How often the broker has stopped it, since it last got a message by a new subscription. */
  fruitless = 0
  lives = 0
  /** Its queue was missing for so long that it may have given up. */
  mayGiveUp = false
  readonly #stage: Stage
  readonly #name: string
  readonly #counts = new Map<string, number>()
  #streams = new Map<number, { reading: StreamReading; at: number }>()
  readonly #settlers = new WeakSet<Message['settler']>()
  #leaving: 'break' | 'throw' | undefined
  #abort = new AbortController()
  #turn = 0
  #stopped = false
  #living: Promise<void> = Promise.resolve()

  constructor(stage: Stage, name: string, spec: ConsumerSpec) {
    this.#stage = stage
    this.#name = name
    this.spec = spec
    this.hand = new Hand(stage.ledger, this.history)
  }

  start(): void {
    this.#living = this.#live()
  }

  /** Ends it. Resolves when its loops have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.consumer?.cancel()
    await this.#living
  }

  /** The tag of the consumer of one of its queues. */
  tagOf(item: number): string {
    return `${this.#name}.${this.lives}.${item % this.spec.queues.length}`
  }

  leave(how: 'break' | 'throw' | 'cancel'): void {
    if (how === 'cancel') void this.consumer?.cancel()
    else if (this.spec.reading === 'loop') this.#leaving = how
    else if (how === 'throw') this.#abort.abort()
    else void this.consumer?.cancel()
  }

  /** It goes on to the end. */
  stay(): void {
    this.#leaving = undefined
    this.consumer?.resume()
  }

  /** Its present consumer has read its streams to the end. */
  get hasReadStreams(): boolean {
    const streams = this.spec.queues.filter(queue => KINDS[queue] === 'stream')
    return streams.every(queue => this.#offsetOf(queue) === this.#stage.ledger.length(queue))
  }

  toString(): string {
    const { queues, prefetchCount, noAck, reading, width, onLeave } = this.spec
    const what = `${reading} x${width} over ${queues.map(queue => `${KINDS[queue]} ${queue}`).join(', ')}`
    const how = `${noAck ? 'noAck, ' : ''}prefetch ${prefetchCount}, ${onLeave}`
    const { state, isPaused } = this.consumer ?? {}
    const streams = [...this.#streams].map(([queue, { reading }]) => `${queue} at ${reading.next}`)
    const where = streams.length === 0 ? '' : `, streams ${streams.join(', ')}`
    const doing = `life ${this.lives}, ${state?.name}${isPaused === true ? ', paused' : ''}, holds ${this.hand.size}`
    return `${this.#name} (${what}; ${how}): ${doing}${where}`
  }

  #offsetOf(queue: number): number {
    return this.#streams.get(queue)?.reading.next ?? 0
  }

  async #live(): Promise<void> {
    const { ledger } = this.#stage
    while (!this.#stopped) {
      const client = await this.#stage.client()
      if (this.#stopped) return
      const consumer = this.#begin(client)
      const outcomes = await Promise.allSettled(this.#readers(consumer))
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled' || outcome.reason === FAILURE) continue
        if (this.#stage.isLeaving(client)) continue
        const { name, message } = outcome.reason as Error
        if (this.mayGiveUp && name === 'ConsumerCancelledError') continue
        // It was cancelled, and the connection or the channel was lost before the handlers of forEach had ended.
        const isLoss = name === 'ConnectionBrokenError' || message.includes('made up by a test')
        if (isLoss && isCancelled(consumer)) continue
        ledger.troubles.push(`consumer ${this.#name} ended with ${name}: ${message}`)
      }
      await consumer.cancel()
    }
  }

  #begin(client: Client): Consumer {
    const { queues, prefetchCount, noAck, onLeave } = this.spec
    this.lives++
    this.#streams = new Map()
    this.#abort = new AbortController()
    const items = queues.map((queue, item) => ({
      queue: this.#stage.nameOf(queue),
      consumerTag: this.tagOf(item),
      arguments: KINDS[queue] === 'stream' ? { 'x-stream-offset': 'first' } : {},
    }))
    const options = { noAck, onLeave, ...(prefetchCount === undefined ? {} : { prefetchCount }) }
    const [only] = items
    const { queue: name, ...own } = only ?? { queue: '' }
    this.consumer =
      items.length === 1
        ? client.basicConsume(name, { ...options, ...own })
        : client.basicConsumeMulti(items, options)
    return this.consumer
  }

  #readers(consumer: Consumer): Promise<void>[] {
    const { reading, width } = this.spec
    if (reading === 'loop') return Array.from({ length: width }, () => this.#loop(consumer))
    const handler = (message: Message): Promise<void> => this.#handle(message, consumer)
    return [consumer.forEach(handler, { concurrency: width, signal: this.#abort.signal })]
  }

  async #loop(consumer: Consumer): Promise<void> {
    const loop = {}
    for await (const message of consumer) {
      this.#take(message, loop)
      if (!this.spec.noAck) void this.#settle(message, this.#nextHabit(message))
      const leaving = this.#leaving
      if (leaving === undefined) continue
      this.#leaving = undefined
      if (this.spec.onLeave === 'requeue') this.hand.leave(loop)
      if (leaving === 'throw') throw FAILURE
      break
    }
  }

  async #handle(message: Message, consumer: Consumer): Promise<void> {
    this.#take(message, consumer)
    const habit = this.#nextHabit(message)
    if (this.spec.noAck) {
      if (habit === 'throw') throw FAILURE
      return
    }
    if (habit === 'throw') throw FAILURE
    if (habit === 'hold') await this.hand.settledLater(message)
    else if (habit !== 'ack') await this.#settle(message, habit)
  }

  /** Whatever comes of it: the hand looks on. */
  async #settle(message: Message, habit: Habit): Promise<void> {
    if (habit === 'hold' || habit === 'throw') return
    if (habit === 'late') {
      await delay(LATE)
      await turn()
    }
    try {
      settleBy(message, habit === 'late' ? 'ack' : habit)
    } catch (error) {
      if (!(error instanceof AlreadySettledError)) throw error
    }
  }

  #nextHabit(message: Message): Habit {
    const habit = this.spec.habits[this.#turn++ % this.spec.habits.length] ?? 'ack'
    const id = message.text()
    const count = (this.#counts.get(id) ?? 0) + 1
    this.#counts.set(id, count)
    return this.#stage.calm || count > MOST_RETURNS ? 'ack' : habit
  }

  #take(message: Message, loop: unknown): void {
    const { ledger } = this.#stage
    // What came by an earlier subscription may be handed out when the next one has begun.
    if (!this.#settlers.has(message.settler)) {
      this.#settlers.add(message.settler)
      this.fruitless = 0
    }
    const id = message.text()
    const [queue = 0, number = 0] = id.split(':').map(Number)
    const fromStream = KINDS[queue] === 'stream'
    if (message.streamOffset !== (fromStream ? number : undefined))
      ledger.troubles.push(`message ${id} says that it stands at offset ${message.streamOffset}`)
    if (fromStream) this.#read(queue, number)
    else ledger.takenOut(id, this.spec.noAck, this.history)
    if (!this.spec.noAck) this.hand.take(message, id, fromStream, loop)
  }

  #read(queue: number, offset: number): void {
    const now = performance.now()
    const stream = this.#streams.get(queue) ?? { reading: new StreamReading(), at: now }
    this.#streams.set(queue, stream)
    const trouble = stream.reading.read(offset, this.history.endangers(stream.at))
    stream.at = now
    if (trouble !== undefined) this.#stage.ledger.troubles.push(`${this.#name}, stream ${queue}: ${trouble}`)
  }
}

/** Its user has ended it. */
function isCancelled({ state }: Consumer): boolean {
  return state.name === 'ended' && state.error === undefined
}
