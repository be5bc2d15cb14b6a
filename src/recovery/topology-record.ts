/**
 * Owns the record of what this client has declared and not deleted: exchanges, queues and the bindings of both. It is
 * bounded by what exists: what is deleted, by this client or by the broker's own rules, leaves the record. Knows nothing
 * of connections.
 */
import type { ArgsOf } from '../codec/methods.gen.js'

export type ExchangeArgs = ArgsOf<'exchange.declare'>
export type QueueArgs = ArgsOf<'queue.declare'>
export type ExchangeBinding = ArgsOf<'exchange.bind'>
export type QueueBinding = ArgsOf<'queue.bind'>

/** A queue: what it was declared with, and whether the broker chose its name. */
export interface RecordedQueue {
  readonly args: QueueArgs
  readonly serverNamed: boolean
  /** What it was called before, the first name first. */
  readonly formerNames: readonly string[]
}

/** This client's consumers of an auto-delete queue, and whether it ever had one. */
interface Consumers {
  count: number
  begun: boolean
}

/** So many former names of a queue are known; the first always is. */
const MOST_FORMER_NAMES = 8
/** So many names of deleted queues are known. */
const MOST_DELETED = 1000

export class TopologyRecord {
  readonly #exchanges = new Map<string, ExchangeArgs>()
  readonly #queues = new Map<string, RecordedQueue>()
  readonly #exchangeBindings = new Map<string, ExchangeBinding>()
  readonly #queueBindings = new Map<string, QueueBinding>()
  /** What server-named queues are called now, by each name that they had before. */
  readonly #renamed = new Map<string, string>()
  readonly #consumers = new Map<string, Consumers>()
  /** The queues that this client has deleted and not declared since, the latest last. */
  readonly #deleted = new Set<string>()

