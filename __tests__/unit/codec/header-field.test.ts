/** Covers the reading of one header of a message: behind any others, also damaged ones, and cut short anywhere. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decodeBasicHeader } from '../../../src/codec/header-field.js'
import { encodeBasicHeader } from '../../../src/codec/properties.gen.js'
import type { MessageProperties } from '../../../src/options.js'
import type { FieldValue, Table } from '../../../src/util/field-value.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { messageProperties, scalar, table } from '../../support/wire/arbitraries.js'

const HEADERS_ONLY = '2000'

const u32 = (value: number): string => value.toString(16).padStart(8, '0')
const hex = (text: string): string => Buffer.from(text).toString('hex')
/** A field of a table: its name, and its value in hexadecimal. */
const field = (name: string, value: string): string =>
  (name.length.toString(16).padStart(2, '0') + hex(name) + value).replaceAll(' ', '')
const tableOf = (...fields: string[]): string => u32(fields.join('').length / 2) + fields.join('')
const bytesOf = (...parts: string[]): Buffer => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
const INT_7 = '49 00000007'

/** A table in a table in a table, `depth` of them. */
function nested(depth: number): string {
  let value = '56'
  for (let level = 0; level < depth; level++) value = `46${tableOf(field('n', value))}`
  return value
}

const find = (bytes: Buffer, name: string): FieldValue => decodeBasicHeader(new Reader(bytes), name)

describe('a header', () => {
  test('is read where it is the only one', () => {
    expect(find(bytesOf(HEADERS_ONLY, tableOf(field('k', INT_7))), 'k')).toBe(7)
  })

  test('is undefined in a message without headers, with empty ones, and with others only', () => {
    expect(find(bytesOf('0000'), 'k')).toBeUndefined()
    expect(find(bytesOf('1000 02'), 'k')).toBeUndefined()
    expect(find(bytesOf(HEADERS_ONLY, tableOf()), 'k')).toBeUndefined()
    expect(find(bytesOf(HEADERS_ONLY, tableOf(field('kk', INT_7), field('K', INT_7))), 'k')).toBeUndefined()
  })

  test('is not taken from within another one', () => {
    const inside = field('outer', `46${tableOf(field('k', INT_7))}`)
    expect(find(bytesOf(HEADERS_ONLY, tableOf(inside)), 'k')).toBeUndefined()
  })

  test('is the first one of its name', () => {
    const twice = tableOf(field('k', '53 00000001 61'), field('k', INT_7))
    expect(find(bytesOf(HEADERS_ONLY, twice), 'k')).toBe('a')
  })

  test('is read behind properties that come before the headers, and whatever follows these', () => {
    const headers = tableOf(field('k', INT_7))
    const type = `0a${hex('text/plain')}`
    expect(find(bytesOf('a000', type, headers), 'k')).toBe(7)
    expect(find(bytesOf('6000', '04', hex('gzip'), headers), 'k')).toBe(7)
    expect(find(bytesOf('f000', type, '04', hex('gzip'), headers, '02'), 'k')).toBe(7)
    // More flags may follow, and say nothing of what stands before the headers.
    expect(find(bytesOf('2001', '0001', '0000', headers), 'k')).toBe(7)
  })

  test('is read behind one that is nested far too deep, or whose content makes no sense', () => {
    const deep = field('deep', nested(5000))
    const senseless = field('bad', '46 00000003 ffffff')
    const array = field('arr', '41 00000002 7a7a')
    expect(find(bytesOf(HEADERS_ONLY, tableOf(deep, senseless, array, field('k', INT_7))), 'k')).toBe(7)
  })

  test('is undefined where it is nested too deep itself, and does not overflow the stack', () => {
    expect(find(bytesOf(HEADERS_ONLY, tableOf(field('k', nested(5000)))), 'k')).toBeUndefined()
  })

  test('is undefined behind one of a type that does not exist', () => {
    const fields = tableOf(field('bad', '7a 00'), field('k', INT_7))
    expect(find(bytesOf(HEADERS_ONLY, fields), 'k')).toBeUndefined()
  })

  test('is read before one of a type that does not exist', () => {
    expect(find(bytesOf(HEADERS_ONLY, tableOf(field('k', INT_7), field('bad', '7a 00'))), 'k')).toBe(7)
  })

  test.each([
    ['the table', `${HEADERS_ONLY} 7fffffff`],
    ['the table, by the largest number', `${HEADERS_ONLY} ffffffff`],
    ['a name', `${HEADERS_ONLY} 00000002 ff6b`],
    ['a text before it', `${HEADERS_ONLY} ${tableOf(field('a', '53 7fffffff'), field('k', INT_7))}`],
    ['itself', `${HEADERS_ONLY} ${tableOf(field('k', '53 7fffffff'))}`],
    ['the content type', 'a000 ff 61'],
    ['the flags', '2001 0001 0001'],
  ])('is undefined where %s is longer than the message', (_, message) => {
    expect(find(bytesOf(message), 'k')).toBeUndefined()
  })

  test('is not looked for beyond its table', () => {
    // The text reaches beyond the end of the table; what stands there is no header.
    const message = bytesOf(HEADERS_ONLY, '00000007', field('a', '53 00000001'), field('k', INT_7))
    expect(find(message, 'k')).toBeUndefined()
  })

  /** From the property flags on: class id, weight and body size stand before them. */
  const encode = (headers: Table, properties: MessageProperties = {}): Buffer => {
    const writer = new Writer(4096)
    writer.u8(0, 'before')
    writer.commit()
    encodeBasicHeader(writer, 0, properties, headers)
    return Buffer.from(writer.unit().subarray(12))
  }

  test('is found among any others, and is what all headers together say', () => {
    fc.assert(
      fc.property(table, messageProperties, scalar, (before, properties, sample) => {
        const headers = { ...before.sent, '~sought': sample.sent }
        expect(find(encode(headers, properties.sent), '~sought')).toEqual(sample.received)
      }),
    )
  })

  test('never throws, wherever the message is cut', () => {
    const small = encode(
      { a: 'text', b: [1, { two: null }], '~sought': 'found' },
      { contentType: 'text/plain' },
    )
    for (let end = 0; end <= small.length; end++) {
      const found = decodeBasicHeader(new Reader(small).reset(small, 0, end), '~sought')
      expect(found).toBe(end < small.length ? undefined : 'found')
    }
  })

  test('never throws, wherever a message of any kind is cut', () => {
    fc.assert(
      fc.property(table, messageProperties, (before, properties) => {
        const whole = encode({ ...before.sent, '~sought': 'found' }, properties.sent)
        for (let end = 0; end < whole.length; end += 1 + Math.floor(whole.length / 2000)) {
          const found = decodeBasicHeader(new Reader(whole).reset(whole, 0, end), '~sought')
          if (found !== undefined) expect(found).toBe('found')
        }
      }),
      { numRuns: 50 },
    )
  })

  test('never throws, whichever byte of the message is another one', () => {
    const headers = { a: 'text', b: [1, 'two', { three: 3 }], c: { d: new Date(0) }, '~sought': 'found' }
    const whole = encode(headers)
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0x00, 0x01, 0x41, 0x46, 0x53, 0x7f, 0x80, 0xff]) {
        const damaged = Buffer.from(whole)
        damaged[at] = value
        find(damaged, '~sought')
      }
    }
  })

  test('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
        find(Buffer.concat([bytesOf(HEADERS_ONLY), bytes]), 'k')
        find(Buffer.from(bytes), 'k')
      }),
      { numRuns: 2000 },
    )
  })
})
