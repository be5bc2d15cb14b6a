/** Covers that what was received can be sent on: properties byte for byte, headers value by value. */
import { deepStrictEqual } from 'node:assert'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  decodeBasicHeaders,
  decodeBasicProperties,
  encodeBasicHeader,
} from '../../../src/codec/properties.gen.js'
import { ArgumentError } from '../../../src/errors.js'
import type { Table } from '../../../src/util/field-value.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { propertyFields } from '../../support/wire/arbitraries.js'

/** Class id, weight and body size stand before the flags. */
const FLAGS_AT = 12
const HEADERS_FLAG = 0x2000
const UTF8_ENDS = ['', 'c3a9', 'f09f9880', 'efbfbd', 'c3', 'f09f98', 'ff', 'c080', 'eda080', '80'.repeat(255)]

/** Any bytes with their length in front, often no UTF-8. */
const shortString = fc
  .oneof(
    fc.uint8Array({ maxLength: 255 }).map(bytes => Buffer.from(bytes)),
    fc.string({ unit: 'binary', maxLength: 63 }).map(text => Buffer.from(text)),
    fc.constantFrom(...UTF8_ENDS).map(hex => Buffer.from(hex, 'hex')),
  )
  .map(bytes => Buffer.concat([Buffer.of(bytes.length), bytes]))

const longString = fc
  .oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: 'binary' }).map(text => Buffer.from(text)),
  )
  .map(bytes => sized(Buffer.from(bytes)))

/** So many bytes, all ones and all zeros often. */
const fixed = (size: number): fc.Arbitrary<Buffer> =>
  fc.oneof(
    fc.uint8Array({ minLength: size, maxLength: size }).map(bytes => Buffer.from(bytes)),
    fc.constantFrom(0, 0x7f, 0x80, 0xff).map(byte => Buffer.alloc(size, byte)),
  )

/** The properties of a content header: a flag and a value for each that is there. */
const properties = fc
  .tuple(
    ...propertyFields().map(({ name, type }) =>
      fc
        .option(type === 'shortstr' ? shortString : type === 'octet' ? fixed(1) : fixed(8), {
          nil: undefined,
        })
        .map(value => ({ name, value })),
    ),
  )
  .map(fields => {
    const flags = fields.reduce((sum, { value }, index) => sum | (value ? flagAt(index) : 0), 0)
    return Buffer.concat([uint16(flags), ...fields.flatMap(({ value }) => value ?? [])])
  })

/** A table with values of every field type, nested. RabbitMQ can read no NaN and nothing infinite: they are left out. */
const { table } = fc.letrec<{ table: Buffer; value: Buffer }>(tie => ({
  table: fc
    .array(fc.tuple(shortString, tie('value')), { maxLength: 6 })
    .map(fields => sized(Buffer.concat(fields.flat()))),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tagged('t', fixed(1)),
    tagged('b', fixed(1)),
    tagged('B', fixed(1)),
    tagged('s', fixed(2)),
    tagged('u', fixed(2)),
    tagged('I', fixed(4)),
    tagged('i', fixed(4)),
    tagged('l', fixed(8)),
    tagged('L', fixed(8)),
    tagged('T', fixed(8)),
    tagged(
      'f',
      fixed(4).filter(bytes => Number.isFinite(bytes.readFloatBE())),
    ),
    tagged(
      'd',
      fixed(8).filter(bytes => Number.isFinite(bytes.readDoubleBE())),
    ),
    tagged('D', fixed(5)),
    tagged('V', fixed(0)),
    tagged('S', longString),
    tagged('x', longString),
    tagged(
      'A',
      fc.array(tie('value'), { maxLength: 6 }).map(items => sized(Buffer.concat(items))),
    ),
    tagged('F', tie('table')),
  ),
}))

test('properties leave as they came, byte for byte, whatever they hold', () => {
  fc.assert(
    fc.property(properties, bytes => {
      const received = decodeBasicProperties(new Reader(bytes))
      expect(encode({ ...received }, undefined).toString('hex', FLAGS_AT)).toBe(bytes.toString('hex'))
    }),
    { numRuns: 1000 },
  )
})

test('headers leave with the names and values that they came with', () => {
  fc.assert(
    fc.property(table, bytes => {
      const received = decodeBasicHeaders(new Reader(Buffer.concat([uint16(HEADERS_FLAG), bytes])))
      const sent = encode({}, { ...received })
      deepStrictEqual(decodeBasicHeaders(new Reader(sent, FLAGS_AT)), received)
    }),
    { numRuns: 1000 },
  )
})

describe('a short string that is not UTF-8', () => {
  test('keeps each of its bytes, and the characters around them', () => {
    const bytes = Buffer.from('0400' + '08' + '61ffc3a9c3f09f98', 'hex')
    const { correlationId } = decodeBasicProperties(new Reader(bytes))
    expect(correlationId).toBe('a\udcffé\udcc3\udcf0\udc9f\udc98')
    expect(encode({ correlationId }, undefined).toString('hex', FLAGS_AT)).toBe(bytes.toString('hex'))
  })

  test('may have as many bytes as any other one, as a value and as a name', () => {
    const bytes = '\udcff'.repeat(255)
    expect(decodeBasicProperties(new Reader(encode({ messageId: bytes }), FLAGS_AT))).toEqual({
      messageId: bytes,
    })
    expect(decodeBasicHeaders(new Reader(encode({}, { [bytes]: 1 }), FLAGS_AT))).toEqual({ [bytes]: 1 })
    const longer = `${bytes.slice(1)}é`
    expect(() => encode({ messageId: longer })).toThrow(
      new ArgumentError('messageId must be at most 255 bytes of UTF-8, got 256'),
    )
    expect(() => encode({}, { [longer]: 1 })).toThrow(ArgumentError)
  })

  test('is not made of half a surrogate pair: that becomes the replacement character', () => {
    const half = '😀'.slice(0, 1)
    expect(decodeBasicProperties(new Reader(encode({ type: half }), FLAGS_AT))).toEqual({ type: '\ufffd' })
  })

  test('is told apart by its bytes where it is the name of a header', () => {
    const fields = Buffer.from('01ff' + '56' + '01fe' + '56', 'hex')
    const headers = decodeBasicHeaders(new Reader(Buffer.concat([uint16(HEADERS_FLAG), sized(fields)])))
    expect(Object.keys(headers)).toEqual(['\udcff', '\udcfe'])
  })
})

function encode(received: object, headers?: Table): Buffer {
  const writer = new Writer(24)
  encodeBasicHeader(writer, 0, received, headers)
  return Buffer.from(writer.unit())
}

/** The flag of a property; the headers, which have the third, are not among them. */
function flagAt(index: number): number {
  return 0x8000 >>> (index < 2 ? index : index + 1)
}

function tagged(tag: string, value: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return value.map(bytes => Buffer.concat([Buffer.from(tag), bytes]))
}

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

function uint16(value: number): Buffer {
  return Buffer.of(value >>> 8, value & 0xff)
}
