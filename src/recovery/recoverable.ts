/**
 * Owns the one interface of what survives a lost connection: topology, consumers, publishes and operations. Each comes
 * back in its own manner; the recovering connection keeps them as an ordered list, and tells them in that order.
 */
import type { ConnectionLoss } from '../operation-errors.js'
import type { Session } from '../session/session.js'

export interface Recoverable {
  /** There is a session, and others come back on it first: what takes time can begin. */
  prepare?(session: Session): void
  /**
   * Comes back on a session. Where that takes time, resolves when it is done, or known that it cannot be; rejects only
   * where the session is lost meanwhile. What follows in the list waits for it.
   */
  attach(session: Session): Promise<void> | undefined
  /** The session is lost; another one follows. Called for each one that was attached to it. */
  detach(loss: ConnectionLoss): void
  /** No other session follows: everything outstanding ends. Called once. */
  end(loss: ConnectionLoss): void
  /** Resolves when nothing is in progress, whatever became of it. */
  idle(): Promise<void>
}
