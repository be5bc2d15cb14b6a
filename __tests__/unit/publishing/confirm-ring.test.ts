/** Covers the ring of publishes that wait for their confirm: singly, multiple, out of order, over any growth. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CommandInvalidError } from '../../../src/errors.js'
import { ConfirmRing } from '../../../src/publishing/confirm-ring.js'

function ledgerOf(count: number): ConfirmRing<number> {
  const ledger = new ConfirmRing<number>()
  for (let tag = 1; tag <= count; tag++) ledger.add(tag)
  return ledger
}

function take(ledger: ConfirmRing<number>, tag: number, multiple = false): number[] {
  const taken: number[] = []
  ledger.take(tag, multiple, entry => taken.push(entry))
  return taken
}

describe('a confirm ledger', () => {
  test('gives each entry once, in any order', () => {
    const ledger = ledgerOf(3)
    expect([3, 1, 2, 1, 3].map(tag => take(ledger, tag))).toEqual([[3], [1], [2], [], []])
    expect(ledger.waiting).toBe(0)
  })

  test('gives all up to a tag, in order, without those taken before', () => {
    const ledger = ledgerOf(5)
    take(ledger, 2)
    expect(take(ledger, 4, true)).toEqual([1, 3, 4])
    expect(ledger.waiting).toBe(1)
  })

  test('takes tag 0 for all there are, with multiple only', () => {
    const ledger = ledgerOf(3)
    expect(take(ledger, 0)).toEqual([])
    expect(take(ledger, 0, true)).toEqual([1, 2, 3])
    expect(take(ledger, 0, true)).toEqual([])
  })

  test.each([true, false])('refuses a tag that was not given out yet (multiple: %p)', multiple => {
    const ledger = ledgerOf(3)
    expect(() => take(ledger, 4, multiple)).toThrow(CommandInvalidError)
    expect(ledger.waiting).toBe(3)
  })

  test('refuses every tag before the first publish', () => {
    expect(() => take(new ConfirmRing<number>(), 1)).toThrow('publish 1 was confirmed, but 0 was the last')
  })

  test('keeps everything in place while it grows around its end', () => {
    const ledger = ledgerOf(60)
    take(ledger, 50, true)
    for (let tag = 61; tag <= 500; tag++) ledger.add(tag)
    expect(ledger.waiting).toBe(450)
    expect(take(ledger, 500, true)).toEqual(Array.from({ length: 450 }, (_, index) => index + 51))
  })

  test('holds on to a single old entry while thousands go by', () => {
    const ledger = ledgerOf(1)
    for (let tag = 2; tag <= 5000; tag++) {
      ledger.add(tag)
      expect(take(ledger, tag)).toEqual([tag])
    }
    expect(take(ledger, 1)).toEqual([1])
  })

  test('is drained in order, and begins with tag 1 again', () => {
    const ledger = ledgerOf(100)
    take(ledger, 2)
    expect(ledger.drain()).toEqual([1, ...Array.from({ length: 98 }, (_, index) => index + 3)])
    expect(ledger.drain()).toEqual([])
    ledger.add(7)
    expect(() => take(ledger, 2)).toThrow(CommandInvalidError)
    expect(take(ledger, 1)).toEqual([7])
  })

  test('does what a plain map does, whatever the sequence', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant({ kind: 'add' } as const) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('take' as const),
          tag: fc.nat(200),
          multiple: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('many' as const), count: fc.nat(80) }) },
    )
    const property = fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const ledger = new ConfirmRing<number>()
      const model = new Set<number>()
      let next = 1
      const add = (): void => {
        ledger.add(next)
        model.add(next++)
      }
      for (const one of steps) {
        if (one.kind === 'add') add()
        else if (one.kind === 'many') for (let left = one.count; left > 0; left--) add()
        else {
          const tag = next === 1 ? 0 : one.tag % next
          const all = one.multiple && tag === 0
          const due = [...model].filter(at => all || (one.multiple ? at <= tag : at === tag))
          expect(take(ledger, tag, one.multiple)).toEqual(due)
          for (const at of due) model.delete(at)
        }
        expect(ledger.waiting).toBe(model.size)
      }
      expect(ledger.drain()).toEqual([...model])
    })
    fc.assert(property, { numRuns: 200 })
  })
})
