/**
 * Owns what a broker in memory holds, over all connections: exchanges, queues with their messages, bindings, and why
 * something is not there. Knows nothing of frames, channels, faults.
 */

/** Why something is not there: it went with its connection, or for a reason that is no fault of a client. */
export type Absence = 'connection' | 'user' | 'others' | 'expired'

/** What a broker says no with. */
export class Refusal extends Error {
  constructor(
    readonly code: number,
    text: string,
    /** The broker names the method that it does not like. */
    readonly namesMethod = true,
  ) {
    super(text)
  }
}

export interface ModelMessage {
  readonly body: Buffer
  redelivered: boolean
}

/** Who takes messages from a queue. */
export interface ModelConsumer {
  /** Takes a message, unless it has as many as it may have. */
  offer(message: ModelMessage): boolean
  /** Its queue is gone. */
  cancelled(): void
}

export interface QueueTraits {
  /** The connection that it is exclusive to. */
  readonly owner: object | undefined
  readonly autoDelete: boolean
  /** Milliseconds without use after which it goes. */
  readonly expires: number | undefined
}

export interface ModelQueue extends QueueTraits {
  readonly messages: ModelMessage[]
  readonly consumers: Set<ModelConsumer>
  lease: NodeJS.Timeout | undefined
}

export interface ModelBinding {
  readonly source: string
  readonly kind: 'queue' | 'exchange'
  readonly destination: string
  readonly key: string
}

export function bindingKey({ source, destination, key }: Omit<ModelBinding, 'kind'>): string {
  return `binding ${source} -> ${destination} (${key})`
}

export class ModelBroker {
  /** The exchanges, each with whether it goes with its last binding. All of them are fanouts. */
  readonly exchanges = new Map<string, boolean>()
  readonly queues = new Map<string, ModelQueue>()
  readonly bindings = new Map<string, ModelBinding>()
  /** Why what was there is not, by `queue NAME`, `exchange NAME`, `binding SOURCE -> DESTINATION (KEY)`. */
  readonly absences = new Map<string, Absence>()
  /** What was ever deleted by somebody, or has expired. */
  readonly removed = new Set<string>()
  #names = 0

  declareExchange(name: string, autoDelete: boolean): void {
    this.exchanges.set(name, autoDelete)
    this.absences.delete(`exchange ${name}`)
  }

  deleteExchange(name: string, why: Absence): void {
    if (!this.exchanges.delete(name)) return
    this.#miss(`exchange ${name}`, why)
    for (const binding of [...this.bindings.values()]) {
      if (binding.source === name || (binding.kind === 'exchange' && binding.destination === name))
        this.#dropBinding(binding, why)
    }
  }

  /** Returns the name of the queue: a new one where none is given. */
  declareQueue(wanted: string, traits: QueueTraits): string {
    const name = wanted === '' ? `amq.gen-${++this.#names}` : wanted
    const present = this.queues.get(name)
    if (present !== undefined) {
      this.use(name, traits.owner)
      return name
    }
    const queue: ModelQueue = { ...traits, messages: [], consumers: new Set(), lease: undefined }
    this.queues.set(name, queue)
    this.absences.delete(`queue ${name}`)
    this.#lend(name, queue)
    return name
  }

  /** The queue, for somebody on a connection. Throws if there is none, or another connection holds it. */
  use(name: string, connection: object | undefined): ModelQueue {
    const queue = this.queues.get(name)
    if (queue === undefined) throw new Refusal(404, `NOT_FOUND - no queue '${name}' in vhost '/'`)
    if (queue.owner !== undefined && queue.owner !== connection) {
      throw new Refusal(405, `RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '${name}'`)
    }
    this.#lend(name, queue)
    return queue
  }

  deleteQueue(name: string, why: Absence): void {
    const queue = this.queues.get(name)
    if (queue === undefined) return
    clearTimeout(queue.lease)
    this.queues.delete(name)
    this.#miss(`queue ${name}`, why)
    for (const binding of [...this.bindings.values()]) {
      if (binding.kind === 'queue' && binding.destination === name) this.#dropBinding(binding, why)
    }
    for (const consumer of queue.consumers) consumer.cancelled()
  }

