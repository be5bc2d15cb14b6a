/**
 * Owns the attempts to connect, for the first connection and for later ones: over and over, with delays that grow, until
 * one works or a limit is reached. A connection that is lost soon after it was made counts as an attempt that failed.
 * Knows nothing of what an attempt does.
 */
import { debugRecovery } from '../debug.js'
import { TimeoutError } from '../errors.js'
import { isRefusal } from '../reply-codes.js'
import { eitherSignal, watchAbort } from '../util/abort.js'
import { pause } from '../util/pause.js'
import { ignore } from '../util/promise.js'
import { delayBefore, longestDelay, type RecoveryPlan } from './backoff.js'

/** So long a connection has to live at the least for the attempt that made it to count as good, in milliseconds. */
export const PROVEN_AFTER = 1000

/** What the attempts need of whoever connects. */
export interface AttemptHost<T> {
  /** An attempt (1, 2, ...) follows after a delay in milliseconds; `error` is what the one before came to. */
  onAttempt(attempt: number, delay: number, error: Error): void
  /** Makes an attempt, within what the signal allows. */
  connect(signal: AbortSignal): Promise<T>
}

export class ConnectAttempts {
  readonly #plan: RecoveryPlan | undefined
  /** How many attempts in a row came to no connection that lasted. */
  #made = 0
  /** When the first of them was due. */
  #since = 0
  /** When the last one came to a connection; undefined before the first one. */
  #connectedAt: number | undefined

  /** Without a plan, the first attempt is the only one. */
  constructor(plan: RecoveryPlan | undefined) {
    this.#plan = plan
  }

  /** How many attempts in a row came to no connection that lasted. */
  get made(): number {
    return this.#made
  }

  /**
   * Makes the first connection. Resolves with what `connect` gave. Rejects with the error of the last attempt, or the reason
   * of the signal.
   */
  async first<T>(signal: AbortSignal, repeats: boolean, host: AttemptHost<T>): Promise<T> {
    this.#begin()
    const connected = await this.#repeat(undefined, repeats ? this.#plan : undefined, signal, host)
    // It was no attempt to replace another one: what is lost next is the first loss.
    this.#connectedAt = undefined
    return connected
  }

  /** Replaces a connection that was lost, in the same way. */
  again<T>(lost: Error, signal: AbortSignal, host: AttemptHost<T>): Promise<T> {
    if (this.#isProven) this.#begin()
    return this.#repeat(lost, this.#plan, signal, host)
  }

  /** The last connection was the first one, or has lived as long as the delay before it may have been. */
  get #isProven(): boolean {
    if (this.#connectedAt === undefined || this.#plan === undefined) return true
    const lived = performance.now() - this.#connectedAt
    return lived >= Math.max(PROVEN_AFTER, longestDelay(this.#made, this.#plan))
  }

  #begin(): void {
    this.#made = 0
    this.#since = performance.now()
  }

  async #repeat<T>(
    lost: Error | undefined,
    plan: RecoveryPlan | undefined,
    signal: AbortSignal,
    host: AttemptHost<T>,
  ): Promise<T> {
    let error = lost
    for (;;) {
      if (error !== undefined) {
        const elapsed = performance.now() - this.#since
        if (plan === undefined || !mayRetry(plan, this.#made, elapsed, error)) throw error
        const delay = Math.min(
          delayBefore(lost === undefined ? this.#made : this.#made + 1, plan),
          plan.maxTime - elapsed,
        )
        host.onAttempt(this.#made + 1, delay, error)
        await pause(delay, signal)
        signal.throwIfAborted()
      }
      this.#made++
      try {
        const connected = await this.#once(plan, signal, host)
        this.#connectedAt = performance.now()
        return connected
      } catch (failure) {
        if (signal.aborted) throw signal.reason
        debugRecovery('attempt %d to connect failed: %s', this.#made, failure)
        error = failure as Error
      }
    }
  }

  /** Makes one attempt, within the time that is left. */
  async #once<T>(plan: RecoveryPlan | undefined, signal: AbortSignal, host: AttemptHost<T>): Promise<T> {
    if (plan === undefined) return host.connect(signal)
    const deadline = new AbortController()
    const timeout = Math.max(0, plan.maxTime - (performance.now() - this.#since))
    const stopWatching = watchAbort({ timeout }, ignore, () => {
      deadline.abort(
        new TimeoutError(`connect: no connection within ${plan.maxTime} ms (recovery.maxTime)`, {
          operation: 'connect',
        }),
      )
    })
    const either = eitherSignal(signal, deadline.signal)
    try {
      return await host.connect(either.signal)
    } finally {
      stopWatching()
      either.release()
    }
  }
}

/** Whether there is another attempt after so many. */
export function mayRetry(plan: RecoveryPlan, attempts: number, elapsed: number, error: unknown): boolean {
  return attempts < plan.maxAttempts && elapsed < plan.maxTime && (plan.retryRefused || !isRefusal(error))
}
