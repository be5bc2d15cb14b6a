/**
 * Owns the states of a client's connection over time: what they hold, what users see of them, and what is possible in
 * each. How one follows another is not decided here.
 */

import type { ClientState, ServerInfo } from '../client-state.js'
import { type AmqpError, ConnectionBrokenError, ConnectionClosedError } from '../errors.js'
import type { Session } from '../session/session.js'
import type { Deferred } from '../util/promise.js'

/** What the making of the first connection, and of each later one, have in common. */
interface Attempting {
  readonly abort: AbortController
  readonly connected: Deferred<ServerInfo>
  attempt: number
  /** What the last attempt came to. */
  error: Error | undefined
  /** The session on which things come back. */
  session: Session | undefined
}

/** The first connection is being made. */
export interface Connecting extends Attempting {
  readonly name: 'connecting'
}

/** A lost connection is being replaced. */
export interface Reconnecting extends Attempting {
  readonly name: 'reconnecting'
  readonly since: Date
  error: Error
}

/** There is a connection, and everything that could come back in time is back. */
export interface Open {
  readonly name: 'open'
  readonly session: Session
  /** When it was made, by the clock of `performance`. */
  readonly since: number
  /** Resolves when it is lost, or the client is closed. */
  readonly over: Deferred<void>
}

export type RecoveryState =
  | { readonly name: 'idle' }
  | Connecting
  | Open
  | Reconnecting
  | { readonly name: 'closed'; readonly reason: AmqpError; readonly done: Promise<void> }

/** The session that is there, if any: also one on which things are still coming back. */
export function sessionOf(state: RecoveryState): Session | undefined {
  return state.name === 'idle' || state.name === 'closed' ? undefined : state.session
}

/** What a user sees of a state. */
export function describeState(state: RecoveryState): ClientState {
  switch (state.name) {
    case 'idle':
      return { name: 'idle' }
    case 'connecting':
      return { name: 'connecting', attempt: state.attempt, error: state.error }
    case 'open':
      return { name: 'open', server: state.session.info, blocked: state.session.blocked }
    case 'reconnecting':
      return { name: 'reconnecting', attempt: state.attempt, since: state.since, error: state.error }
    case 'closed': {
      const { reason } = state
      return { name: 'closed', error: reason instanceof ConnectionClosedError ? undefined : reason }
    }
  }
}

/** Throws {@link ConnectionClosedError} or {@link ConnectionBrokenError} if nothing can be done, now or later. */
export function checkState(state: RecoveryState, operation: string, failsOffline: boolean): void {
  switch (state.name) {
    case 'open':
      return
    case 'reconnecting':
      if (failsOffline) throw lost(operation, state.error)
      return
    case 'idle':
      throw new ConnectionClosedError(`${operation}: the client is not connected: call connect() first`, {
        operation,
      })
    case 'connecting':
      throw new ConnectionClosedError(`${operation}: the client is not connected yet`, { operation })
    case 'closed':
      if (!(state.reason instanceof ConnectionClosedError)) throw lost(operation, state.reason)
      throw new ConnectionClosedError(`${operation}: ${state.reason.message}`, { operation })
  }
}

function lost(operation: string, cause: Error): ConnectionBrokenError {
  return new ConnectionBrokenError(`${operation}: the connection was lost: ${cause.message}`, {
    operation,
    cause,
  })
}
