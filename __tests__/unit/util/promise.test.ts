/** Covers the behaviour of the helpers around promises. */
import { describe, expect, test } from '@jest/globals'
import { defer, ignore, quiet } from '../../../src/util/promise.js'

describe('defer', () => {
  test('makes a promise that resolves with what its end is given', async () => {
    const deferred = defer<number>()
    deferred.resolve(7)
    await expect(deferred.promise).resolves.toBe(7)
  })

  test('makes a promise that rejects with what its end is given', async () => {
    const deferred = defer<number>()
    const reason = new Error('no')
    deferred.reject(reason)
    await expect(deferred.promise).rejects.toBe(reason)
  })

  test('takes only the first word', async () => {
    const deferred = defer<number>()
    deferred.resolve(1)
    deferred.resolve(2)
    deferred.reject(new Error('too late'))
    await expect(deferred.promise).resolves.toBe(1)
  })
})

describe('quiet', () => {
  test('keeps a rejection that nobody looks at from counting as unhandled', async () => {
    expect(quiet(Promise.reject(new Error('nobody looks at this')))).toBeInstanceOf(Promise)
    // Unhandled rejections are reported when the microtasks are done; Jest fails the test that one occurs in.
    await new Promise(resolve => setImmediate(resolve))
  })

  test('returns the same promise, which its owner may still look at', async () => {
    const promise = Promise.reject(new Error('seen'))
    expect(quiet(promise)).toBe(promise)
    await expect(promise).rejects.toThrow('seen')
  })
})

test('ignore takes any result and returns nothing', () => {
  expect(ignore()).toBeUndefined()
})
