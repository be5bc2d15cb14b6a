/**
 * Owns the attempts to connect, for the first connection and for later ones: over and over, with delays that grow, until
 * one works or a limit is reached. Knows nothing of what an attempt does.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { debugRecovery } from '../debug.js'
import { isRefusal } from '../reply-codes.js'
import { delayBefore, type RecoveryPlan } from './backoff.js'

export interface ConnectAttempts<T> {
  /** Undefined: the first attempt is the only one. */
  readonly plan: RecoveryPlan | undefined
  /** How the last connection was lost; undefined if there was none: then the first attempt comes without a delay. */
  readonly lost: Error | undefined
  readonly signal: AbortSignal
  /** An attempt (1, 2, ...) follows after a delay in milliseconds; `error` is what the one before came to. */
  onAttempt(attempt: number, delay: number, error: Error): void
  /** Makes an attempt. */
  connect(): Promise<T>
}

/** Resolves with what `connect` gave. Rejects with the error of the last attempt, or the reason of the signal. */
export async function connectRepeatedly<T>(attempts: ConnectAttempts<T>): Promise<T> {
  const { plan, lost, signal } = attempts
  const started = performance.now()
  let error = lost
  for (let attempt = 1; ; attempt++) {
    if (error !== undefined) {
      const elapsed = performance.now() - started
      if (plan === undefined || !mayRetry(plan, attempt - 1, elapsed, error)) throw error
      const retry = lost === undefined ? attempt - 1 : attempt
      const delay = Math.min(delayBefore(retry, plan), plan.maxTime - elapsed)
      attempts.onAttempt(attempt, delay, error)
      await pause(delay, signal)
    }
    try {
      return await attempts.connect()
    } catch (failure) {
      if (signal.aborted) throw signal.reason
      debugRecovery('attempt %d to connect failed: %s', attempt, failure)
      error = failure as Error
    }
  }
}

/** Whether there is another attempt after so many. */
export function mayRetry(plan: RecoveryPlan, attempts: number, elapsed: number, error: unknown): boolean {
  return attempts < plan.maxAttempts && elapsed < plan.maxTime && (plan.retryRefused || !isRefusal(error))
}

/** Waits; rejects with the reason of the signal. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted())
}
