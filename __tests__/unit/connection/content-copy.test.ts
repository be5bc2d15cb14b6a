/** Covers where small contents stay: what one copy serves, and what it keeps. */
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { BLOCK, ContentCopier } from '../../../src/connection/content-copy.js'

test('keeps what it was given, however it lies in its chunk, whatever becomes of the chunk', () => {
  const spans = fc.array(fc.tuple(fc.nat(20_000), fc.integer({ min: 1, max: BLOCK })), { minLength: 1 })
  const property = fc.property(spans, given => {
    const chunk = Buffer.from(Uint8Array.from({ length: 30_000 }, (_, at) => at * 7 + (at >> 8)))
    const original = Buffer.from(chunk)
    const keeper = new ContentCopier()
    const kept = given.map(([start, length]) => {
      const shift = keeper.keep(chunk, start, start + length)
      return keeper.block.subarray(start - shift, start + length - shift)
    })
    chunk.fill(0)
    for (const [index, [start, length]] of given.entries()) {
      expect(kept[index]?.equals(original.subarray(start, start + length))).toBe(true)
    }
  })
  fc.assert(property)
})

test('makes one block of neighbours, and another where the first is full', () => {
  const keeper = new ContentCopier()
  const chunk = Buffer.alloc(3 * BLOCK)
  keeper.keep(chunk, 10, 110)
  const first = keeper.block
  expect(first).toHaveLength(BLOCK)
  keeper.keep(chunk, 110, 210)
  keeper.keep(chunk, BLOCK - 90, BLOCK + 10)
  expect(keeper.block).toBe(first)
  keeper.keep(chunk, BLOCK - 89, BLOCK + 11)
  expect(keeper.block).not.toBe(first)
})

test('makes a block no larger than what is left of the chunk', () => {
  const keeper = new ContentCopier()
  keeper.keep(Buffer.alloc(200), 50, 100)
  expect(keeper.block).toHaveLength(150)
})

test('takes nothing for the same that comes in another chunk, or after it was let go of', () => {
  const keeper = new ContentCopier()
  const [one, other] = [Buffer.alloc(100, 'a'), Buffer.alloc(100, 'b')]
  keeper.keep(one, 0, 10)
  keeper.keep(other, 0, 10)
  expect(keeper.block.toString('utf8', 0, 1)).toBe('b')
  other.fill('c')
  keeper.release()
  keeper.keep(other, 0, 10)
  expect(keeper.block.toString('utf8', 0, 1)).toBe('c')
})
