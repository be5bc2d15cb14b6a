/** Covers the assembly of content: bodies whole and in pieces, views and copies, and what is let go of. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Assembly, bodyOf as ownBodyOf } from '../../../src/connection/content.js'
import { AmqpSyntaxError, UnexpectedFrameError } from '../../../src/errors.js'

const METHOD = 60 * 65_536 + 60
/** Its ids, and what stands for its fields. */
const METHOD_FRAME = Buffer.from('idid.fields')

function header(size: bigint, classId = 60): Buffer {
  const bytes = Buffer.alloc(14)
  bytes.writeUInt16BE(classId)
  bytes.writeBigUInt64BE(size, 4)
  return bytes
}

/** An assembly that waits for a body of `size` bytes. */
function begun(size: bigint, max = 1_000_000): Assembly {
  const assembly = new Assembly(max)
  assembly.begin(METHOD, METHOD_FRAME, 4, METHOD_FRAME.length)
  whole(assembly, header(size))
  return assembly
}

function whole(assembly: Assembly, bytes: Buffer): boolean {
  return assembly.header(bytes, 0, bytes.length)
}

function body(assembly: Assembly, bytes: Buffer): boolean {
  return assembly.body(bytes, 0, bytes.length)
}

function bodyOf({ bodyBytes, bodyAt, bodyEnd }: Assembly): Buffer {
  return bodyBytes.subarray(bodyAt, bodyEnd)
}

