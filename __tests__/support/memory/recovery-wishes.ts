/**
 * Owns what a client of the model of recovery has declared and not deleted, so far as that is certain. Knows nothing of
 * clients and brokers.
 */
import { bindingKey, type ModelBinding } from './model-broker.js'
import { EXCHANGES, QUEUES } from './recovery-commands.js'

export class Wishes {
  readonly queues = new Set<number>()
  readonly exchanges = new Set<number>()
  readonly bindings = new Map<string, { queue: number; exchange: number }>()
  /** What the broker may have deleted by its own rules. */
  readonly uncertain = new Set<number>()
  /** The names that the broker has given to queues, the present one last. */
  readonly #given = new Map<number, string[]>()

  nameOf(queue: number): string {
    return this.namesOf(queue).at(-1) ?? `q${queue}`
  }

  namesOf(queue: number): string[] {
    return this.#given.get(queue) ?? []
  }

  isServerNamed(queue: number): boolean {
    return QUEUES[queue]?.startsWith('named') === true
  }

  queueDeclared(queue: number, name: string): void {
    if (!this.namesOf(queue).includes(name)) this.#given.set(queue, [...this.namesOf(queue), name])
    this.queues.add(queue)
    this.uncertain.delete(queue)
  }

  renamed(from: string, to: string): void {
    for (const names of this.#given.values()) if (names.at(-1) === from) names.push(to)
  }

  queueDeleted(queue: number): void {
    this.queues.delete(queue)
    this.#given.delete(queue)
    this.#unbind(binding => binding.queue === queue)
  }

  exchangeDeleted(exchange: number): void {
    this.exchanges.delete(exchange)
    this.#unbind(binding => binding.exchange === exchange)
  }

  bound(queue: number, exchange: number): void {
    this.bindings.set(`${queue} ${exchange}`, { queue, exchange })
  }

  unbound(queue: number, exchange: number): void {
    this.#unbind(binding => binding.queue === queue && binding.exchange === exchange)
  }

  /** The queues that a message to an exchange should reach. */
  reached(exchange: number): number[] {
    if (!this.exchanges.has(exchange)) return []
    return [...this.bindings.values()].filter(one => one.exchange === exchange).map(({ queue }) => queue)
  }

  #unbind(which: (binding: { queue: number; exchange: number }) => boolean): void {
    for (const [key, binding] of [...this.bindings]) {
      if (!which(binding)) continue
      this.bindings.delete(key)
      const isBound = [...this.bindings.values()].some(({ exchange }) => exchange === binding.exchange)
      if (!isBound && EXCHANGES[binding.exchange] === 'autoDelete') this.exchanges.delete(binding.exchange)
    }
  }
}

export function exchangeName(exchange: number): string {
  return `e${exchange}`
}

export function bindingOf(queue: string, exchange: number): ModelBinding {
  return { source: exchangeName(exchange), destination: queue, key: 'k', kind: 'queue' }
}

/** The parts that a message needs on its way to a queue. */
export function wayTo(names: readonly string[], exchange: number | undefined): string[] {
  const queues = names.map(name => `queue ${name}`)
  if (exchange === undefined) return queues
  const bindings = names.map(name => bindingKey(bindingOf(name, exchange)))
  return [`exchange ${exchangeName(exchange)}`, ...bindings, ...queues]
}
