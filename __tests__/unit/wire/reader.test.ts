/** Covers the read cursor: its types, and that it never reads beyond its end. */
import { expect, test } from '@jest/globals'
import { AmqpSyntaxError } from '../../../src/errors.js'
import { Reader } from '../../../src/wire/reader.js'

type Read = (reader: Reader) => unknown

const vectors: [string, string, Read, unknown][] = [
  ['u8', 'fe', r => r.u8(), 0xfe],
  ['u16', 'fedc', r => r.u16(), 0xfedc],
  ['u32', 'fedcba98', r => r.u32(), 0xfedcba98],
  ['u64', '001fffffffffffff', r => r.u64(), Number.MAX_SAFE_INTEGER],
  ['u64exact of a number', '001fffffffffffff', r => r.u64exact(), Number.MAX_SAFE_INTEGER],
  ['u64exact of a bigint', 'ffffffffffffffff', r => r.u64exact(), 2n ** 64n - 1n],
  ['u64exact just beyond', '0020000000000000', r => r.u64exact(), 2n ** 53n],
  ['u64exact of the one that rounds', '0020000000000001', r => r.u64exact(), 2n ** 53n + 1n],
  ['i8', '80', r => r.i8(), -128],
  ['i16', 'fffe', r => r.i16(), -2],
  ['i32', '80000000', r => r.i32(), -(2 ** 31)],
  ['i64exact of a number', 'ffe0000000000001', r => r.i64exact(), Number.MIN_SAFE_INTEGER],
  ['i64exact of a bigint', '8000000000000000', r => r.i64exact(), -(2n ** 63n)],
  ['f32', 'bf000000', r => r.f32(), -0.5],
  ['f64', 'bfe0000000000000', r => r.f64(), -0.5],
  ['shortstr', '0a68c3a9e282acf09f9880', r => r.shortstr(), 'hé€😀'],
  ['longstr', '0000000201ff', r => r.longstr(), Buffer.from([1, 255])],
  ['skipShortstr', '03616263', r => r.skipShortstr(), undefined],
  ['skipLongstr', '00000003616263', r => r.skipLongstr(), undefined],
  ['skip', '616263', r => r.skip(3), 2],
]

test.each(vectors)('%s takes its bytes and no more', (_, hex, read, expected) => {
  const bytes = Buffer.from(`eeee${hex}ee`, 'hex')
  const reader = new Reader(bytes, 2, bytes.length - 1)
  expect(read(reader)).toStrictEqual(expected)
  expect(reader.remaining).toBe(0)
})

test.each(vectors)('%s is a syntax error where it is cut short, whatever lies behind', (_, hex, read) => {
  const bytes = Buffer.from(`${hex}00000000`, 'hex')
  for (let end = 0; end < hex.length / 2; end++) {
    expect(() => read(new Reader(bytes, 0, end))).toThrow(AmqpSyntaxError)
  }
})

test('a 64-bit integer that a number cannot hold is a syntax error where a number is needed', () => {
  for (const hex of ['0020000000000000', 'ffffffffffffffff']) {
    expect(() => new Reader(Buffer.from(hex, 'hex')).u64()).toThrow(AmqpSyntaxError)
  }
})

test('a long string is a view of what is read', () => {
  const bytes = Buffer.from('0000000161', 'hex')
  const view = new Reader(bytes).longstr()
  bytes[4] = 0x62
  expect(view.toString()).toBe('b')
})

test('a reader can be moved to other bytes', () => {
  const reader = new Reader(Buffer.from('01', 'hex'))
  reader.u8()
  expect(reader.reset(Buffer.from('0a0b0c', 'hex'), 1, 2).u8()).toBe(0x0b)
  expect(() => reader.u8()).toThrow(AmqpSyntaxError)
})
