/** Covers who uses the queues of a client: when the last consumer has gone, and which queues must have expired. */
import { beforeEach, describe, expect, test } from '@jest/globals'
import { QueueUses } from '../../../src/recovery/queue-uses.js'

let now = 0
let uses = new QueueUses(() => now)

beforeEach(() => {
  now = 0
  uses = new QueueUses(() => now)
})

function expired(): string[] {
  return [...uses.findExpired()]
}

describe('a queue that expires', () => {
  test('has expired after its time without use, and not before', () => {
    uses.declared('q', 1000)
    now = 999
    expect(expired()).toEqual([])
    now = 1000
    expect(expired()).toEqual(['q'])
  })

  test('has all of its time again after each use', () => {
    uses.declared('q', 1000)
    now = 900
    uses.used('q')
    now = 1800
    uses.declared('q', 1000)
    now = 2799
    expect(expired()).toEqual([])
    now = 2800
    expect(expired()).toEqual(['q'])
  })

  test('does not expire while it has a consumer, and has all of its time after the last one', () => {
    uses.declared('q', 1000)
    uses.consumerAdded('q')
    uses.consumerAdded('q')
    now = 5000
    uses.consumerRemoved('q', true)
    expect(expired()).toEqual([])
    now = 6000
    uses.consumerRemoved('q', true)
    expect(expired()).toEqual([])
    now = 7000
    expect(expired()).toEqual(['q'])
  })

  test('is not used by a consumer that never began', () => {
    uses.declared('q', 1000)
    uses.consumerAdded('q')
    now = 5000
    uses.consumerRemoved('q', false)
    expect(expired()).toEqual(['q'])
  })

  test('does not expire any more when it is declared without that, or is gone', () => {
    for (const queue of ['a', 'b', 'c']) uses.declared(queue, 1000)
    uses.declared('a', undefined)
    uses.dropped('b', false)
    now = 1000
    expect(expired()).toEqual(['c'])
  })

  test('keeps its time and its consumers under a new name', () => {
    uses.declared('one', 1000)
    uses.declared('two', 1000)
    uses.consumerAdded('two')
    uses.renamed('one', 'new one')
    uses.renamed('two', 'new two')
    now = 1000
    expect(expired()).toEqual(['new one'])
    expect(uses.consumerRemoved('two', true)).toBe(false)
    expect(uses.consumerRemoved('new two', true)).toBe(true)
  })

  test('does not begin to expire when it is only used', () => {
    uses.used('q')
    now = 1_000_000
    expect(expired()).toEqual([])
  })
})

describe('the last consumer of a queue', () => {
  test('is known when it ends', () => {
    uses.consumerAdded('q')
    uses.consumerAdded('q')
    expect(uses.consumerRemoved('q', true)).toBe(false)
    expect(uses.consumerRemoved('q', true)).toBe(true)
    expect(uses.consumerRemoved('q', true)).toBe(false)
  })

  test('is none where no consumer had begun', () => {
    uses.consumerAdded('q')
    expect(uses.consumerRemoved('q', false)).toBe(false)
  })

  test('is one where another consumer had begun and ended before', () => {
    uses.consumerAdded('q')
    uses.consumerAdded('q')
    uses.consumerRemoved('q', true)
    expect(uses.consumerRemoved('q', false)).toBe(true)
  })

  test('counts for the next queue of that name only if it begins there', () => {
    for (const queue of ['a', 'b']) {
      uses.consumerAdded(queue)
      uses.consumerAdded(queue)
      uses.consumerRemoved(queue, true)
      uses.dropped(queue, false)
    }
    expect(uses.consumerRemoved('a', false)).toBe(false)
    expect(uses.consumerRemoved('b', true)).toBe(true)
  })

  test('is forgotten with a queue that is gone for good', () => {
    uses.consumerAdded('q')
    uses.dropped('q', true)
    expect(uses.consumerRemoved('q', true)).toBe(false)
  })
})

describe('a search for what has expired', () => {
  /** How much is added until a search is due. */
  function addedUntilDue(): number {
    for (let added = 1; ; added++) if (uses.onAdded()) return added
  }

  test('is due when as much was added as the last one has left, and not for a few', () => {
    const first = addedUntilDue()
    expect(first).toBeGreaterThan(1)
    uses.onSearched(10 * first)
    expect(addedUntilDue()).toBe(10 * first)
    uses.onSearched(0)
    expect(addedUntilDue()).toBe(first)
  })
})
