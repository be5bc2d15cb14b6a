/**
 * Owns the consumers of a run: fast ones and slow ones, with acks and without. Knows nothing of who publishes.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Client, Consumer } from 'puka-amqp'
import type { Faults } from './faults.js'
import type { Ledger } from './ledger.js'
import { isSlow, type Plan } from './plan.js'

const PREFETCH = 20
/** Milliseconds that a slow reader takes for a message. */
const SLOW = 250

export class Readers {
  readonly slow: number
  readonly #consumers: Consumer[] = []
  readonly #loops: Promise<void>[] = []
  readonly #ledger: Ledger

  constructor(
    clients: readonly Client[],
    queues: readonly string[],
    plan: Plan,
    ledger: Ledger,
    faults: Faults,
  ) {
    this.#ledger = ledger
    let slow = 0
    for (let index = 0; index < plan.consumers; index++) {
      const client = clients[index % clients.length]
      const queue = queues[index % queues.length]
      if (client === undefined || queue === undefined) break
      const pause = isSlow(index, plan) ? SLOW : 0
      // Every other slow reader acks nothing itself.
      const noAck = pause > 0 && slow++ % 2 === 1
      const consumer = client.basicConsume(queue, { prefetchCount: PREFETCH, noAck })
      this.#consumers.push(consumer)
      this.#loops.push(faults.watch('a consumer', this.#read(consumer, noAck, pause)))
    }
    this.slow = slow
  }

  async #read(consumer: Consumer, noAck: boolean, pause: number): Promise<void> {
    for await (const message of consumer) {
      this.#ledger.take(message.body)
      if (pause > 0) await delay(pause)
      if (!noAck) message.ack()
    }
  }

  get size(): number {
    return this.#consumers.length
  }

  /** Consumers that should run and do not. */
  get idle(): number {
    return this.#consumers.filter(({ state }) => state.name !== 'running').length
  }

  async ready(): Promise<void> {
    await Promise.all(this.#consumers.map(({ ready }) => ready))
  }

  /** Cancels all, and resolves when their loops have ended. */
  async end(): Promise<void> {
    await Promise.all(this.#consumers.map(consumer => consumer.cancel()))
    await Promise.all(this.#loops)
  }
}
