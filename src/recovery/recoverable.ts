/**
 * Owns the one interface of what survives a lost connection: topology, consumers, publishes and operations. Each comes
 * back in its own manner; the recovering connection keeps them as an ordered list.
 */
import type { ConnectionLoss } from '../operation-errors.js'
import type { Session } from '../session/session.js'
import { unlessAborted } from '../util/abort.js'
import { tellAll } from '../util/tell-all.js'

export interface Recoverable {
  /** There is a session, and others come back on it first: what takes time can begin. */
  prepare?(session: Session): void
  /**
   * Comes back on a session. If that takes time, resolves when it is done, or known that it is not possible; rejects only
   * if the session is lost meanwhile. What follows in the list waits for it.
   */
  attach(session: Session): Promise<void> | undefined
  /**
   * Something was not back in time, and the rest has gone on without it: resolves when it is back, or will not be.
   * Undefined if everything is back.
   */
  complete?(): Promise<void> | undefined
  /** The session is lost, or not used. Called for each one that was attached to it. */
  detach(loss: ConnectionLoss): void
  /** No other session follows: everything outstanding ends. Called once. */
  end(loss: ConnectionLoss): void
  /** Resolves when nothing is in progress, whatever became of it. */
  idle(): Promise<void>
}

/** What comes back after a loss, in order. */
export class RecoverableList {
  readonly #parts: readonly Recoverable[]
  /** So many of the parts are attached to the session. */
  #attached = 0

  constructor(parts: readonly Recoverable[]) {
    this.#parts = parts
  }

  /**
   * Attaches one after the other, then calls `onAttached`, before anybody who was told of an outcome goes on. Rejects if
   * the session is lost meanwhile, or with the reason of the signal.
   */
  async attach(session: Session, signal: AbortSignal, onAttached: () => void): Promise<void> {
    tellAll(this.#parts, part => part.prepare?.(session))
    for (const part of this.#parts) {
      this.#attached++
      const attached = part.attach(session)
      if (attached === undefined) continue
      await unlessAborted(attached, signal)
      // What follows must not be attached to a session that is lost.
      if (session.endReason !== undefined) throw session.endReason
    }
    // The last ones may have found it lost.
    if (session.endReason !== undefined) throw session.endReason
    onAttached()
  }

  /** Everything is attached: resolves when all of it is back, or will not be; undefined if it is. Never throws or rejects. */
  complete(): Promise<unknown> | undefined {
    const late: Promise<unknown>[] = []
    tellAll(this.#parts, part => {
      const promise = part.complete?.()
      if (promise !== undefined) late.push(promise)
    })
    return late.length === 0 ? undefined : Promise.all(late)
  }

  /** Detaches those that were attached: the last one first. */
  detach(loss: ConnectionLoss): void {
    const attached = this.#parts.slice(0, this.#attached)
    this.#attached = 0
    tellAll(attached.toReversed(), part => part.detach(loss))
  }

  /** Ends them all: the last one first. */
  end(loss: ConnectionLoss): void {
    this.#attached = 0
    tellAll(this.#parts.toReversed(), part => part.end(loss))
  }

  async idle(): Promise<void> {
    for (const part of this.#parts) await part.idle()
  }
}