  bind(binding: ModelBinding): void {
    const { source, kind, destination } = binding
    const ends = kind === 'queue' ? this.queues : this.exchanges
    if (!this.exchanges.has(source)) throw new Refusal(404, `NOT_FOUND - no exchange '${source}'`)
    if (!ends.has(destination)) throw new Refusal(404, `NOT_FOUND - no ${kind} '${destination}'`)
    const key = bindingKey(binding)
    this.bindings.set(key, binding)
    this.absences.delete(key)
  }

  unbind(binding: ModelBinding, why: Absence): void {
    if (this.bindings.has(bindingKey(binding))) this.#dropBinding(binding, why)
  }

  /** Puts a message into all queues that it is routed to. Returns their names. */
  publish(exchange: string, key: string, body: Buffer): string[] {
    if (exchange !== '' && !this.exchanges.has(exchange))
      throw new Refusal(404, `NOT_FOUND - no exchange '${exchange}'`)
    const names = exchange === '' ? [key] : this.#reached(exchange)
    const found = names.filter(name => this.queues.has(name))
    for (const name of found) {
      const queue = this.queues.get(name)
      queue?.messages.push({ body, redelivered: false })
      this.pump(name)
    }
    return found
  }

  addConsumer(name: string, consumer: ModelConsumer): void {
    const queue = this.queues.get(name)
    queue?.consumers.add(consumer)
    clearTimeout(queue?.lease)
  }

  removeConsumer(name: string, consumer: ModelConsumer, why: Absence): void {
    const queue = this.queues.get(name)
    if (queue === undefined || !queue.consumers.delete(consumer)) return
    if (queue.consumers.size > 0) return
    if (queue.autoDelete) this.deleteQueue(name, why)
    else this.#lend(name, queue)
  }

  giveBack(name: string, queue: ModelQueue, messages: readonly ModelMessage[]): void {
    for (const message of messages) message.redelivered = true
    queue.messages.unshift(...messages)
    this.pump(name)
  }

  /** Hands out what can be handed out. */
  pump(name: string): void {
    const queue = this.queues.get(name)
    if (queue === undefined) return
    for (let next = queue.messages[0]; next !== undefined; next = queue.messages[0]) {
      const message = next
      queue.messages.shift()
      if ([...queue.consumers].some(consumer => consumer.offer(message))) continue
      queue.messages.unshift(message)
      return
    }
  }

  /** All is lost, as when a broker begins again with nothing. */
  wipe(): void {
    for (const name of [...this.queues.keys()]) this.deleteQueue(name, 'connection')
    for (const name of [...this.exchanges.keys()]) this.deleteExchange(name, 'connection')
  }

  /** No timer of it is left. */
  stop(): void {
    for (const { lease } of this.queues.values()) clearTimeout(lease)
  }

  /** Its time without use begins anew. */
  #lend(name: string, queue: ModelQueue): void {
    clearTimeout(queue.lease)
    if (queue.expires === undefined || queue.consumers.size > 0) return
    queue.lease = setTimeout(() => this.deleteQueue(name, 'expired'), queue.expires)
  }

  #dropBinding(binding: ModelBinding, why: Absence): void {
    const key = bindingKey(binding)
    this.bindings.delete(key)
    this.#miss(key, why)
    const { source } = binding
    if (this.exchanges.get(source) !== true) return
    const isBound = [...this.bindings.values()].some(other => other.source === source)
    if (!isBound) this.deleteExchange(source, why)
  }

  #miss(part: string, why: Absence): void {
    this.absences.set(part, why)
    if (why !== 'connection') this.removed.add(part)
  }

  #reached(exchange: string): string[] {
    const queues = new Set<string>()
    const seen = new Set([exchange])
    // A set gives what is added meanwhile, too.
    for (const source of seen) {
      for (const binding of this.bindings.values()) {
        if (binding.source !== source) continue
        if (binding.kind === 'queue') queues.add(binding.destination)
        else seen.add(binding.destination)
      }
    }
    return [...queues]
  }
}
