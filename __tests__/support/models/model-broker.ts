/**
 * Owns a simple model of a broker: exchanges, queues with their messages, bindings, and what each method comes to.
 * Knows nothing of the client under test, the network.
 */
/** One of two connections: what is exclusive to one is locked for the other. */
export type Actor = 'one' | 'other'

export interface ModelMessage {
  /** Counts up over all messages; a message that is given back goes to its place by it. */
  readonly number: number
  readonly text: string
  /** Whether it is known to have been delivered before; undefined: the broker may have tried. */
  redelivered: boolean | undefined
}

export interface ModelQueue {
  readonly owner: Actor | undefined
  /** It refuses publishes when it holds so many. */
  readonly limit: number | undefined
  messages: ModelMessage[]
}

export interface ModelExchange {
  readonly type: 'direct' | 'fanout'
  readonly internal: boolean
}

interface Binding {
  readonly to: 'queue' | 'exchange'
  readonly destination: string
  readonly source: string
  readonly key: string
}

/** A message that was handed out. */
export interface Held {
  readonly message: ModelMessage
  readonly queue: ModelQueue
  /** The lane of basicGet that it came by: an error there gives it back. A consumer's messages have none. */
  readonly lane: string | undefined
  state: 'open' | 'settled' | 'stale'
}

/** What the broker says no with: the name of the error that the client is to make of it. */
export class Refusal extends Error {
  constructor(
    readonly errorName: string,
    readonly returned?: unknown,
  ) {
    super(errorName)
  }
}

export const LOCKED = 'ResourceLockedError'
export const MISSING = 'NotFoundError'
export const PRECONDITION = 'PreconditionFailedError'
export const REFUSED = 'AccessRefusedError'

export class ModelBroker {
  readonly exchanges = new Map<string, ModelExchange>()
  readonly queues = new Map<string, ModelQueue>()
  readonly kept = new Map<number, Held>()
  /** Who deleted what exists no more, or exists anew. */
  readonly #deletedBy = new Map<string, Actor>()
  #bindings: Binding[] = []
  #counter = 0

  exchangeDeclare(name: string, wanted: ModelExchange, passive: boolean): void {
    const exchange = this.exchanges.get(name)
    if (exchange === undefined) {
      if (passive) throw new Refusal(MISSING)
      this.exchanges.set(name, wanted)
    } else if (!passive && (exchange.type !== wanted.type || exchange.internal !== wanted.internal)) {
      throw new Refusal(PRECONDITION)
    }
  }

  exchangeDelete(actor: Actor, name: string, ifUnused: boolean): void {
    if (ifUnused && this.#bindings.some(({ source }) => source === name)) throw new Refusal(PRECONDITION)
    if (this.exchanges.delete(name)) this.#deletedBy.set(name, actor)
    this.#unbindAll(
      binding => binding.source === name || (binding.to === 'exchange' && binding.destination === name),
    )
  }

  queueDeclare(actor: Actor, name: string, exclusive: boolean, limit: number | undefined): number {
    const owner = exclusive ? actor : undefined
    const queue = this.queues.get(name)
    if (queue === undefined) {
      this.queues.set(name, { owner, limit, messages: [] })
      return 0
    }
    if (queue.owner !== owner) throw new Refusal(LOCKED)
    if (queue.limit !== limit) throw new Refusal(PRECONDITION)
    return queue.messages.length
  }

  /** How many messages the queue has; for a passive declare, too. */
  count(actor: Actor, name: string): number {
    return this.queue(actor, name).messages.length
  }

  queueDelete(actor: Actor, name: string, ifEmpty: boolean): number {
    if (!this.queues.has(name)) return 0
    const { messages } = this.queue(actor, name)
    if (ifEmpty && messages.length > 0) throw new Refusal(PRECONDITION)
    this.queues.delete(name)
    this.#unbindAll(({ to, destination }) => to === 'queue' && destination === name)
    return messages.length
  }

  queuePurge(actor: Actor, name: string): number {
    return this.queue(actor, name).messages.splice(0).length
  }

