/** Covers ranges of a slab that are sent by reference: which become one piece, and their place among everything else. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { bytes } from '../../support/wire/vectors.js'

const SLAB = Buffer.from('abcdefghijklmnopqrstuvwxyz')

function begin() {
  /** The pieces of each write. */
  const writes: string[][] = []
  const metrics = new Metrics()
  const outbox = new Outbox(4096, metrics)
  outbox.transport = {
    write: pieces => writes.push(pieces.map(piece => Buffer.from(piece).toString('latin1'))) > 0,
  }
  return { outbox, writes, metrics }
}

describe('ranges of a slab', () => {
  test('that follow each other are one piece', () => {
    const { outbox, writes, metrics } = begin()
    outbox.range(SLAB, 0, 3)
    outbox.range(SLAB, 3, 5)
    outbox.range(SLAB, 5, 6)
    outbox.flush()
    expect(writes).toEqual([['abcdef']])
    expect(metrics.bytesSent).toBe(6)
  })

  test('that do not, or are of another slab, are pieces of their own, in order', () => {
    const { outbox, writes } = begin()
    const other = Buffer.from(SLAB)
    outbox.range(SLAB, 0, 3)
    outbox.range(SLAB, 4, 5)
    outbox.range(other, 5, 6)
    outbox.range(SLAB, 2, 4)
    outbox.flush()
    expect(writes).toEqual([['abc', 'e', 'f', 'cd']])
  })

  test('are not joined over a write, nor over anything in between', () => {
    const { outbox, writes } = begin()
    outbox.range(SLAB, 0, 2)
    outbox.flush()
    outbox.range(SLAB, 2, 4)
    outbox.reference(Buffer.from('!'))
    outbox.range(SLAB, 4, 6)
    outbox.encoded(1, 'confirm.select', bytes('0055'))
    outbox.range(SLAB, 6, 8)
    outbox.flush()
    expect(writes.map(pieces => pieces.join('|'))).toEqual(['ab', 'cd|!|ef|\x01\0\x01\0\0\0\x02\0U\xce|gh'])
  })

  test('wait while a unit is being encoded, and follow it', () => {
    const { outbox, writes } = begin()
    outbox.lock()
    outbox.range(SLAB, 0, 2)
    outbox.range(SLAB, 2, 4)
    outbox.writer.bytes(Buffer.from('unit'))
    outbox.writer.commit()
    outbox.unlock()
    outbox.flush()
    expect(writes).toEqual([['unit', 'abcd']])
  })

  test('count for the size from which a write does not wait', () => {
    const { outbox, writes } = begin()
    const slab = Buffer.alloc(600_000, 'x')
    for (let from = 0; from < slab.length; from += 50_000) outbox.range(slab, from, from + 50_000)
    expect(writes.length).toBeGreaterThan(0)
    outbox.flush()
    expect(writes.flat().join('')).toBe(slab.toString())
    expect(writes.every(pieces => pieces.length === 1)).toBe(true)
  })

  test('do not leave a closed outbox', () => {
    const { outbox, writes } = begin()
    outbox.range(SLAB, 0, 2)
    outbox.close()
    outbox.range(SLAB, 2, 4)
    outbox.flush()
    expect(writes).toEqual([])
  })

  test('keep their place, whatever the mixture', () => {
    const size = fc.nat(40_000)
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('range' as const),
        slab: fc.nat(1),
        size,
        gap: fc.constantFrom(0, 0, 1),
      }),
      fc.record({ kind: fc.constant('reference' as const), size }),
      fc.record({ kind: fc.constant('unit' as const), size }),
      fc.constant({ kind: 'flush' as const }),
    )
    const property = fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { outbox, writes, metrics } = begin()
      const slabs = [0, 1].map(first =>
        Buffer.alloc(2_500_000).map((_, at) => (first + at) % 251),
      ) as Buffer[]
      const ends = [0, 0]
      const expected: Buffer[] = []
      for (const one of steps) {
        if (one.kind === 'flush') {
          outbox.flush()
        } else if (one.kind === 'range') {
          const slab = slabs[one.slab] as Buffer
          const from = (ends[one.slab] as number) + one.gap
          const to = from + one.size
          ends[one.slab] = to
          outbox.range(slab, from, to)
          expected.push(slab.subarray(from, to))
        } else {
          const payload = Buffer.alloc(one.size, expected.length)
          expected.push(payload)
          if (one.kind === 'reference') {
            outbox.reference(payload)
          } else {
            outbox.writer.bytes(payload)
            outbox.writer.commit()
            outbox.schedule()
          }
        }
      }
      outbox.flush()
      outbox.close()
      const sent = Buffer.from(writes.flat().join(''), 'latin1')
      expect(sent.equals(Buffer.concat(expected))).toBe(true)
      expect(metrics.bytesSent).toBe(sent.length)
    })
    fc.assert(property, { numRuns: 30 })
  })
})
