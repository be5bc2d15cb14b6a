/** Covers the delays between attempts to recover, and the options that say what they are. */
import { describe, expect, test } from '@jest/globals'
import type { RecoveryOptions } from '../../../src/client-options.js'
import { ArgumentError } from '../../../src/errors.js'
import { delayBefore, planRecovery, type RecoveryPlan } from '../../../src/recovery/backoff.js'

const plan = planRecovery({ initialDelay: 100, maxDelay: 1000, factor: 2 }) as RecoveryPlan

describe('the delay before an attempt', () => {
  test('doubles up to its ceiling, where chance is at its most', () => {
    const delays = [1, 2, 3, 4, 5, 6, 2000].map(attempt => delayBefore(attempt, plan, () => 1))
    expect(delays).toEqual([100, 200, 400, 800, 1000, 1000, 1000])
  })

  test('is spread over its whole length', () => {
    expect([0, 0.25, 0.5].map(chance => delayBefore(3, plan, () => chance))).toEqual([0, 100, 200])
    const delays = Array.from({ length: 200 }, () => delayBefore(4, plan))
    expect(new Set(delays).size).toBeGreaterThan(50)
    for (const delay of delays) expect(delay).toBeLessThanOrEqual(800)
  })
})

describe('the plan of recovery', () => {
  test('has the documented defaults, for no options and for empty ones', () => {
    const byDefault = {
      initialDelay: 250,
      maxDelay: 30_000,
      factor: 2,
      retryRefused: true,
      patience: 180_000,
    }
    for (const options of [undefined, {}]) {
      expect(planRecovery(options)).toMatchObject({
        ...byDefault,
        maxAttempts: Number.POSITIVE_INFINITY,
        maxTime: Number.POSITIVE_INFINITY,
      })
    }
  })

  test('is none with false', () => {
    expect(planRecovery(false)).toBeUndefined()
  })

  test.each([
    true,
    null,
    'yes',
    { initialDelay: -1 },
    { initialDelay: 100, maxDelay: 99 },
    { factor: 0.5 },
    { factor: Number.NaN },
    { maxAttempts: 0 },
    { maxTime: '5' },
    { retryRefused: 1 },
    { patience: -1 },
    { patience: '5' },
    { patience: Number.NaN },
  ])('refuses %p', options => {
    expect(() => planRecovery(options as unknown as RecoveryOptions)).toThrow(ArgumentError)
  })
})