  get exchanges(): ExchangeArgs[] {
    return [...this.#exchanges.values()]
  }

  get queues(): [string, RecordedQueue][] {
    return [...this.#queues]
  }

  queue(name: string): RecordedQueue | undefined {
    return this.#queues.get(name)
  }

  hasExchange(name: string): boolean {
    return this.#exchanges.has(name)
  }

  hasExchangeBinding(binding: ExchangeBinding): boolean {
    return this.#exchangeBindings.has(keyOf(binding.destination, binding))
  }

  hasQueueBinding(binding: QueueBinding): boolean {
    return this.#queueBindings.has(queueKey(binding))
  }

  get exchangeBindings(): ExchangeBinding[] {
    return [...this.#exchangeBindings.values()]
  }

  get queueBindings(): QueueBinding[] {
    return [...this.#queueBindings.values()]
  }

  /** How many entries there are. */
  get size(): number {
    return this.#exchanges.size + this.#queues.size + this.#exchangeBindings.size + this.#queueBindings.size
  }

  exchangeDeclared(args: ExchangeArgs): void {
    // The broker's own exchanges are there without us.
    if (!args.passive && args.exchange !== '' && !args.exchange.startsWith('amq.')) {
      this.#exchanges.set(args.exchange, args)
    }
  }

  exchangeDeleted(exchange: string): void {
    this.#exchanges.delete(exchange)
    this.#dropExchangeBindings(({ source, destination }) => source === exchange || destination === exchange)
    this.#dropQueueBindings(binding => binding.exchange === exchange)
  }

  queueDeclared(args: QueueArgs, queue: string): void {
    this.#deleted.delete(queue)
    if (args.passive) return
    this.#queues.set(queue, { args: { ...args, queue }, serverNamed: args.queue === '', formerNames: [] })
  }

  /** This client has deleted a queue. */
  queueDeleted(queue: string): void {
    const name = this.nameOf(queue)
    this.#deleted.add(name)
    const [oldest] = this.#deleted
    if (this.#deleted.size > MOST_DELETED && oldest !== undefined) this.#deleted.delete(oldest)
    this.#dropQueue(name)
  }

  exchangeBound(binding: ExchangeBinding): void {
    this.#exchangeBindings.set(keyOf(binding.destination, binding), binding)
  }

  exchangeUnbound(binding: ExchangeBinding): void {
    const { destination, source, routingKey } = binding
    const key = keyOf(destination, { source, routingKey, arguments: binding.arguments })
    this.#dropExchangeBindings((_, other) => other === key)
  }

  queueBound(binding: QueueBinding): void {
    this.#queueBindings.set(queueKey(binding), binding)
  }

  queueUnbound(binding: Omit<QueueBinding, 'noWait'>): void {
    const key = queueKey(binding)
    this.#dropQueueBindings((_, other) => other === key)
  }

  /** A consumer of this client is to begin on a queue. */
  consumerAdded(queue: string): void {
    const name = this.nameOf(queue)
    if (this.#queues.get(name)?.args.autoDelete !== true) return
    const consumers = this.#consumers.get(name) ?? { count: 0, begun: false }
    consumers.count++
    this.#consumers.set(name, consumers)
  }

  /**
   * A consumer of this client has ended, or with `begun` false was none. The broker drops an auto-delete queue with the
   * last one, but not before there was one.
   */
  consumerRemoved(queue: string, begun: boolean): void {
    const name = this.nameOf(queue)
    const consumers = this.#consumers.get(name)
    if (consumers === undefined) return
    consumers.count--
    consumers.begun ||= begun
    if (consumers.count > 0) return
    this.#consumers.delete(name)
    if (consumers.begun) this.#dropQueue(name)
  }

  /** The broker has given a queue another name. */
  renameQueue(from: string, to: string): void {
    const queue = this.#queues.get(from)
    if (queue === undefined) return
    const [first = from, ...later] = [...queue.formerNames, from]
    const dropped = later.splice(0, later.length + 1 - MOST_FORMER_NAMES)
    for (const former of dropped) this.#renamed.delete(former)
    const formerNames = [first, ...later]
    for (const former of formerNames) this.#renamed.set(former, to)
    this.#queues.delete(from)
    this.#queues.set(to, { ...queue, args: { ...queue.args, queue: to }, formerNames })
    const consumers = this.#consumers.get(from)
    if (consumers !== undefined) {
      this.#consumers.delete(from)
      this.#consumers.set(to, consumers)
    }
    for (const [key, binding] of [...this.#queueBindings]) {
      if (binding.queue !== from) continue
      this.#queueBindings.delete(key)
      this.queueBound({ ...binding, queue: to })
    }
  }

  /** The broker may delete one end of a binding by its own rules: what is missing then can be declared again. */
  mayVanish({ queue, exchange }: QueueBinding): boolean {
    const args = this.#queues.get(queue)?.args
    if (args?.autoDelete === true || args?.arguments['x-expires'] !== undefined) return true
    return this.#exchanges.get(exchange)?.autoDelete === true
  }

  /** What a queue is, as far as this client has declared it with its type. */
  kindOf(queue: string): 'unknown' | 'queue' | 'stream' {
    const type = this.#queues.get(queue)?.args.arguments['x-queue-type']
    if (typeof type !== 'string') return 'unknown'
    return type === 'stream' ? 'stream' : 'queue'
  }

  /** This client has deleted it, and not declared it since. */
  wasDeleted(queue: string): boolean {
    return this.#deleted.has(this.nameOf(queue))
  }

  /** Only one consumer of a queue at a time gets messages. */
  hasSingleConsumer(queue: string): boolean {
    return this.#queues.get(this.nameOf(queue))?.args.arguments['x-single-active-consumer'] === true
  }

  /** A queue is known to stay when nobody consumes from it. */
  outlivesConsumers(queue: string): boolean {
    const args = this.#queues.get(queue)?.args
    return args !== undefined && !args.autoDelete && args.arguments['x-expires'] === undefined
  }

  /** The name that a queue has now. */
  nameOf(queue: string): string {
    return this.#renamed.get(queue) ?? queue
  }

  #dropQueue(name: string): void {
    for (const former of this.#queues.get(name)?.formerNames ?? []) this.#renamed.delete(former)
    this.#queues.delete(name)
    this.#consumers.delete(name)
    this.#dropQueueBindings(binding => binding.queue === name)
  }

  /** An auto-delete exchange goes with the last binding from it; this client sees only bindings of its own. */
  #exchangeLostBinding(exchange: string): void {
    if (this.#exchanges.get(exchange)?.autoDelete !== true) return
    for (const { source } of this.#exchangeBindings.values()) if (source === exchange) return
    for (const binding of this.#queueBindings.values()) if (binding.exchange === exchange) return
    this.exchangeDeleted(exchange)
  }

  #dropExchangeBindings(matches: (binding: ExchangeBinding, key: string) => boolean): void {
    for (const [key, binding] of this.#exchangeBindings) {
      if (!matches(binding, key)) continue
      this.#exchangeBindings.delete(key)
      this.#exchangeLostBinding(binding.source)
    }
  }

  #dropQueueBindings(matches: (binding: QueueBinding, key: string) => boolean): void {
    for (const [key, binding] of this.#queueBindings) {
      if (!matches(binding, key)) continue
      this.#queueBindings.delete(key)
      this.#exchangeLostBinding(binding.exchange)
    }
  }
}

function queueKey({ queue, exchange, routingKey, arguments: args }: Omit<QueueBinding, 'noWait'>): string {
  return keyOf(queue, { source: exchange, routingKey, arguments: args })
}

/** Two bindings are the same where all of this is; the broker does not look at the order of arguments either. */
function keyOf(
  destination: string,
  { source, routingKey, arguments: args }: Pick<ExchangeBinding, 'source' | 'routingKey' | 'arguments'>,
): string {
  const sorted = Object.keys(args)
    .sort()
    .map(name => [name, args[name]])
  return JSON.stringify([destination, source, routingKey, sorted], (_, value) =>
    typeof value === 'bigint' ? { integer: String(value) } : value,
  )
}