describe('an assembly', () => {
  test('is complete with its header where the body is empty', () => {
    const assembly = new Assembly(100)
    expect(assembly.busy).toBe(false)
    assembly.begin(METHOD, METHOD_FRAME, 4, METHOD_FRAME.length)
    expect(assembly.busy).toBe(true)
    expect(assembly.method).toBe(METHOD)
    expect(whole(assembly, header(0n))).toBe(true)
    expect(assembly.busy).toBe(false)
    expect(bodyOf(assembly)).toHaveLength(0)
  })

  test('takes a large body that comes whole as a view of its chunk', () => {
    const assembly = begun(5000n)
    const chunk = Buffer.concat([Buffer.from('..'), Buffer.alloc(5000, 'x'), Buffer.from('..')])
    expect(assembly.body(chunk, 2, 5002)).toBe(true)
    expect(assembly.bodyBytes).toBe(chunk)
    expect(bodyOf(assembly).equals(Buffer.alloc(5000, 'x'))).toBe(true)
  })

  test('keeps nothing of a chunk where what it takes from it is small', () => {
    const bytes = Buffer.concat([METHOD_FRAME, header(3n), Buffer.from('abc')])
    const chunk = Buffer.concat([bytes, Buffer.alloc(60_000)])
    const [headerAt, bodyAt] = [METHOD_FRAME.length, METHOD_FRAME.length + 14]
    const together = new Assembly(100)
    together.begin(METHOD, chunk, 4, headerAt)
    together.header(chunk, headerAt, bodyAt)
    expect(together.body(chunk, bodyAt, bodyAt + 3)).toBe(true)
    const apart = begun(3n)
    expect(apart.body(chunk, bodyAt, bodyAt + 3)).toBe(true)
    chunk.fill('!')
    for (const assembly of [together, apart]) {
      const { methodBytes, methodAt, methodEnd, headerBytes, headerAt, headerEnd } = assembly
      expect(methodBytes.toString('utf8', methodAt - 4, methodEnd)).toBe('idid.fields')
      expect(headerBytes.subarray(headerAt, headerEnd)).toEqual(Buffer.alloc(2))
      expect(bodyOf(assembly).toString()).toBe('abc')
      for (const kept of [methodBytes, headerBytes, assembly.bodyBytes])
        expect(kept.length).toBeLessThan(5000)
    }
  })

  test('copies a body that comes in pieces: later changes to the chunks do not reach it', () => {
    const assembly = begun(6n)
    const first = Buffer.from('abc')
    expect(body(assembly, first)).toBe(false)
    expect(assembly.busy).toBe(true)
    first.fill('x')
    expect(body(assembly, Buffer.from('def'))).toBe(true)
    expect(bodyOf(assembly).toString()).toBe('abcdef')
  })

  test('counts bytes, not frames: empty frames are of no account', () => {
    const assembly = begun(2n)
    expect(body(assembly, Buffer.alloc(0))).toBe(false)
    expect(body(assembly, Buffer.from('a'))).toBe(false)
    expect(body(assembly, Buffer.alloc(0))).toBe(false)
    expect(body(assembly, Buffer.from('b'))).toBe(true)
    expect(bodyOf(assembly).toString()).toBe('ab')
  })

  test('gives the same body however it is cut', () => {
    const property = fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.array(fc.nat(299)),
      (bytes, cuts) => {
        const assembly = begun(BigInt(bytes.length))
        const bounds = [...cuts.filter(at => at < bytes.length), bytes.length].sort((a, b) => a - b)
        let from = 0
        const done = bounds.map(to => {
          const piece = Buffer.from(bytes.subarray(from, to))
          from = to
          return body(assembly, piece)
        })
        expect(done.indexOf(true)).toBe(bounds.indexOf(bytes.length))
        expect(bodyOf(assembly).equals(bytes)).toBe(true)
      },
    )
    fc.assert(property)
  })

  test('serves one content after the other', () => {
    const assembly = begun(6n)
    body(assembly, Buffer.from('abc'))
    body(assembly, Buffer.from('def'))
    const kept = bodyOf(assembly)
    assembly.clear()
    assembly.begin(METHOD, METHOD_FRAME, 4, METHOD_FRAME.length)
    whole(assembly, header(4n))
    body(assembly, Buffer.from('12'))
    body(assembly, Buffer.from('34'))
    expect(bodyOf(assembly).toString()).toBe('1234')
    expect(kept.toString()).toBe('abcdef')
  })

  test('sets aside little for a body that is only announced', () => {
    const assembly = begun(900_000_000n, 1_000_000_000)
    body(assembly, Buffer.from('x'))
    expect(assembly.bodyBytes.length).toBeLessThanOrEqual(4_194_304)
  })

  test('grows with a body beyond what it set aside', () => {
    const size = 10_000_000
    const assembly = begun(BigInt(size), size)
    const piece = Buffer.alloc(size / 10, 'x')
    for (let index = 0; index < 9; index++) expect(body(assembly, piece)).toBe(false)
    expect(body(assembly, piece)).toBe(true)
    expect(bodyOf(assembly).equals(Buffer.alloc(size, 'x'))).toBe(true)
    expect(assembly.bodyBytes).toHaveLength(size)
  })

  test('takes a message of the largest size', () => {
    const assembly = begun(100n, 100)
    expect(body(assembly, Buffer.alloc(100, 'x'))).toBe(true)
    expect(assembly.oversized).toBe(0)
    expect(bodyOf(assembly)).toHaveLength(100)
  })

  test('discards the body of a larger one as it comes, and keeps the rest', () => {
    const assembly = begun(101n, 100)
    expect([body(assembly, Buffer.alloc(50)), body(assembly, Buffer.alloc(0))]).toEqual([false, false])
    expect(assembly.busy).toBe(true)
    expect(assembly.roomFor(51)).toBeUndefined()
    expect(assembly.bodyBytes).toHaveLength(0)
    expect(body(assembly, Buffer.alloc(51))).toBe(true)
    expect(assembly.busy).toBe(false)
    expect(assembly.oversized).toBe(101)
    expect(bodyOf(assembly)).toHaveLength(0)
    const { methodBytes, methodAt, methodEnd, headerBytes, headerAt, headerEnd } = assembly
    expect(methodBytes.toString('utf8', methodAt, methodEnd)).toBe('.fields')
    expect(headerBytes.subarray(headerAt, headerEnd)).toEqual(Buffer.alloc(2))
    assembly.clear()
    assembly.begin(METHOD, METHOD_FRAME, 4, METHOD_FRAME.length)
    whole(assembly, header(1n))
    expect(body(assembly, Buffer.from('x'))).toBe(true)
    expect([assembly.oversized, bodyOf(assembly).toString()]).toEqual([0, 'x'])
  })

  test('keeps nothing of the chunk that announced a body to discard', () => {
    const chunk = Buffer.concat([METHOD_FRAME, header(101n), Buffer.alloc(60_000)])
    const assembly = new Assembly(100)
    assembly.begin(METHOD, chunk, 4, METHOD_FRAME.length)
    assembly.header(chunk, METHOD_FRAME.length, METHOD_FRAME.length + 14)
    chunk.fill('!')
    body(assembly, Buffer.alloc(101))
    const { methodBytes, methodAt, methodEnd, headerBytes } = assembly
    expect(methodBytes.toString('utf8', methodAt - 4, methodEnd)).toBe('idid.fields')
    expect(headerBytes).toEqual(Buffer.alloc(2))
  })

  test('refuses a size that is no safe integer', () => {
    expect(() => begun(2n ** 53n - 1n, 100)).not.toThrow()
    expect(() => begun(2n ** 53n, 100)).toThrow(AmqpSyntaxError)
    expect(() => begun(2n ** 64n - 1n, 100)).toThrow(AmqpSyntaxError)
  })

  test('lets go of everything that it was given', () => {
    const assembly = begun(3n)
    body(assembly, Buffer.from('abc'))
    assembly.clear()
    for (const { length } of [assembly.methodBytes, assembly.headerBytes, assembly.bodyBytes])
      expect(length).toBe(0)
  })

  test.each<[string, () => unknown]>([
    ['a header before its method', () => whole(new Assembly(100), header(1n))],
    ['a second header', () => whole(begun(1n), header(1n))],
    ['a body before its header', () => body(new Assembly(100), Buffer.from('x'))],
    [
      'a body behind the last one',
      () => {
        const assembly = begun(1n)
        body(assembly, Buffer.from('x'))
        body(assembly, Buffer.from('y'))
      },
    ],
    ['a body beyond the size', () => body(begun(1n), Buffer.from('xy'))],
    ['a body to discard beyond the size', () => body(begun(2n, 1), Buffer.from('xyz'))],
    ['a part of a frame that goes on beyond the size', () => begun(5n).body(Buffer.from('abcde'), 0, 5, 1)],
    ['a part of a frame to discard that goes on', () => begun(5n, 1).body(Buffer.from('abcde'), 0, 5, 1)],
    ['a header where a body is discarded', () => whole(begun(2n, 1), header(1n))],
    [
      'a body behind one that was discarded',
      () => {
        const assembly = begun(2n, 1)
        body(assembly, Buffer.from('xy'))
        body(assembly, Buffer.alloc(0))
      },
    ],
    ['a body where none is to come', () => body(begun(0n), Buffer.from('x'))],
  ])('refuses %s', (_, act) => {
    expect(act).toThrow(UnexpectedFrameError)
  })

  test.each([
    ['of another class', header(1n, 50)],
    ['that is too short', header(1n).subarray(0, 13)],
  ])('refuses a header %s', (_, bytes) => {
    const assembly = new Assembly(100)
    assembly.begin(METHOD, METHOD_FRAME, 4, METHOD_FRAME.length)
    expect(() => whole(assembly, bytes)).toThrow(UnexpectedFrameError)
  })
})

describe('a body that is handed out where marks do not hold', () => {
  test('is a copy where others lie in its memory, so that the socket does not read into what was taken away', () => {
    const chunk = Buffer.alloc(10_000, 'x')
    const body = ownBodyOf(chunk, 100, 5100, false)
    expect(body.equals(chunk.subarray(100, 5100))).toBe(true)
    expect(body.buffer.byteLength).toBe(5000)
    expect(ownBodyOf(chunk, 100, 5100, true).buffer).toBe(chunk.buffer)
  })

  test('is no copy where it has its memory for itself, or is small', () => {
    const own = Buffer.allocUnsafeSlow(5000)
    expect(ownBodyOf(own, 0, 5000, false).buffer).toBe(own.buffer)
    const block = Buffer.allocUnsafeSlow(8192).subarray(0, 4000)
    expect(ownBodyOf(block, 10, 3000, false).buffer).toBe(block.buffer)
  })
})
