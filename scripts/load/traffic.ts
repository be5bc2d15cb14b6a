/**
 * Owns what runs against the broker while the consumers read: publishes at full speed, and every operation of the client.
 * Knows nothing of consumers, or of what is measured.
 */
import type { Client, PublishManyMessage } from 'puka-amqp'
import { Workload } from '../soak/workload.js'
import type { Faults } from './faults.js'
import type { Ledger } from './ledger.js'

export class Traffic {
  readonly #ledger: Ledger
  readonly #workloads: readonly Workload[]
  readonly #work: Promise<void>[]
  #confirmed = 0
  #ending = false

  /** Each client has a load of messages and a worker, which does one round of all operations after the other. */
  constructor(
    clients: readonly Client[],
    queues: readonly string[],
    prefix: string,
    ledger: Ledger,
    faults: Faults,
  ) {
    this.#ledger = ledger
    this.#workloads = clients.map((client, index) => new Workload(client, `${prefix}.${index}`))
    this.#work = [
      ...clients.map(client => faults.watch('a load', this.#publish(client, queues))),
      ...this.#workloads.map(workload => faults.watch('an operation', this.#operate(workload))),
    ]
  }

  /** Messages of loads that have ended. */
  get confirmed(): number {
    return this.#confirmed
  }

  get operations(): { succeeded: number; failed: number } {
    const sum = { succeeded: 0, failed: 0 }
    for (const { tally } of this.#workloads) {
      sum.succeeded += tally.succeeded
      sum.failed += tally.failed
    }
    return sum
  }

  /** Begins nothing more, and resolves when all that has begun has an outcome. */
  async end(): Promise<void> {
    this.#ending = true
    await Promise.all(this.#work)
  }

  async #publish(client: Client, queues: readonly string[]): Promise<void> {
    const { published } = await client.publishMany(this.#messages(queues))
    this.#confirmed += published
  }

  async *#messages(queues: readonly string[]): AsyncGenerator<PublishManyMessage, void> {
    for (;;) {
      for (const routingKey of queues) {
        if (!this.#ledger.hasRoom) await this.#ledger.room()
        if (this.#ending) return
        yield { exchange: '', routingKey, body: this.#ledger.issue() }
      }
    }
  }

  async #operate(workload: Workload): Promise<void> {
    while (!this.#ending) await workload.round()
  }
}
