/** Covers the attempts to connect: how many there are, what delays them, and what they come to. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { AuthenticationError, ConnectionBrokenError } from '../../../src/errors.js'
import { planRecovery, type RecoveryPlan } from '../../../src/recovery/backoff.js'
import { ConnectAttempts, mayRetry, PROVEN_AFTER } from '../../../src/recovery/connect-attempts.js'

const lost = new ConnectionBrokenError('the broker hung up')

interface Options {
  readonly plan?: RecoveryPlan | undefined
  readonly lost?: Error
  readonly signal?: AbortSignal
  readonly connect?: (signal: AbortSignal) => Promise<string>
}

/** Attempts of which the first ones fail, and what was told of them. */
function attempts(failures: number, options: Options) {
  const told: (number | string)[] = []
  const delays: number[] = []
  let made = 0
  const { lost, signal = new AbortController().signal } = options
  const plan = 'plan' in options ? options.plan : planRecovery({ initialDelay: 0 })
  const all = new ConnectAttempts(plan)
  const host = {
    onAttempt: (attempt: number, delay: number, error: Error): void => {
      told.push(attempt, error.message)
      delays.push(delay)
    },
    connect:
      options.connect ??
      (async () => {
        made++
        if (made <= failures) throw new Error(`failure ${made}`)
        return `attempt ${made}`
      }),
  }
  const again = (error: Error): Promise<string> => all.again(error, signal, host)
  return {
    told,
    delays,
    made: () => made,
    run: () => (lost === undefined ? all.first(signal, plan !== undefined, host) : again(lost)),
    again,
  }
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

describe('a connection that is lost soon after a reconnect', () => {
  afterEach(() => {
    jest.useRealTimers()
  })

  test('counts as an attempt that failed: the next one has the next number, and a longer delay', async () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(1)
    jest.useFakeTimers()
    try {
      const { told, delays, run, again } = attempts(0, { plan: planRecovery({ initialDelay: 10 }) })
      await run()
      for (let round = 0; round < 3; round++) {
        const back = again(lost)
        await jest.runAllTimersAsync()
        await back
      }
      expect(told.filter(one => typeof one === 'number')).toEqual([1, 2, 3])
      expect(delays).toEqual([10, 20, 40])
      jest.advanceTimersByTime(PROVEN_AFTER)
      const back = again(lost)
      await jest.runAllTimersAsync()
      await back
      expect(told.at(-2)).toBe(1)
      expect(delays.at(-1)).toBe(10)
    } finally {
      random.mockRestore()
    }
  })

  test('reaches the limit of attempts', async () => {
    const { run, again, made } = attempts(0, { plan: planRecovery({ initialDelay: 0, maxAttempts: 2 }) })
    await run()
    await again(lost)
    await again(lost)
    await expect(again(lost)).rejects.toBe(lost)
    expect(made()).toBe(3)
  })

  test('reaches the limit of time', async () => {
    jest.useFakeTimers()
    const { run, again } = attempts(0, { plan: planRecovery({ initialDelay: 0, maxTime: 500 }) })
    await run()
    const back = again(lost)
    await jest.runAllTimersAsync()
    await back
    jest.advanceTimersByTime(500)
    await expect(again(lost)).rejects.toBe(lost)
  })
})

describe('the limit of time', () => {
  test('ends an attempt that is in progress, however long that would take', async () => {
    const plan = planRecovery({ initialDelay: 0, maxTime: 20 })
    const connect = (signal: AbortSignal): Promise<string> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    const { run } = attempts(0, { plan, lost, connect })
    await expect(run()).rejects.toMatchObject({
      name: 'TimeoutError',
      message: expect.stringMatching(/maxTime/),
    })
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
