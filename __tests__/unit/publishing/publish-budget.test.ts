/** Covers the budget of all pending publishes: its two bounds, and when it is empty. */
import { describe, expect, test } from '@jest/globals'
import { ResourceError } from '../../../src/errors.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'

describe('the budget of publishes', () => {
  test('bounds their number, and has room again when one is settled', () => {
    const budget = new PublishBudget(2, 1_000_000)
    for (const bytes of [10, 20]) {
      expect(() => budget.check()).not.toThrow()
      budget.add(bytes)
    }
    expect(() => budget.check()).toThrow(ResourceError)
    expect(() => budget.check()).toThrow('2 publishes are pending already (maxPendingPublishes)')
    budget.remove(10)
    expect(() => budget.check()).not.toThrow()
  })

  test('bounds their bytes', () => {
    const budget = new PublishBudget(10, 100)
    budget.add(99)
    expect(() => budget.check()).not.toThrow()
    budget.add(1)
    expect(() => budget.check()).toThrow(ResourceError)
    expect(() => budget.check()).toThrow(
      '100 bytes of publishes are pending already (maxPendingPublishBytes)',
    )
    budget.remove(1)
    expect(() => budget.check()).not.toThrow()
  })

  test('says how many are pending, and their bytes', () => {
    const budget = new PublishBudget(10, 100)
    expect(budget.pending).toEqual({ count: 0, bytes: 0 })
    for (const bytes of [0, 30, 12]) budget.add(bytes)
    expect(budget.pending).toEqual({ count: 3, bytes: 42 })
    budget.remove(30)
    expect(budget.pending).toEqual({ count: 2, bytes: 12 })
  })

  test('tells when none is pending', async () => {
    const budget = new PublishBudget(10, 100)
    await budget.empty()
    budget.add(1)
    budget.add(1)
    let empty = false
    const waiting = Promise.all([budget.empty(), budget.empty()]).then(() => {
      empty = true
    })
    budget.remove(1)
    await new Promise(resolve => setImmediate(resolve))
    expect(empty).toBe(false)
    budget.remove(1)
    await waiting
  })

  test('tells so each time', async () => {
    const budget = new PublishBudget(10, 100)
    for (let round = 0; round < 2; round++) {
      budget.add(1)
      let empty = false
      const waiting = budget.empty().then(() => {
        empty = true
      })
      await new Promise(resolve => setImmediate(resolve))
      expect(empty).toBe(false)
      budget.remove(1)
      await waiting
    }
  })

  test.each([
    ['number', new PublishBudget(2, 1000)],
    ['bytes', new PublishBudget(10, 200)],
  ])('tells when there is room again in its %s', async (_, budget) => {
    await budget.room()
    for (let round = 0; round < 2; round++) {
      budget.add(100)
      expect(budget.full).toBe(false)
      budget.add(100)
      budget.add(100)
      expect(budget.full).toBe(true)
      let room = false
      const waiting = Promise.all([budget.room(), budget.room()]).then(() => {
        room = true
      })
      budget.remove(100)
      await new Promise(resolve => setImmediate(resolve))
      expect(room).toBe(false)
      budget.remove(100)
      await waiting
      budget.remove(100)
    }
  })
})
