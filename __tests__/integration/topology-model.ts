/**
 * Owns what a broker would say to declarations, deletions and bindings that come one after the other, and what is there
 * after them. Knows nothing of clients, connections, faults.
 */
/** What is done to the topology; queues, exchanges and routing keys go by small numbers. */
export type TopologyStep =
  | { readonly kind: 'declareQueue'; readonly queue: number; readonly limited: boolean }
  | { readonly kind: 'deleteQueue'; readonly queue: number }
  | { readonly kind: 'declareExchange'; readonly exchange: number; readonly type: 'fanout' | 'topic' }
  | { readonly kind: 'deleteExchange'; readonly exchange: number }
  | {
      readonly kind: 'bind' | 'unbind'
      readonly queue: number
      readonly exchange: number
      readonly key: number
    }

export class TopologyModel {
  readonly queues = new Map<number, boolean>()
  readonly exchanges = new Map<number, string>()
  readonly #bindings = new Map<string, { queue: number; exchange: number; key: number }>()

  get bindings(): { queue: number; exchange: number; key: number }[] {
    return [...this.#bindings.values()]
  }

  /** Does it, and returns 'ok' or the name of the error. */
  apply(step: TopologyStep): string {
    switch (step.kind) {
      case 'declareQueue': {
        const present = this.queues.get(step.queue)
        if (present !== undefined && present !== step.limited) return 'PreconditionFailedError'
        this.queues.set(step.queue, step.limited)
        return 'ok'
      }
      case 'deleteQueue':
        this.queues.delete(step.queue)
        this.#drop(({ queue }) => queue === step.queue)
        return 'ok'
      case 'declareExchange': {
        const present = this.exchanges.get(step.exchange)
        if (present !== undefined && present !== step.type) return 'PreconditionFailedError'
        this.exchanges.set(step.exchange, step.type)
        return 'ok'
      }
      case 'deleteExchange':
        this.exchanges.delete(step.exchange)
        this.#drop(({ exchange }) => exchange === step.exchange)
        return 'ok'
      case 'bind':
      case 'unbind': {
        const { queue, exchange, key } = step
        // To undo what is not there is no error (RabbitMQ from 3.2 on).
        const missing = !this.queues.has(queue) || !this.exchanges.has(exchange)
        if (missing) return step.kind === 'bind' ? 'NotFoundError' : 'ok'
        const id = `${queue} ${exchange} ${key}`
        if (step.kind === 'bind') this.#bindings.set(id, { queue, exchange, key })
        else this.#bindings.delete(id)
        return 'ok'
      }
    }
  }

  #drop(matches: (binding: { queue: number; exchange: number }) => boolean): void {
    for (const [id, binding] of this.#bindings) if (matches(binding)) this.#bindings.delete(id)
  }
}