  bind(actor: Actor, to: Binding['to'], destination: string, source: string, key: string): void {
    if (source === '') throw new Refusal(REFUSED)
    if (!this.#exists(to, destination) || !this.exchanges.has(source)) throw new Refusal(MISSING)
    if (to === 'queue') this.queue(actor, destination)
    this.#unbindAll(isBinding(to, destination, source, key))
    this.#bindings.push({ to, destination, source, key })
  }

  unbind(actor: Actor, to: Binding['to'], destination: string, source: string, key: string): void {
    if (source === '') throw new Refusal(REFUSED)
    if (!this.#exists(to, destination) || !this.exchanges.has(source)) return
    if (!this.#bindings.some(isBinding(to, destination, source, key))) return
    if (to === 'queue') this.queue(actor, destination)
    this.#unbindAll(isBinding(to, destination, source, key))
  }

  publish(exchange: string, key: string, text: string, mandatory: boolean): void {
    if (exchange !== '') {
      const found = this.exchanges.get(exchange)
      if (found === undefined) throw new Refusal(MISSING)
      if (found.internal) throw new Refusal(REFUSED)
    }
    const targets = this.route(exchange, key)
    if (mandatory && targets.length === 0) {
      throw new Refusal('NoRouteError', { exchange, routingKey: key, size: text.length })
    }
    const number = ++this.#counter
    let refused = false
    for (const { messages, limit } of targets) {
      if (limit !== undefined && messages.length >= limit) refused = true
      else messages.push({ number, text, redelivered: false })
    }
    if (refused) throw new Refusal('NackedError')
  }

  /** Somebody else deleted an exchange that `actor` may have published to: it cannot know that this fails now. */
  failsUnforeseen(actor: Actor, exchange: string): boolean {
    const { internal = true } = this.exchanges.get(exchange) ?? {}
    const by = this.#deletedBy.get(exchange)
    return internal && by !== undefined && by !== actor
  }

  route(exchange: string, key: string): ModelQueue[] {
    const names = new Set<string>()
    if (exchange === '') names.add(key)
    const seen = new Set([exchange])
    for (const source of seen) {
      for (const binding of this.#bindings) {
        if (binding.source !== source) continue
        if (this.exchanges.get(source)?.type === 'direct' && binding.key !== key) continue
        if (binding.to === 'queue') names.add(binding.destination)
        else seen.add(binding.destination)
      }
    }
    return [...names].flatMap(name => this.queues.get(name) ?? [])
  }

  /** Takes the first message, if there is one. A refusal gives back what the same lane has handed out. */
  get(actor: Actor, name: string): { held: Held; left: number } | undefined {
    const lane = `${actor} ${name}`
    try {
      const queue = this.queue(actor, name)
      const message = queue.messages.shift()
      if (message === undefined) return undefined
      return { held: { message, queue, lane, state: 'open' }, left: queue.messages.length }
    } catch (refusal) {
      for (const held of this.kept.values()) {
        if (held.lane !== lane || held.state !== 'open') continue
        held.state = 'stale'
        this.#giveBack(held)
      }
      throw refusal
    }
  }

  /** Somebody goes on holding it. */
  keep(held: Held): number {
    const id = ++this.#counter
    this.kept.set(id, held)
    return id
  }

  /** What settling comes to: false where the channel is gone, an error where it was done before. */
  settle(held: Held, requeue: boolean): boolean {
    if (held.state === 'settled') throw new Refusal('AlreadySettledError')
    if (held.state === 'stale') return false
    held.state = 'settled'
    if (requeue) this.#giveBack(held)
    return true
  }

  #giveBack({ queue, message }: Held): void {
    message.redelivered = true
    queue.messages.push(message)
    queue.messages.sort((a, b) => a.number - b.number)
  }

  /** The queue, if it exists and is not another's. */
  queue(actor: Actor, name: string): ModelQueue {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new Refusal(MISSING)
    if (queue.owner !== undefined && queue.owner !== actor) throw new Refusal(LOCKED)
    return queue
  }

  #exists(kind: Binding['to'], name: string): boolean {
    return kind === 'queue' ? this.queues.has(name) : this.exchanges.has(name)
  }

  #unbindAll(which: (binding: Binding) => boolean): void {
    this.#bindings = this.#bindings.filter(binding => !which(binding))
  }
}

function isBinding(to: Binding['to'], destination: string, source: string, key: string) {
  return (other: Binding): boolean =>
    other.to === to && other.destination === destination && other.source === source && other.key === key
}
