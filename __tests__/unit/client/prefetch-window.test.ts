/** Covers the arithmetic of prefetch: what may be handed out, and what the broker is asked for. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { PrefetchWindow } from '../../../src/client/prefetch-window.js'
import { ArgumentError } from '../../../src/errors.js'

describe('a window with a limit', () => {
  test('allows what is below it, and asks the broker for as much per queue', () => {
    const window = new PrefetchWindow(3, false)
    expect(window.wireCount).toBe(3)
    expect([0, 2, 3, 4].map(out => window.allows(out))).toEqual([true, true, false, false])
    expect(window.countHandedOut(2)).toBe(false)
  })

  test('changes what the broker is asked for only where the limit is another', () => {
    const window = new PrefetchWindow(3, false)
    expect(window.set(3)).toBe(false)
    expect(window.set(5)).toBe(true)
    expect(window.wireCount).toBe(5)
    expect(window.set(0)).toBe(true)
    expect(window.wireCount).toBe(1000)
    expect(window.allows(1_000_000)).toBe(true)
  })

  test('takes a suggestion only where nobody has chosen, and something is to be settled', () => {
    expect(new PrefetchWindow(3, false).suggest(10)).toBe(false)
    expect(new PrefetchWindow(0, false).suggest(10)).toBe(false)
    expect(new PrefetchWindow(undefined, true).suggest(10)).toBe(false)
    expect(new PrefetchWindow(undefined, false).suggest(Number.POSITIVE_INFINITY)).toBe(false)
    const window = new PrefetchWindow(undefined, false)
    expect(window.suggest(10)).toBe(true)
    expect(window.wireCount).toBe(10)
    expect(window.suggest(20)).toBe(false)
  })

  test('with noAck has the broker hear of every half of it', () => {
    const takes = (limit: number) => {
      const window = new PrefetchWindow(limit, true)
      return Array.from({ length: 8 }, () => window.countAutoAcked())
    }
    expect(takes(8)).toEqual([false, false, false, true, false, false, false, true])
    expect(takes(3)).toEqual([false, true, false, true, false, true, false, true])
    expect(takes(1)).toEqual(Array(8).fill(true))
  })

  test.each([-1, 65_536, 1.5, Number.NaN, '1', null])('refuses %p', limit => {
    expect(() => new PrefetchWindow(1, false).set(limit as number)).toThrow(ArgumentError)
  })
})

/** Lets a reader take messages who settles each at once, and waits for each. Returns the counts that the broker is asked for. */
function readAndSettle(window: PrefetchWindow, messages: number): number[] {
  const asked = [window.wireCount]
  for (let taken = 0; taken < messages; taken++) {
    if (window.countWaiting(0)) asked.push(window.wireCount)
    window.countDelivered(window.wireCount)
    window.countHandedOut(0)
  }
  return asked
}

describe('a window without a limit', () => {
  test('begins with one message, and grows with what a fast reader has read', () => {
    const window = new PrefetchWindow(undefined, false)
    expect(readAndSettle(window, 8)).toEqual([1])
    expect(readAndSettle(window, 1)).toEqual([1, 8])
    expect(readAndSettle(new PrefetchWindow(0, true), 100_000)).toEqual([1, 8, 64, 512, 1000])
  })

  test('does not grow where the broker has never sent as much as it may', () => {
    const window = new PrefetchWindow(undefined, false)
    readAndSettle(window, 9)
    for (let taken = 0; taken < 1000; taken++) {
      expect(window.countWaiting(0)).toBe(false)
      window.countDelivered(1)
      window.countHandedOut(0)
    }
    expect(window.wireCount).toBe(8)
  })

  test('grows at once where its reader holds all of it', () => {
    const window = new PrefetchWindow(undefined, false)
    window.countDelivered(1)
    window.countHandedOut(0)
    expect(window.countWaiting(1)).toBe(true)
    expect(window.wireCount).toBe(8)
  })

  test('is small again for the next subscription, and one with a limit is as it was', () => {
    const window = new PrefetchWindow(undefined, false)
    readAndSettle(window, 1000)
    expect(window.wireCount).toBeGreaterThan(8)
    window.restart()
    expect(window.wireCount).toBe(1)
    const limited = new PrefetchWindow(7, false)
    limited.restart()
    expect(limited.wireCount).toBe(7)
  })

  test('of a consumer that must keep its place grows only with what its reader holds', () => {
    const window = new PrefetchWindow(undefined, false, true)
    expect(readAndSettle(window, 10_000)).toEqual([100])
    for (let held = 0; held < 50; held++) expect(window.countHandedOut(held)).toBe(false)
    expect(window.countHandedOut(50)).toBe(true)
    expect(window.wireCount).toBe(200)
  })

  test('never runs dry, whatever is settled and when, and asks for little more than is held', () => {
    // The broker: each consumer anew delivers `wire` messages beyond those that are settled of its own.
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.integer({ min: 0, max: 9 })),
        fc.integer({ min: 1, max: 9 }),
        (dice, appetite) => {
          const window = new PrefetchWindow(0, false)
          let generation = 0
          let room = window.wireCount
          const held: number[] = []
          for (let taken = 0; taken < 20_000; taken++) {
            if (room === 0 && window.countWaiting(held.length)) {
              generation++
              room = window.wireCount
            }
            if (room === 0) throw new Error(`dry with ${held.length} in hand`)
            room--
            window.countDelivered(held.length + 1)
            const grows = window.countHandedOut(held.length)
            held.push(generation)
            if (grows) {
              generation++
              room = window.wireCount
              if (window.wireCount > 4 * held.length)
                throw new Error(`${window.wireCount} with ${held.length} in hand`)
            }
            if ((dice.next().value as number) >= appetite) {
              for (let settled = 0; settled < 2 && held.length > 0; settled++) {
                const index = (dice.next().value as number) % held.length
                if (held.splice(index, 1)[0] === generation) room++
              }
            }
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})
