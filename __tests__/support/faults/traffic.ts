/**
 * Owns a producer and a consumer that run while a test breaks things: what was confirmed, what came, the longest gaps.
 * Knows nothing of what is broken.
 */
import type { Client, Consumer } from '../../../src/index.js'
import { eventually } from '../outcome.js'

/** The longest time between two moments, counted from the last `mark()` on. */
export class Gap {
  longest = 0
  #last = performance.now()

  tick(): void {
    const now = performance.now()
    this.longest = Math.max(this.longest, now - this.#last)
    this.#last = now
  }

  mark(): void {
    this.longest = 0
    this.#last = performance.now()
  }
}

/** Publishes numbered messages to a queue, so many unconfirmed at most, until it is stopped or its client closes. */
export class Producer {
  readonly confirmed = new Set<number>()
  readonly failures: unknown[] = []
  readonly gap = new Gap()
  readonly #running: Promise<void>
  readonly #first: number
  #stopped = false
  #next: number

  /** Several producers of one queue begin with numbers of their own. */
  constructor(client: Client, queue: string, pause = 2, first = 0) {
    this.#first = first
    this.#next = first
    this.#running = this.#run(client, queue, pause)
  }

  get published(): number {
    return this.#next - this.#first
  }

  /** Resolves when so many more are confirmed. */
  async more(count: number, milliseconds = 60_000): Promise<void> {
    const goal = this.confirmed.size + count
    await eventually(() => this.confirmed.size >= goal, milliseconds)
  }

  /** Publishes no more; resolves when each publish has its outcome. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(client: Client, queue: string, pause: number): Promise<void> {
    const pending = new Set<Promise<void>>()
    // A test that fails closes its clients, and stops nobody.
    while (!this.#stopped && client.state.name !== 'closed') {
      const number = this.#next++
      const publish = client.basicPublish('', queue, String(number)).then(
        () => {
          this.confirmed.add(number)
          this.gap.tick()
        },
        error => void this.failures.push(error),
      )
      pending.add(publish)
      void publish.finally(() => pending.delete(publish))
      if (pending.size >= 100) await Promise.race(pending)
      else await new Promise(resolve => setTimeout(resolve, pause))
    }
    await Promise.all(pending)
  }
}

/** Takes messages, and acks them, until its consumer is cancelled. */
export class Taker {
  readonly seen = new Map<number, number>()
  readonly gap = new Gap()
  /** Resolves when the loop has ended; rejects with what it threw. */
  readonly ended: Promise<void>

  constructor(consumer: Consumer) {
    this.ended = this.#run(consumer)
    this.ended.catch(() => undefined)
  }

  /** How many came more than once. */
  get duplicates(): number {
    return [...this.seen.values()].filter(times => times > 1).length
  }

  missing(numbers: Iterable<number>): number[] {
    return [...numbers].filter(number => !this.seen.has(number))
  }

  async #run(consumer: Consumer): Promise<void> {
    for await (const message of consumer) {
      const number = Number(message.text())
      this.seen.set(number, (this.seen.get(number) ?? 0) + 1)
      this.gap.tick()
      message.ack()
    }
  }
}

/** What a test has measured, for whoever reads its output. */
export function measured(what: string, figures: Record<string, unknown>): void {
  const texts = Object.entries(figures).map(
    ([name, value]) =>
      `${name} ${typeof value === 'number' ? Math.round(value) : typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  process.stdout.write(`  ${what}: ${texts.join(', ')}\n`)
}
