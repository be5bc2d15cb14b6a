/** Covers the write cursor: its types, their ranges, and the replacement of its slab. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ArgumentError } from '../../../src/errors.js'
import { writeTable } from '../../../src/wire/table-writer.js'
import { Writer } from '../../../src/wire/writer.js'
import { shortText } from '../../support/wire/arbitraries.js'

function bytesOf(write: (writer: Writer) => void, slabSize = 16): string {
  const writer = new Writer(slabSize)
  write(writer)
  return writer.unit().toString('hex')
}

test.each<[string, (w: Writer) => void, string]>([
  ['u8', w => w.u8(0xfe, 'f'), 'fe'],
  ['u16', w => w.u16(0xfedc, 'f'), 'fedc'],
  ['u32', w => w.u32(0xfedcba98, 'f'), 'fedcba98'],
  ['u64 of a number', w => w.u64(Number.MAX_SAFE_INTEGER, 'f'), '001fffffffffffff'],
  ['u64 of a bigint', w => w.u64(2n ** 64n - 1n, 'f'), 'ffffffffffffffff'],
  ['i8', w => w.i8(-128, 'f'), '80'],
  ['i16', w => w.i16(-2, 'f'), 'fffe'],
  ['i32', w => w.i32(-(2 ** 31), 'f'), '80000000'],
  ['i64 of a number', w => w.i64(-1, 'f'), 'ffffffffffffffff'],
  ['i64 of a bigint', w => w.i64(-(2n ** 63n), 'f'), '8000000000000000'],
  ['f32', w => w.f32(-0.5), 'bf000000'],
  ['f64', w => w.f64(-0.5), 'bfe0000000000000'],
  ['shortstr', w => w.shortstr('hé€😀', 'f'), '0a68c3a9e282acf09f9880'],
  ['shortstr of nothing', w => w.shortstr('', 'f'), '00'],
  ['longstr of text', w => w.longstr('hé', 'f'), '0000000368c3a9'],
  ['longstr of bytes', w => w.longstr(new Uint8Array([1, 255]), 'f'), '0000000201ff'],
  ['bytes', w => w.bytes(new Uint8Array([1, 2])), '0102'],
])('%s is written most significant byte first', (_, write, expected) => {
  expect(bytesOf(write)).toBe(expected)
})

test.each<[string, (w: Writer) => void]>([
  ['u8 of -1', w => w.u8(-1, 'f')],
  ['u8 of 256', w => w.u8(256, 'f')],
  ['u8 of a fraction', w => w.u8(1.5, 'f')],
  ['u8 of NaN', w => w.u8(Number.NaN, 'f')],
  ['u8 of a text', w => w.u8('1' as never, 'f')],
  ['u8 of a symbol', w => w.u8(Symbol('s') as never, 'f')],
  ['u16 of a symbol', w => w.u16(Symbol('s') as never, 'f')],
  ['u32 of a symbol', w => w.u32(Symbol('s') as never, 'f')],
  ['u64 of a symbol', w => w.u64(Symbol('s') as never, 'f')],
  ['i8 of a symbol', w => w.i8(Symbol('s') as never, 'f')],
  ['i16 of an object without a value', w => w.i16(Object.create(null), 'f')],
  ['i32 of a symbol', w => w.i32(Symbol('s') as never, 'f')],
  ['u16 of 65536', w => w.u16(65_536, 'f')],
  ['u32 of 2^32', w => w.u32(2 ** 32, 'f')],
  ['u64 of 2^53', w => w.u64(2 ** 53, 'f')],
  ['u64 of -1', w => w.u64(-1, 'f')],
  ['u64 of a bigint of 2^64', w => w.u64(2n ** 64n, 'f')],
  ['u64 of a negative bigint', w => w.u64(-1n, 'f')],
  ['i8 of 128', w => w.i8(128, 'f')],
  ['i8 of -129', w => w.i8(-129, 'f')],
  ['i16 of 32768', w => w.i16(32_768, 'f')],
  ['i32 of 2^31', w => w.i32(2 ** 31, 'f')],
  ['i64 of 2^53', w => w.i64(2 ** 53, 'f')],
  ['i64 of a bigint of 2^63', w => w.i64(2n ** 63n, 'f')],
  ['shortstr of 256 ASCII characters', w => w.shortstr('x'.repeat(256), 'f')],
  ['shortstr of 256 bytes in 128 characters', w => w.shortstr('é'.repeat(128), 'f')],
  ['shortstr of 258 bytes in 86 characters', w => w.shortstr('€'.repeat(86), 'f')],
  ['shortstr of a number', w => w.shortstr(5 as never, 'f')],
])('%s is refused by name, and nothing is written', (_, write) => {
  const writer = new Writer(16)
  expect(() => write(writer)).toThrow(ArgumentError)
  expect(() => write(writer)).toThrow(/^f must be/)
  expect(writer.unit()).toHaveLength(0)
})

test('a short string of 255 bytes is possible, in however many characters', () => {
  for (const text of ['x'.repeat(255), `${'é'.repeat(127)}x`, '€'.repeat(85), `${'😀'.repeat(63)}abc`]) {
    expect(bytesOf(w => w.shortstr(text, 'f'))).toBe(`ff${Buffer.from(text).toString('hex')}`)
  }
})

test('text of any length is the UTF-8 that the runtime gives', () => {
  fc.assert(
    fc.property(shortText, text => {
      const utf8 = Buffer.from(text)
      expect(bytesOf(w => w.bytes(utf8))).toBe(utf8.toString('hex'))
      expect(bytesOf(w => w.longstr(text, 'f')).slice(8)).toBe(utf8.toString('hex'))
      expect(bytesOf(w => w.shortstr(text, 'f')).slice(2)).toBe(utf8.toString('hex'))
    }),
  )
})

describe('a slab that is full', () => {
  test('is handed over up to the unit that was begun, which moves to a new one', () => {
    const slabs: string[] = []
    const writer = new Writer(8, (slab, end) => slabs.push(slab.toString('hex', 0, end)))
    writer.bytes(Buffer.from('010203', 'hex'))
    writer.commit()
    writer.bytes(Buffer.from('0a0b0c', 'hex'))
    const first = writer.buffer
    writer.bytes(Buffer.from('0d0e0f', 'hex'))
    expect(slabs).toEqual(['010203'])
    expect(writer.buffer).not.toBe(first)
    expect(writer.unit().toString('hex')).toBe('0a0b0c0d0e0f')
    writer.commit()
    expect(writer.unit()).toHaveLength(0)
  })

  test('is not replaced while there is room', () => {
    const writer = new Writer(8)
    const { buffer } = writer
    writer.bytes(Buffer.alloc(8))
    expect(writer.buffer).toBe(buffer)
    writer.u8(1, 'f')
    expect(writer.buffer).not.toBe(buffer)
  })

  test('is followed by one that is large enough for whatever is written', () => {
    const writer = new Writer(8)
    writer.u8(1, 'f')
    writer.bytes(Buffer.alloc(1000, 2))
    expect(writer.unit().equals(Buffer.concat([Buffer.of(1), Buffer.alloc(1000, 2)]))).toBe(true)
  })

  test('does not disturb a length that is to be patched', () => {
    const writer = new Writer(8)
    writer.u8(0xee, 'f')
    writer.commit()
    writer.u8(0xaa, 'f')
    const place = writer.reserve(4)
    writer.bytes(Buffer.alloc(20, 1))
    writer.patchLength(place)
    expect(writer.unit().toString('hex')).toBe(`aa00000014${'01'.repeat(20)}`)
  })

  test('does not disturb a table in the middle of a unit, wherever it ends', () => {
    const value = { a: { b: [1, 'two', { c: null }] }, d: 'x'.repeat(30) }
    const whole = new Writer(1000)
    whole.u16(0xabcd, 'f')
    writeTable(whole, value, 'f')
    for (let used = 0; used < 80; used++) {
      const writer = new Writer(80)
      writer.bytes(Buffer.alloc(used))
      writer.commit()
      writer.u16(0xabcd, 'f')
      writeTable(writer, value, 'f')
      expect(writer.unit().equals(whole.unit())).toBe(true)
    }
  })
})

test('a rollback takes back the unit, and nothing before it', () => {
  const writer = new Writer(16)
  writer.u16(0x0102, 'f')
  writer.commit()
  writer.u16(0x0304, 'f')
  writer.rollback()
  writer.u8(0x05, 'f')
  expect(writer.unit().toString('hex')).toBe('05')
  expect(writer.buffer.toString('hex', 0, writer.offset)).toBe('010205')
})
