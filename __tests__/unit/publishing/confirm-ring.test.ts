/** Covers the ring of publishes that wait for their confirm: singly, multiple, out of order, over any growth. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { CommandInvalidError } from '../../../src/errors.js'
import { ConfirmRing } from '../../../src/publishing/confirm-ring.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function ringOf(count: number): ConfirmRing<number> {
  const ring = new ConfirmRing<number>()
  for (let tag = 1; tag <= count; tag++) ring.add(tag)
  return ring
}

function take(ring: ConfirmRing<number>, tag: number, multiple = false): number[] {
  const taken: number[] = []
  ring.confirm(tag, multiple, entry => taken.push(entry))
  return taken
}

describe('a confirm ring', () => {
  test('gives each entry once, in any order', () => {
    const ring = ringOf(3)
    expect([3, 1, 2, 1, 3].map(tag => take(ring, tag))).toEqual([[3], [1], [2], [], []])
    expect(ring.size).toBe(0)
  })

  test('gives all up to a tag, in order, without those taken before', () => {
    const ring = ringOf(5)
    take(ring, 2)
    expect(take(ring, 4, true)).toEqual([1, 3, 4])
    expect(ring.size).toBe(1)
  })

  test('takes tag 0 for all there are, with multiple only', () => {
    const ring = ringOf(3)
    expect(() => take(ring, 0)).toThrow(CommandInvalidError)
    expect(take(ring, 0, true)).toEqual([1, 2, 3])
    expect(take(ring, 0, true)).toEqual([])
  })

  test.each([true, false])('refuses a tag that was not given out yet (multiple: %p)', multiple => {
    const ring = ringOf(3)
    expect(() => take(ring, 4, multiple)).toThrow(CommandInvalidError)
    expect(ring.size).toBe(3)
  })

  test.each([true, false])('refuses a huge tag at once (multiple: %p)', multiple => {
    const ring = ringOf(3)
    for (const tag of [2 ** 28, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      expect(() => take(ring, tag, multiple)).toThrow(CommandInvalidError)
    }
    expect(take(ring, 0, true)).toEqual([1, 2, 3])
  })

  test('looks at none of many old entries where what is confirmed lies before them', () => {
    const ring = new ConfirmRing<number>()
    // Every other one is confirmed: the rest stays behind while the ring does not grow.
    const old = 100_000
    for (let tag = 1; tag <= old; tag++) ring.add(tag)
    for (let tag = old + 1; tag <= 20 * old; tag++) {
      ring.add(tag)
      ring.confirm(tag, false, () => undefined)
    }
    // To copy the old entries each time takes a minute, which is longer than a test may last.
    for (let round = 0; round < 10_000; round++) expect(take(ring, 1, true)).toEqual(round === 0 ? [1] : [])
    expect(ring.size).toBe(old - 1)
  })

  test('refuses every tag before the first publish', () => {
    expect(() => take(new ConfirmRing<number>(), 1)).toThrow('publish 1 was confirmed, but 0 was the last')
  })

  test('keeps everything in place while it grows around its end', () => {
    const ring = ringOf(60)
    take(ring, 50, true)
    for (let tag = 61; tag <= 500; tag++) ring.add(tag)
    expect(ring.size).toBe(450)
    expect(take(ring, 500, true)).toEqual(Array.from({ length: 450 }, (_, index) => index + 51))
  })

  test('holds on to a single old entry while thousands go by', () => {
    const ring = ringOf(1)
    for (let tag = 2; tag <= 5000; tag++) {
      ring.add(tag)
      expect(take(ring, tag)).toEqual([tag])
    }
    expect(take(ring, 1)).toEqual([1])
  })

  test('does not grow over a few that are never confirmed, however many come behind', () => {
    const ring = ringOf(3)
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let tag = 4; tag <= 1_000_000; tag++) {
      ring.add(tag)
      ring.confirm(tag, false, () => undefined)
    }
    collectGarbage()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1_000_000)
    expect(ring.size).toBe(3)
    expect(take(ring, 0, true)).toEqual([1, 2, 3])
  })

  test('is drained in order, of what is unconfirmed', () => {
    const ring = ringOf(100)
    take(ring, 2)
    expect(ring.drain()).toEqual([1, ...Array.from({ length: 98 }, (_, index) => index + 3)])
    expect(ring.drain()).toEqual([])
    expect(ring.size).toBe(0)
  })

  test('tells which entries stay behind when thousands go by, each once', () => {
    const late: number[] = []
    const ring = new ConfirmRing<number>(entry => late.push(entry))
    for (const tag of [1, 2, 3]) ring.add(tag)
    for (let tag = 4; tag <= 1000; tag++) {
      ring.add(tag)
      if (tag !== 500) take(ring, tag)
    }
    expect(late).toEqual([1, 2, 3, 500])
    expect([1, 2, 3, 500, 4, 1000].map(tag => ring.get(tag))).toEqual([1, 2, 3, 500, undefined, undefined])
    expect(ring.countUpTo(500)).toBe(4)
    take(ring, 2)
    expect(ring.get(2)).toBeUndefined()
    expect(ring.countUpTo(500)).toBe(3)
  })

  test('knows nothing of tags that were not given out', () => {
    const ring = ringOf(3)
    expect([0, 4, 68, 1000].map(tag => ring.get(tag))).toEqual([undefined, undefined, undefined, undefined])
    expect(ring.lastTag).toBe(3)
    expect(ring.countUpTo(1000)).toBe(3)
    expect(ring.countUpTo(0)).toBe(0)
    expect(new ConfirmRing<number>().lastTag).toBe(0)
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
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), tag: fc.nat(200) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), count: fc.nat(400) }) },
    )
    const property = fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const ring = new ConfirmRing<number>()
      const model = new Set<number>()
      let next = 1
      const add = (): void => {
        ring.add(next)
        model.add(next++)
      }
      for (const one of steps) {
        if (one.kind === 'add') add()
        else if (one.kind === 'many') for (let left = one.count; left > 0; left--) add()
        else if (one.kind === 'remove') {
          ring.remove(one.tag % next)
          model.delete(one.tag % next)
        } else if (one.kind === 'pass') {
          // So many come and are confirmed, behind those that are not.
          for (let left = one.count; left > 0; left--) {
            const tag = next
            add()
            expect(take(ring, tag)).toEqual([tag])
            model.delete(tag)
          }
        } else {
          const tag = next === 1 ? 0 : one.tag % next
          const all = tag === 0
          const due = [...model].filter(at => all || (one.multiple ? at <= tag : at === tag))
          expect(take(ring, tag, all || one.multiple)).toEqual(due)
          for (const at of due) model.delete(at)
        }
        expect(ring.size).toBe(model.size)
        expect(ring.lastTag).toBe(next - 1)
        for (const tag of [1, next >> 1, next - 1, next]) {
          expect(ring.get(tag)).toBe(model.has(tag) ? tag : undefined)
          expect(ring.countUpTo(tag)).toBe([...model].filter(at => at <= tag).length)
        }
      }
      expect(ring.drain()).toEqual([...model])
    })
    fc.assert(property, { numRuns: 200 })
  })
})
