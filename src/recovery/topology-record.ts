/**
 * Owns the record of what this client has declared and not deleted: exchanges, queues and the bindings of both. It is
 * bounded by what exists: what is deleted, by this client or by the broker's own rules, leaves the record. What must have
 * expired leaves it when the record is read, or has grown. Knows nothing of connections.
 */
import type { ArgsOf } from '../codec/methods.gen.js'
import { QueueUses } from './queue-uses.js'

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

/** So many former names of a queue are known; the first always is. */
const MOST_FORMER_NAMES = 8
/** So many names of deleted queues, and so many exchanges that must be gone, are known. */
const MOST_DELETED = 1000

export class TopologyRecord {
  readonly #exchanges = new Map<string, ExchangeArgs>()
  readonly #queues = new Map<string, RecordedQueue>()
  readonly #exchangeBindings = new Map<string, ExchangeBinding>()
  readonly #queueBindings = new Map<string, QueueBinding>()
  /** What server-named queues are called now, by each name that they had before. */
  readonly #renamed = new Map<string, string>()
  readonly #uses: QueueUses
  /** The auto-delete exchanges that must be gone: this client has declared them, and sees no binding from them any more. */
  readonly #unbound = new Map<string, ExchangeArgs>()
  /** The queues that this client has deleted and not declared since, the latest last. */
  readonly #deleted = new Set<string>()

  /** `now` gives milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#uses = new QueueUses(now)
  }

  get exchanges(): ExchangeArgs[] {
    this.#dropExpired()
    return [...this.#exchanges.values()]
  }

  get queues(): [string, RecordedQueue][] {
    this.#dropExpired()
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
    this.#dropExpired()
    return [...this.#exchangeBindings.values()]
  }

  get queueBindings(): QueueBinding[] {
    this.#dropExpired()
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
      this.#unbound.delete(args.exchange)
      this.#onAdded()
    }
  }

  exchangeDeleted(exchange: string): void {
    this.#unbound.delete(exchange)
    this.#drop(new Set(), new Set([exchange]))
  }

  queueDeclared(args: QueueArgs, queue: string): void {
    this.#deleted.delete(queue)
    if (args.passive) {
      this.#uses.used(queue)
      return
    }
    const { serverNamed = args.queue === '', formerNames = [] } = this.#queues.get(queue) ?? {}
    this.#queues.set(queue, { args: { ...args, queue }, serverNamed, formerNames })
    this.#uses.declared(queue, expiryOf(args))
    this.#onAdded()
  }

  /** A message was asked for by basic.get, and the broker has answered. */
  queueGot(queue: string): void {
    this.#uses.used(this.nameOf(queue))
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
    this.#seen(binding.source)
    this.#seen(binding.destination)
    this.#exchangeBindings.set(keyOf(binding.destination, binding), binding)
    this.#onAdded()
  }

