/**
 * Owns what this client has declared, over all its connections: it comes back on each new session, before anything that
 * needs it.
 */

import type { ConnectionLoss } from '../operation-errors.js'
import type { MissingRoutes } from '../publishing/held-publishes.js'
import type { Session } from '../session/session.js'
import type { TicketCounter } from '../ticket.js'
import { ignore } from '../util/promise.js'
import { missingRoutes } from './missing-routes.js'
import type { Recoverable } from './recoverable.js'
import { TopologyRecord } from './topology-record.js'
import { type ReplayEvents, TopologyReplay } from './topology-replay.js'
import { TopologySuspects } from './topology-suspects.js'

/** After so many milliseconds on a connection, what was left out may be tried again on the next one. */
const PARDON_AFTER = 5000

/** The names that a request is about. */
export interface TopologyNames {
  readonly queue?: unknown
  readonly exchange?: unknown
  readonly source?: unknown
  readonly destination?: unknown
}

export class TopologyRecovery implements Recoverable {
  readonly record = new TopologyRecord()
  /** Publishes and operations wait a little for what is late. They come after it on the list. */
  readonly grace: Recoverable = {
    attach: () => this.#replay?.grace(),
    detach: ignore,
    end: ignore,
    idle: () => Promise.resolve(),
  }
  readonly #counter: TicketCounter
  readonly #patience: () => number
  readonly #events: ReplayEvents
  readonly #suspects = new TopologySuspects()
  /** The replay on the present session. */
  #replay: TopologyReplay | undefined
  #attachedAt = 0

  /** `patience` says for how many milliseconds one part is tried. */
  constructor(counter: TicketCounter, patience: () => number, events: ReplayEvents) {
    this.#counter = counter
    this.#patience = patience
    this.#events = events
  }

  attach(session: Session): Promise<void> | undefined {
    this.#attachedAt = performance.now()
    const context = {
      record: this.record,
      suspects: this.#suspects,
      counter: this.#counter,
      patience: this.#patience(),
      events: this.#events,
    }
    this.#replay = new TopologyReplay(context, session)
    return this.record.size === 0 ? undefined : this.#replay.run()
  }

  complete(): Promise<void> | undefined {
    return this.#replay === undefined || this.#replay.late.size === 0 ? undefined : this.#replay.settled()
  }

  detach(loss: ConnectionLoss): void {
    const replay = this.#replay
    this.#replay = undefined
    if (replay === undefined) return
    const culprit = this.#suspects.judge(loss, replay.requests)
    replay.end()
    if (culprit !== undefined) this.#events.onTopologyError(culprit.entity, loss.reason)
    else if (performance.now() - this.#attachedAt >= PARDON_AFTER) this.#suspects.pardon()
  }

  end(loss: ConnectionLoss): void {
    this.detach(loss)
  }

  idle(): Promise<void> {
    return Promise.resolve()
  }

  /** Where messages do not arrive yet on the present session; undefined if everything is back. */
  get missing(): MissingRoutes | undefined {
    return this.#replay === undefined ? undefined : missingRoutes(this.record, this.#replay.late)
  }

  /** Resolves when what a request is about is back, or will not be; undefined if it is. Never rejects. */
  pending({ queue, exchange, source, destination }: TopologyNames): Promise<unknown> | undefined {
    const replay = this.#replay
    if (replay === undefined || replay.late.size === 0) return undefined
    const exchanges = [exchange, source, destination].filter(name => typeof name === 'string')
    const pending = exchanges.map(name => replay.pending('exchange', name))
    if (typeof queue === 'string') pending.push(replay.pending('queue', this.record.nameOf(queue)))
    const late = pending.filter(one => one !== undefined)
    return late.length === 0 ? undefined : Promise.all(late)
  }

  /**
   * Sees to it that a queue which was not found on the present session comes back, if it is on record. Resolves when it is
   * back, or will not be; undefined if recovery has no part in it. Never rejects.
   */
  restoreMissing(queue: string): Promise<void> | undefined {
    const name = this.record.nameOf(queue)
    const pending = this.#replay?.pending('queue', name)
    if (pending !== undefined) return pending
    if (!this.record.queueMayVanish(name)) return undefined
    // It was deleted with the last consumer of the old connection, or has expired, after it was found to exist still.
    return this.#replay?.restoreQueue(name).catch(ignore)
  }
}
