/** Covers what keeps shared memory together, as far as the runtime of the test can do it. */
import { expect, test } from '@jest/globals'
import { markShared, marksHold, ownCopy } from '../../../src/util/shared-memory.js'

/** Takes memory away in every way that there is. */
function takeAway(memory: ArrayBuffer): void {
  const ways = [
    () => structuredClone(memory, { transfer: [memory] }),
    () => (memory as ArrayBuffer & { transfer?: () => unknown }).transfer?.(),
  ]
  for (const way of ways) {
    try {
      way()
    } catch {
      // It was refused.
    }
  }
}

test('what is marked cannot be taken away by a transfer, and what is not can', () => {
  const [marked, other] = [new ArrayBuffer(8), new ArrayBuffer(8)]
  markShared(marked)
  markShared(marked)
  expect(() => structuredClone(other, { transfer: [other] })).not.toThrow()
  expect(other.byteLength).toBe(0)
  try {
    structuredClone(marked, { transfer: [marked] })
  } catch {
    // Some runtimes refuse it, others copy.
  }
  expect(marked.byteLength).toBe(8)
})

test('it is known whether marks hold against everything', () => {
  const marked = new ArrayBuffer(8)
  markShared(marked)
  takeAway(marked)
  expect(marked.byteLength > 0).toBe(marksHold)
})

test('memory that cannot be marked is left as it is', () => {
  expect(() => markShared(new SharedArrayBuffer(8))).not.toThrow()
})

test('a copy of its own lies in no memory of others', () => {
  for (const size of [0, 1, 100, 5000]) {
    const bytes = Buffer.alloc(size, 'x')
    const copy = ownCopy(bytes)
    expect(copy.equals(bytes)).toBe(true)
    expect(copy.buffer.byteLength).toBe(size)
    expect(copy.buffer).not.toBe(bytes.buffer)
  }
})
