/**
 * Owns what this client has declared, over all its connections: it comes back on each new session, before anything that
 * needs it.
 */
import type { Session } from '../session/session.js'
import type { TicketCounter } from '../ticket.js'
import { ignore } from '../util/promise.js'
import type { Recoverable } from './recoverable.js'
import { TopologyRecord } from './topology-record.js'
import { type ReplayEvents, TopologyReplay } from './topology-replay.js'

export class TopologyRecovery implements Recoverable {
  readonly record = new TopologyRecord()
  readonly #counter: TicketCounter
  readonly #events: ReplayEvents
  /** The replay on the present session. */
  #replay: TopologyReplay | undefined

  constructor(counter: TicketCounter, events: ReplayEvents) {
    this.#counter = counter
    this.#events = events
  }

  attach(session: Session): Promise<void> | undefined {
    this.#replay = new TopologyReplay(this.record, session, this.#counter, this.#events)
    return this.record.size === 0 ? undefined : this.#replay.run()
  }

  detach(): void {
    this.#replay?.end()
    this.#replay = undefined
  }

  end(): void {
    this.detach()
  }

  idle(): Promise<void> {
    return Promise.resolve()
  }

  /**
   * Sees to it that a queue which was not found on the present session comes back, if it is on record. Resolves when it is
   * back, or will not be; undefined if recovery has no part in it. Never rejects.
   */
  restoreMissing(queue: string): Promise<void> | undefined {
    const name = this.record.nameOf(queue)
    const pending = this.#replay?.pendingQueue(name)
    if (pending !== undefined) return pending
    if (this.record.queue(name)?.args.autoDelete !== true) return undefined
    // It was deleted with the last consumer of the old connection, after it was found to exist still.
    return this.#replay?.restoreQueue(name).catch(ignore)
  }
}
