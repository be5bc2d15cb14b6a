/** Covers the behaviour of `signal` and `timeout`. Its clock is a fake one. */
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ArgumentError } from '../../../src/errors.js'
import type { OperationOptions } from '../../../src/options.js'
import {
  checkAbortOptions,
  eitherSignal,
  onAbort,
  unlessAborted,
  watchAbort,
} from '../../../src/util/abort.js'

/** What a caller without types may pass. */
const untyped = (options: Record<string, unknown>): OperationOptions => options as OperationOptions

describe('checkAbortOptions', () => {
  test.each([
    {},
    { timeout: 1 },
    { timeout: 0.5 },
    { timeout: Number.POSITIVE_INFINITY },
    { signal: new AbortController().signal },
  ])('accepts %p', options => {
    expect(() => checkAbortOptions(options)).not.toThrow()
  })

  test.each([
    [0, '0'],
    [-1, '-1'],
    [Number.NaN, 'NaN'],
    ['100', 'the string "100"'],
    [null, 'null'],
    [5n, '5'],
  ])('refuses the timeout %p', (timeout, shown) => {
    expect(() => checkAbortOptions(untyped({ timeout }))).toThrow(ArgumentError)
    expect(() => checkAbortOptions(untyped({ timeout }))).toThrow(`above 0, got ${shown}`)
  })

  test.each([null, {}, 'abort', new AbortController()])('refuses the signal %p', signal => {
    expect(() => checkAbortOptions(untyped({ signal }))).toThrow(
      new ArgumentError('signal must be an AbortSignal'),
    )
  })
})

describe('watchAbort', () => {
  let onAbort: jest.Mock<(reason: unknown) => void>
  let onTimeout: jest.Mock<(milliseconds: number) => void>
  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

  beforeEach(() => {
    jest.useFakeTimers()
    onAbort = jest.fn()
    onTimeout = jest.fn()
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  test('tells of the timeout when the time is over, and not before', () => {
    watchAbort({ timeout: 100 }, onAbort, onTimeout)
    jest.advanceTimersByTime(99)
    expect(onTimeout).not.toHaveBeenCalled()
    jest.advanceTimersByTime(1)
    expect(onTimeout.mock.calls).toEqual([[100]])
    expect(onAbort).not.toHaveBeenCalled()
  })

  test('tells of the abort with its reason, and ends the timer', () => {
    const controller = new AbortController()
    watchAbort({ signal: controller.signal, timeout: 100 }, onAbort, onTimeout)
    const reason = new Error('enough')
    controller.abort(reason)
    expect(onAbort.mock.calls).toEqual([[reason]])
    expect(jest.getTimerCount()).toBe(0)
    expect(listeners(controller.signal)).toBe(0)
  })

  test('no longer listens to the signal after the timeout', () => {
    const controller = new AbortController()
    watchAbort({ signal: controller.signal, timeout: 100 }, onAbort, onTimeout)
    expect(listeners(controller.signal)).toBe(1)
    jest.advanceTimersByTime(100)
    expect(listeners(controller.signal)).toBe(0)
    controller.abort()
    expect(onAbort).not.toHaveBeenCalled()
    expect(onTimeout).toHaveBeenCalledTimes(1)
  })

  test('says nothing any more, and leaves nothing behind, once it was stopped', () => {
    const controller = new AbortController()
    const stop = watchAbort({ signal: controller.signal, timeout: 100 }, onAbort, onTimeout)
    stop()
    stop()
    expect(jest.getTimerCount()).toBe(0)
    expect(listeners(controller.signal)).toBe(0)
    controller.abort()
    jest.advanceTimersByTime(1000)
    expect(onAbort).not.toHaveBeenCalled()
    expect(onTimeout).not.toHaveBeenCalled()
  })

  test('waits for nothing without a signal and a timeout', () => {
    const stop = watchAbort({}, onAbort, onTimeout)
    expect(jest.getTimerCount()).toBe(0)
    stop()
  })

  // The runtime would take such a timer for one of a millisecond.
  test.each([2_147_483_648, Number.POSITIVE_INFINITY])('takes a timeout of %p for none', timeout => {
    watchAbort({ timeout }, onAbort, onTimeout)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('still waits for the longest timeout that a timer can run', () => {
    watchAbort({ timeout: 2_147_483_647 }, onAbort, onTimeout)
    jest.advanceTimersByTime(2_147_483_647)
    expect(onTimeout).toHaveBeenCalledTimes(1)
  })

  test('leaves a signal that is aborted already to its caller', () => {
    watchAbort({ signal: AbortSignal.abort() }, onAbort, onTimeout)()
    expect(onAbort).not.toHaveBeenCalled()
  })
})

test('an abort is told to all that share a signal, also where one of them throws', () => {
  const controller = new AbortController()
  const told: number[] = []
  for (const index of [1, 2, 3]) {
    onAbort(controller.signal, () => {
      told.push(index)
      throw new Error('not now')
    })
  }
  controller.abort()
  expect(told).toEqual([1, 2, 3])
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
})

describe('unlessAborted', () => {
  test('gives what the promise gives, and leaves no listener behind', async () => {
    const { signal } = new AbortController()
    expect(await unlessAborted(Promise.resolve('done'), signal)).toBe('done')
    await expect(unlessAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
    await null
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('rejects with the reason of the signal, aborted meanwhile or before, whatever becomes of the promise', async () => {
    const controller = new AbortController()
    const outcome = unlessAborted(new Promise(() => undefined), controller.signal)
    controller.abort('enough')
    await expect(outcome).rejects.toBe('enough')
    await expect(unlessAborted(Promise.resolve('late'), controller.signal)).rejects.toBe('enough')
    await expect(unlessAborted(Promise.reject(new Error('late')), controller.signal)).rejects.toBe('enough')
  })
})

describe('eitherSignal', () => {
  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

  test.each([0, 1])('is aborted with the reason of the one that is aborted: %i', index => {
    const controllers = [new AbortController(), new AbortController()] as const
    const [first, second] = controllers.map(controller => controller.signal) as [AbortSignal, AbortSignal]
    const either = eitherSignal(first, second)
    expect(either.signal.aborted).toBe(false)
    const reason = new Error('enough')
    controllers[index]?.abort(reason)
    expect(either.signal.reason).toBe(reason)
    expect([listeners(first), listeners(second)]).toEqual([0, 0])
  })

  test('is aborted at once where one of them is', () => {
    const reason = new Error('enough')
    const { signal } = new AbortController()
    expect(eitherSignal(signal, AbortSignal.abort(reason)).signal.reason).toBe(reason)
    expect(eitherSignal(AbortSignal.abort(reason), signal).signal.reason).toBe(reason)
    expect(listeners(signal)).toBe(0)
  })

  test('leaves nothing behind once it is released', () => {
    const controllers = [new AbortController(), new AbortController()] as const
    const [first, second] = controllers.map(controller => controller.signal) as [AbortSignal, AbortSignal]
    const either = eitherSignal(first, second)
    expect([listeners(first), listeners(second)]).toEqual([1, 1])
    either.release()
    expect([listeners(first), listeners(second)]).toEqual([0, 0])
    for (const controller of controllers) controller.abort()
    expect(either.signal.aborted).toBe(false)
  })
})