  exchangeUnbound(binding: ExchangeBinding): void {
    const { destination, source, routingKey } = binding
    const wasThere = this.#exchangeBindings.delete(
      keyOf(destination, { source, routingKey, arguments: binding.arguments }),
    )
    if (wasThere) this.#dropUnbound([source])
  }

  queueBound(binding: QueueBinding): void {
    this.#seen(binding.exchange)
    this.#queueBindings.set(queueKey(binding), binding)
    this.#onAdded()
  }

  queueUnbound(binding: Omit<QueueBinding, 'noWait'>): void {
    if (this.#queueBindings.delete(queueKey(binding))) this.#dropUnbound([binding.exchange])
  }

  /** A consumer of this client is to begin on a queue. */
  consumerAdded(queue: string): void {
    this.#uses.consumerAdded(this.nameOf(queue))
  }

  /**
   * A consumer of this client has ended, or with `begun` false was none. The broker drops an auto-delete queue with the
   * last one, but not before there was one. With `missing`, the broker has said that there is no such queue: one that
   * expires does not come back then, since it must be in use for that.
   */
  consumerRemoved(queue: string, begun: boolean, missing = false): void {
    const name = this.nameOf(queue)
    const isLast = this.#uses.consumerRemoved(name, begun)
    const args = this.#queues.get(name)?.args
    if (args === undefined) return
    if ((isLast && args.autoDelete) || (missing && expiryOf(args) !== undefined)) this.#dropQueue(name)
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
    this.#uses.renamed(from, to)
    for (const [key, binding] of [...this.#queueBindings]) {
      if (binding.queue !== from) continue
      this.#queueBindings.delete(key)
      const renamed = { ...binding, queue: to }
      this.#queueBindings.set(queueKey(renamed), renamed)
    }
  }

  /** The broker may delete one end of a binding by its own rules: what is missing then can be declared again. */
  mayVanish({ queue, exchange }: QueueBinding): boolean {
    return this.queueMayVanish(queue) || this.#exchanges.get(exchange)?.autoDelete === true
  }

  /** The broker may delete a queue by its own rules, over who uses it. */
  queueMayVanish(queue: string): boolean {
    const args = this.#queues.get(queue)?.args
    return args !== undefined && (args.autoDelete || expiryOf(args) !== undefined)
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
    return this.#queues.has(queue) && !this.queueMayVanish(queue)
  }

  /** The name that a queue has now. */
  nameOf(queue: string): string {
    return this.#renamed.get(queue) ?? queue
  }

  #onAdded(): void {
    if (this.#uses.onAdded()) this.#dropExpired()
  }

  #dropExpired(): void {
    const expired = this.#uses.findExpired()
    if (expired.size > 0) this.#drop(expired, new Set())
    this.#uses.onSearched(this.size)
  }

  #dropQueue(name: string): void {
    this.#drop(new Set([name]), new Set())
  }

  /** Drops queues and exchanges with what binds them, in one pass over the bindings. */
  #drop(queues: ReadonlySet<string>, exchanges: ReadonlySet<string>): void {
    for (const name of queues) {
      const formerNames = this.#queues.get(name)?.formerNames ?? []
      for (const former of formerNames) this.#renamed.delete(former)
      this.#queues.delete(name)
      this.#uses.dropped(name, formerNames.length > 0)
    }
    for (const name of exchanges) this.#exchanges.delete(name)
    const sources = new Set<string>()
    for (const [key, { queue, exchange }] of this.#queueBindings) {
      if (!queues.has(queue) && !exchanges.has(exchange)) continue
      this.#queueBindings.delete(key)
      sources.add(exchange)
    }
    if (exchanges.size > 0) {
      for (const [key, { source, destination }] of this.#exchangeBindings) {
        if (!exchanges.has(source) && !exchanges.has(destination)) continue
        this.#exchangeBindings.delete(key)
        sources.add(source)
      }
    }
    this.#dropUnbound(sources)
  }

  /** Auto-delete exchanges go with the last binding from them; this client sees only bindings of its own. */
  #dropUnbound(sources: Iterable<string>): void {
    const unbound = new Set([...sources].filter(name => this.#exchanges.get(name)?.autoDelete === true))
    if (unbound.size === 0) return
    for (const { source } of this.#exchangeBindings.values()) unbound.delete(source)
    for (const { exchange } of this.#queueBindings.values()) unbound.delete(exchange)
    for (const name of unbound) {
      const args = this.#exchanges.get(name)
      if (args !== undefined) this.#unbound.set(name, args)
    }
    for (const [oldest] of this.#unbound) {
      if (this.#unbound.size <= MOST_DELETED) break
      this.#unbound.delete(oldest)
    }
    if (unbound.size > 0) this.#drop(new Set(), unbound)
  }

  /** The broker has an exchange that must be gone: somebody else has bound it. It is this client's still. */
  #seen(exchange: string): void {
    const args = this.#unbound.get(exchange)
    if (args !== undefined) this.exchangeDeclared(args)
  }
}

/** Milliseconds without use after which the broker deletes a queue: it takes whole numbers only, of any type. */
function expiryOf({ arguments: args }: QueueArgs): number | undefined {
  const expires = args['x-expires']
  if (expires === undefined || expires === null) return undefined
  const milliseconds = Number(expires)
  return Number.isNaN(milliseconds) ? undefined : milliseconds
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
