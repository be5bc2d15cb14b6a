/**
 * Owns the states of a client's connection over time: what they hold, what users see of them, and what may be done in
 * each. How one follows another is the link's business.
 */
import { type AmqpError, ConnectionBrokenError, ConnectionClosedError } from '../errors.js'
import type { ClientState, ServerInfo } from '../options.js'
import { isRefusal } from '../reply-codes.js'
import type { Session } from '../session/session.js'
import type { Deferred } from '../util/promise.js'
import type { RecoveryPlan } from './backoff.js'

/** The first connection is being made. */
export interface Connecting {
  readonly name: 'connecting'
  readonly abort: AbortController
  attempt: number
}

/** A lost connection is being replaced. */
export interface Reconnecting {
  readonly name: 'reconnecting'
  readonly abort: AbortController
  readonly since: Date
  readonly recovered: Deferred<ServerInfo>
  attempt: number
  error: Error
  /** The session on which things are being brought back. */
  session: Session | undefined
}

export type RecoveryState =
  | { readonly name: 'idle' }
  | Connecting
  | { readonly name: 'open'; readonly session: Session }
  | Reconnecting
  | { readonly name: 'closed'; readonly reason: AmqpError; readonly done: Promise<void> }

/** What a user sees of a state. */
export function describeState(state: RecoveryState, blocked: string | undefined): ClientState {
  switch (state.name) {
    case 'idle':
      return { name: 'idle' }
    case 'connecting':
      return { name: 'connecting', attempt: state.attempt }
    case 'open':
      return { name: 'open', server: state.session.info, blocked }
    case 'reconnecting':
      return { name: 'reconnecting', attempt: state.attempt, since: state.since, error: state.error }
    case 'closed': {
      const { reason } = state
      return { name: 'closed', error: reason instanceof ConnectionClosedError ? undefined : reason }
    }
  }
}

/** Throws {@link ConnectionClosedError} or {@link ConnectionBrokenError} where nothing can be done, now or later. */
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

/** Whether there is another attempt after so many. */
export function mayGoOn(plan: RecoveryPlan, attempts: number, elapsed: number, error: unknown): boolean {
  return attempts < plan.maxAttempts && elapsed < plan.maxTime && (plan.retryRefused || !isRefusal(error))
}
