/**
 * Owns one channel of a broker in memory: its consumers, what is unacknowledged on it, its delivery tags. Knows nothing of
 * what methods come.
 */
import {
  type Absence,
  type ModelBroker,
  type ModelConsumer,
  type ModelMessage,
  Refusal,
} from './model-broker.js'
import type { ScriptedPeer } from './scripted-peer.js'

interface Unacknowledged {
  readonly queue: string
  readonly message: ModelMessage
  readonly consumer: ModelConsumer
}

interface ChannelConsumer extends ModelConsumer {
  readonly queue: string
}

export class BrokerChannel {
  /** How many publishes came since it was put into confirm mode; undefined before that. */
  confirmed: number | undefined
  /** For the consumers to come; 0 is any number. */
  prefetch = 0
  /** It is closed, or waits for its close-ok: what comes means nothing. */
  isClosed = false
  /** What waits for the answer of a request that is not answered. */
  backlog: (() => void)[] | undefined
  readonly #consumers = new Map<string, ChannelConsumer>()
  readonly #unacked = new Map<number, Unacknowledged>()
  #tag = 0

  constructor(
    readonly broker: ModelBroker,
    readonly peer: ScriptedPeer,
    readonly number: number,
  ) {}

  consume(queue: string, consumerTag: string): void {
    const { prefetch, peer, number } = this
    const consumer: ChannelConsumer = {
      queue,
      offer: message => {
        if (this.isClosed || (prefetch > 0 && this.#countOf(consumer) >= prefetch)) return false
        const deliveryTag = ++this.#tag
        this.#unacked.set(deliveryTag, { queue, message, consumer })
        const { redelivered, body } = message
        const args = { consumerTag, deliveryTag, redelivered, exchange: '', routingKey: queue }
        peer.sendContent(number, 'basic.deliver', args, body)
        return true
      },
      cancelled: () => {
        this.#consumers.delete(consumerTag)
        if (!this.isClosed) peer.send(number, 'basic.cancel', { consumerTag, noWait: true })
      },
    }
    this.#consumers.set(consumerTag, consumer)
    this.broker.addConsumer(queue, consumer)
    this.broker.pump(queue)
  }

  cancel(consumerTag: string, why: Absence = 'user'): void {
    const consumer = this.#consumers.get(consumerTag)
    if (consumer === undefined) return
    this.#consumers.delete(consumerTag)
    this.broker.removeConsumer(consumer.queue, consumer, why)
  }

  /** Settles a delivery, or with `multiple` all up to it. */
  settle(deliveryTag: number, multiple: boolean, requeue: boolean): void {
    const tags = multiple
      ? [...this.#unacked.keys()].filter(tag => deliveryTag === 0 || tag <= deliveryTag)
      : [deliveryTag]
    if (!multiple && !this.#unacked.has(deliveryTag))
      throw new Refusal(406, `PRECONDITION_FAILED - unknown delivery tag ${deliveryTag}`)
    const settled = tags.flatMap(tag => this.#unacked.get(tag) ?? [])
    for (const tag of tags) this.#unacked.delete(tag)
    if (requeue) this.#requeue(settled)
    for (const { queue } of settled) this.broker.pump(queue)
  }

  /** It closes: its consumers end, and what is unacknowledged goes back. */
  close(why: Absence): void {
    this.isClosed = true
    this.backlog = undefined
    const unacked = [...this.#unacked.values()]
    this.#unacked.clear()
    for (const tag of [...this.#consumers.keys()]) this.cancel(tag, why)
    this.#requeue(unacked)
  }

  #countOf(consumer: ModelConsumer): number {
    return [...this.#unacked.values()].filter(one => one.consumer === consumer).length
  }

  #requeue(unacked: readonly Unacknowledged[]): void {
    const names = new Set(unacked.map(({ queue }) => queue))
    for (const name of names) {
      const queue = this.broker.queues.get(name)
      const messages = unacked.filter(one => one.queue === name).map(({ message }) => message)
      if (queue !== undefined) this.broker.giveBack(name, queue, messages)
    }
  }
}
