/**
 * Owns the publishes that may be meant for a part of the topology that is not back yet after a lost connection: they wait
 * for it, and no other one waits for them.
 */
import type { PendingPublish } from './pending-publish.js'

/** Where messages do not arrive yet. */
export interface MissingRoutes {
  /** The queues, by their names. */
  readonly queues: readonly string[]
  /** The exchanges that lead to what is missing. */
  readonly exchanges: ReadonlySet<string>
}

export class HeldPublishes {
  /** What is missing; undefined if nothing is. */
  missing: MissingRoutes | undefined
  readonly #held = new Set<PendingPublish>()

  /** Keeps a publish if it may be meant for what is missing. */
  keep(publish: PendingPublish): boolean {
    if (this.missing === undefined || !mayLeadTo(this.missing, publish)) return false
    this.#held.add(publish)
    return true
  }

  /** It is abandoned. Returns false if it is not among them. */
  remove(publish: PendingPublish): boolean {
    return this.#held.delete(publish)
  }

  /** Takes all of them, in their order. */
  take(): PendingPublish[] {
    const all = [...this.#held]
    this.#held.clear()
    return all
  }
}

/** A routing key, or the headers CC and BCC, name queues where the default exchange is published to. */
function mayLeadTo({ queues, exchanges }: MissingRoutes, publish: PendingPublish): boolean {
  if (publish.exchange !== '') return exchanges.has(publish.exchange)
  const { envelope } = publish
  return queues.some(queue => envelope.includes(queue))
}
