/** Owns the delays between attempts: exponential, jittered over their whole length, so that many clients spread out. */

import type { RecoveryOptions } from '../client-options.js'
import { ArgumentError } from '../errors.js'
import { DEFAULT_PATIENCE } from '../reply-codes.js'
import { checkAtLeast, checkFlag } from '../util/check.js'
import { checkNames, namesOf } from '../util/option-names.js'

/** Longer than this a timer of the runtime cannot run, in milliseconds. */
const LONGEST_DELAY = 2_147_483_647

const NAMES = namesOf<RecoveryOptions>({
  initialDelay: true,
  maxDelay: true,
  factor: true,
  maxAttempts: true,
  maxTime: true,
  retryRefused: true,
  patience: true,
})

/** What recovery does; every value checked, defaults filled in. */
export interface RecoveryPlan {
  readonly initialDelay: number
  readonly maxDelay: number
  readonly factor: number
  readonly maxAttempts: number
  readonly maxTime: number
  readonly retryRefused: boolean
  /** Milliseconds; see {@link RecoveryOptions}. */
  readonly patience: number
}

/** Throws {@link ArgumentError} if an option is invalid. Undefined means no recovery. */
export function planRecovery(options: false | RecoveryOptions | undefined): RecoveryPlan | undefined {
  if (options === false) return undefined
  if (options !== undefined && (typeof options !== 'object' || options === null)) {
    throw new ArgumentError('recovery must be false, or an object with options')
  }
  checkNames(options ?? {}, NAMES, { path: 'recovery.' })
  const { initialDelay = 250, maxDelay = 30_000, factor = 2, retryRefused = true } = options ?? {}
  const { maxAttempts = Number.POSITIVE_INFINITY, maxTime = Number.POSITIVE_INFINITY } = options ?? {}
  const { patience = DEFAULT_PATIENCE } = options ?? {}
  checkAtLeast('recovery.initialDelay', initialDelay, 0)
  checkAtLeast('recovery.maxDelay', maxDelay, initialDelay)
  if (maxDelay > LONGEST_DELAY) throw new ArgumentError(`recovery.maxDelay must be at most ${LONGEST_DELAY}`)
  checkAtLeast('recovery.factor', factor, 1)
  checkAtLeast('recovery.maxAttempts', maxAttempts, 1)
  checkAtLeast('recovery.maxTime', maxTime, 0)
  checkFlag('recovery.retryRefused', retryRefused)
  checkAtLeast('recovery.patience', patience, 0)
  return { initialDelay, maxDelay, factor, maxAttempts, maxTime, retryRefused, patience }
}

/** The delay before an attempt (1, 2, ...), in milliseconds. */
export function delayBefore(attempt: number, plan: RecoveryPlan, random: () => number = Math.random): number {
  return Math.round(random() * longestDelay(attempt, plan))
}

/** The limit of that delay. */
export function longestDelay(attempt: number, plan: RecoveryPlan): number {
  // After many attempts the power is infinite, and 0 times that is not a number.
  const grown = plan.initialDelay === 0 ? 0 : plan.initialDelay * plan.factor ** (attempt - 1)
  return Math.min(plan.maxDelay, grown)
}
