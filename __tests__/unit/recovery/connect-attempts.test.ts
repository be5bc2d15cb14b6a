/** Covers the attempts to connect: how many there are, what delays them, and what they come to. */
import { describe, expect, test } from '@jest/globals'
import { AuthenticationError, ConnectionBrokenError } from '../../../src/errors.js'
import { planRecovery, type RecoveryPlan } from '../../../src/recovery/backoff.js'
import { type ConnectAttempts, connectRepeatedly, mayRetry } from '../../../src/recovery/connect-attempts.js'

const lost = new ConnectionBrokenError('the broker hung up')

/** Attempts of which the first ones fail, and what was told of them. */
function attempts(failures: number, options: Partial<ConnectAttempts<string>>) {
  const told: (number | string)[] = []
  let made = 0
  const all: ConnectAttempts<string> = {
    plan: planRecovery({ initialDelay: 0 }) as RecoveryPlan,
    lost: undefined,
    signal: new AbortController().signal,
    onAttempt: (attempt, _delay, error) => told.push(attempt, error.message),
    connect: async () => {
      made++
      if (made <= failures) throw new Error(`failure ${made}`)
      return `attempt ${made}`
    },
    ...options,
  }
  return { told, made: () => made, run: () => connectRepeatedly(all) }
}

describe('attempts to connect', () => {
  test('begin at once if no connection was lost, and tell of each later one', async () => {
    const { told, run } = attempts(2, {})
    expect(await run()).toBe('attempt 3')
    expect(told).toEqual([2, 'failure 1', 3, 'failure 2'])
  })

  test('tell of each one if a connection was lost, the first one too', async () => {
    const { told, run } = attempts(1, { lost })
    expect(await run()).toBe('attempt 2')
    expect(told).toEqual([1, 'the broker hung up', 2, 'failure 1'])
  })

  test('end with the error of the last one when the limit is reached', async () => {
    const plan = planRecovery({ initialDelay: 0, maxAttempts: 2 })
    const { made, run } = attempts(9, { plan })
    await expect(run()).rejects.toThrow('failure 2')
    expect(made()).toBe(2)
  })

  test('are one without a plan', async () => {
    const { made, run } = attempts(9, { plan: undefined })
    await expect(run()).rejects.toThrow('failure 1')
    expect(made()).toBe(1)
  })

  test('end with the reason of the signal, also in a delay', async () => {
    const abort = new AbortController()
    const plan = planRecovery({ initialDelay: 1e6, maxDelay: 1e6 })
    const { made, run } = attempts(9, { plan, lost, signal: abort.signal })
    const reason = new Error('enough')
    const running = expect(run()).rejects.toBe(reason)
    abort.abort(reason)
    await running
    expect(made()).toBe(0)
  })
})

describe('another attempt', () => {
  const plan = planRecovery({ maxAttempts: 3, maxTime: 1000, retryRefused: false }) as RecoveryPlan

  test('is made until there were as many as may be, or the time is up', () => {
    expect([0, 2, 3].map(attempts => mayRetry(plan, attempts, 0, lost))).toEqual([true, true, false])
    expect([0, 999, 1000].map(elapsed => mayRetry(plan, 0, elapsed, lost))).toEqual([true, true, false])
  })

  test('is made after a refusal only where the options say so', () => {
    const refusal = new AuthenticationError('no')
    expect(mayRetry(plan, 0, 0, refusal)).toBe(false)
    expect(mayRetry({ ...plan, retryRefused: true }, 0, 0, refusal)).toBe(true)
  })
})
