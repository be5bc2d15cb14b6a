/** Covers waiting for a while, for a promise, or for a signal, whatever comes first. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { pause, settledWithin } from '../../../src/util/pause.js'
import { defer } from '../../../src/util/promise.js'
import { isOver } from '../../support/outcome.js'

afterEach(() => {
  jest.useRealTimers()
})

describe('a pause', () => {
  test('is over after its time, and not before', async () => {
    jest.useFakeTimers()
    const waiting = pause(100, new AbortController().signal)
    jest.advanceTimersByTime(99)
    expect(await isOver(waiting)).toBe(false)
    jest.advanceTimersByTime(1)
    expect(await isOver(waiting)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is over as soon as the signal says so, and leaves no timer', async () => {
    jest.useFakeTimers()
    const abort = new AbortController()
    const waiting = pause(100, abort.signal)
    abort.abort()
    expect(await isOver(waiting)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
    expect(await isOver(pause(100, abort.signal))).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('waiting for a promise within a time', () => {
  test.each(['resolves', 'rejects'])('is over when it %s', async outcome => {
    jest.useFakeTimers()
    const promise = defer<void>()
    const waiting = settledWithin(promise.promise, 100, new AbortController().signal)
    expect(await isOver(waiting)).toBe(false)
    if (outcome === 'resolves') promise.resolve()
    else promise.reject(new Error('no'))
    expect(await isOver(waiting)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is over after the time where it is not settled', async () => {
    jest.useFakeTimers()
    const waiting = settledWithin(new Promise(() => {}), 100, new AbortController().signal)
    jest.advanceTimersByTime(100)
    expect(await isOver(waiting)).toBe(true)
  })
})
