/** Covers where small contents stay: what one copy serves, and what it keeps. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { BLOCK, ContentCopier } from '../../../src/connection/content-copy.js'

test('keeps what it was given, however it lies in its chunk, whatever becomes of the chunk', () => {
  const spans = fc.array(fc.tuple(fc.nat(20_000), fc.integer({ min: 1, max: BLOCK })), { minLength: 1 })
  const property = fc.property(spans, given => {
    const chunk = Buffer.from(Uint8Array.from({ length: 30_000 }, (_, at) => at * 7 + (at >> 8)))
    const original = Buffer.from(chunk)
    const copier = new ContentCopier()
    const kept = given.map(([start, length]) => {
      const shift = copier.copy(chunk, start, start + length)
      return copier.block.subarray(start - shift, start + length - shift)
    })
    chunk.fill(0)
    for (const [index, [start, length]] of given.entries()) {
      expect(kept[index]?.equals(original.subarray(start, start + length))).toBe(true)
    }
  })
  fc.assert(property)
})

test('makes one block of neighbours, and another where the first is full', () => {
  const copier = new ContentCopier()
  const chunk = Buffer.alloc(3 * BLOCK)
  copier.copy(chunk, 10, 110)
  const first = copier.block
  expect(first).toHaveLength(BLOCK)
  copier.copy(chunk, 110, 210)
  copier.copy(chunk, BLOCK - 90, BLOCK + 10)
  expect(copier.block).toBe(first)
  copier.copy(chunk, BLOCK - 89, BLOCK + 11)
  expect(copier.block).not.toBe(first)
})

test('makes a block no larger than what is left of the chunk', () => {
  const copier = new ContentCopier()
  copier.copy(Buffer.alloc(200), 50, 100)
  expect(copier.block).toHaveLength(150)
})

test('takes nothing for the same that comes in another chunk, or after it was let go of', () => {
  const copier = new ContentCopier()
  const [one, other] = [Buffer.alloc(100, 'a'), Buffer.alloc(100, 'b')]
  copier.copy(one, 0, 10)
  copier.copy(other, 0, 10)
  expect(copier.block.toString('utf8', 0, 1)).toBe('b')
  other.fill('c')
  copier.reset()
  copier.copy(other, 0, 10)
  expect(copier.block.toString('utf8', 0, 1)).toBe('c')
})

test('cuts blocks from slabs of its own, and takes another slab where the runtime let a user take one away', () => {
  const copier = new ContentCopier()
  const chunk = Buffer.alloc(100, 'a')
  copier.copy(chunk, 0, 100)
  const { buffer } = copier.block
  copier.reset()
  copier.copy(chunk, 0, 100)
  expect(copier.block.buffer).toBe(buffer)
  setFlagsFromString('--allow-natives-syntax')
  const detach = runInNewContext('memory => %ArrayBufferDetach(memory)') as (memory: unknown) => void
  try {
    detach(buffer)
  } catch {
    // Newer runtimes let nobody.
    return
  }
  copier.reset()
  copier.copy(chunk, 0, 100)
  expect(copier.block.equals(chunk)).toBe(true)
})
