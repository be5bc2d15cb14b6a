/** Owns the decoding of field tables: bytes to every {@link FieldValue}. Knows nothing of what a table is for. */
import { isUtf8 } from 'node:buffer'
import { AmqpSyntaxError } from '../errors.js'
import { Decimal, type FieldValue, type Table } from '../util/field-value.js'
import { ownCopy } from '../util/shared-memory.js'
import {
  ARRAY,
  BOOLEAN,
  BYTES,
  DECIMAL,
  DOUBLE,
  FLOAT,
  INT8,
  INT16,
  INT32,
  INT64,
  INT64_ALIAS,
  MAX_TABLE_DEPTH,
  TABLE,
  TEXT,
  TIMESTAMP,
  UINT8,
  UINT16,
  UINT32,
  VOID,
} from './field-tags.js'
import type { Reader } from './reader.js'
import { readShortText } from './short-text.js'
import { readTimestamp } from './timestamp.js'

/** Up to this length a loop over the bytes beats the call into the runtime's decoder. */
const SHORT_TEXT = 12

/** Reads a table. What it gives shares no memory with what is read. Throws {@link AmqpSyntaxError}. */
export function readTable(r: Reader): Table {
  return readFields(r, 1)
}

/** Reads one field of a table, and steps over those before it. Throws {@link AmqpSyntaxError} if one cannot be stepped over. */
export function findField(r: Reader, name: string): FieldValue {
  const end = readEnd(r, 1)
  while (r.offset < end) {
    if (readName(r) === name) return readValue(r, 1)
    skipValue(r)
  }
  return undefined
}

/** The sizes of values, without their tags, that have always the same. */
const SIZES: Readonly<Record<number, number>> = {
  [BOOLEAN]: 1,
  [INT8]: 1,
  [UINT8]: 1,
  [INT16]: 2,
  [UINT16]: 2,
  [INT32]: 4,
  [UINT32]: 4,
  [FLOAT]: 4,
  [DECIMAL]: 5,
  [INT64]: 8,
  [INT64_ALIAS]: 8,
  [DOUBLE]: 8,
  [TIMESTAMP]: 8,
  [VOID]: 0,
}

function skipValue(r: Reader): void {
  const tag = r.u8()
  const size = SIZES[tag]
  if (size !== undefined) r.skip(size)
  else if (tag === TEXT || tag === BYTES || tag === TABLE || tag === ARRAY) r.skipLongstr()
  else throw noSuchType(tag)
}

function noSuchType(tag: number): AmqpSyntaxError {
  return new AmqpSyntaxError(`there is no field type 0x${tag.toString(16).padStart(2, '0')}`)
}

function readFields(r: Reader, depth: number): Table {
  const end = readEnd(r, depth)
  const table: Table = {}
  while (r.offset < end) {
    const key = readName(r)
    const value = readValue(r, depth)
    if (key === '__proto__') defineField(table, key, value)
    else table[key] = value
  }
  checkEnd(r, end)
  return table
}

function readArray(r: Reader, depth: number): FieldValue[] {
  const end = readEnd(r, depth)
  const array: FieldValue[] = []
  while (r.offset < end) array.push(readValue(r, depth))
  checkEnd(r, end)
  return array
}

function readValue(r: Reader, depth: number): FieldValue {
  const tag = r.u8()
  switch (tag) {
    case TEXT:
      return readText(r)
    case INT32:
      return r.i32()
    case BOOLEAN:
      return r.u8() !== 0
    case INT64:
    case INT64_ALIAS:
      return r.i64exact()
    case TABLE:
      return readFields(r, depth + 1)
    case ARRAY:
      return readArray(r, depth + 1)
    case TIMESTAMP:
      return readTimestamp(r)
    case VOID:
      return null
    case DOUBLE:
      return r.f64()
    case FLOAT:
      return r.f32()
    case INT8:
      return r.i8()
    case UINT8:
      return r.u8()
    case INT16:
      return r.i16()
    case UINT16:
      return r.u16()
    case UINT32:
      return r.u32()
    case BYTES:
      return ownCopy(r.longstr())
    case DECIMAL: {
      const scale = r.u8()
      return new Decimal(BigInt(r.i32()), scale)
    }
    default:
      throw noSuchType(tag)
  }
}

function readName(r: Reader): string {
  const length = r.u8()
  const at = r.skip(length)
  return shortAscii(r.buffer, at, length) ?? readShortText(r.buffer, at, at + length)
}

/**
 * Text of a few ASCII characters, faster than the runtime's decoder gives it; undefined if it is anything else.
 */
function shortAscii(buffer: Buffer, at: number, length: number): string | undefined {
  if (length > SHORT_TEXT) return undefined
  const end = at + length
  let text = ''
  let index = at
  for (; index + 4 <= end; index += 4) {
    const a = buffer[index] as number
    const b = buffer[index + 1] as number
    const c = buffer[index + 2] as number
    const d = buffer[index + 3] as number
    if ((a | b | c | d) > 0x7f) return undefined
    text += String.fromCharCode(a, b, c, d)
  }
  for (; index < end; index++) {
    const a = buffer[index] as number
    if (a > 0x7f) return undefined
    text += String.fromCharCode(a)
  }
  return text
}

/** Only a text that holds the replacement character can be one that is not UTF-8. */
function readText(r: Reader): string | Buffer {
  const length = r.u32()
  const at = r.skip(length)
  const short = shortAscii(r.buffer, at, length)
  if (short !== undefined) return short
  const text = r.buffer.toString('utf8', at, at + length)
  if (!text.includes('\ufffd')) return text
  const bytes = r.buffer.subarray(at, at + length)
  return isUtf8(bytes) ? text : ownCopy(bytes)
}

/** Reads the size of a table or an array, and gives where it ends. */
function readEnd(r: Reader, depth: number): number {
  if (depth > MAX_TABLE_DEPTH) throw new AmqpSyntaxError(`a table is nested deeper than ${MAX_TABLE_DEPTH}`)
  const size = r.u32()
  const end = r.offset + size
  if (end > r.end)
    throw new AmqpSyntaxError(`a table of ${size} bytes is announced where ${r.remaining} are left`)
  return end
}

function checkEnd(r: Reader, end: number): void {
  if (r.offset !== end) throw new AmqpSyntaxError('a field reaches beyond the end of its table')
}

/** Assigning to `__proto__` would not make a property, but change what the table inherits. */
function defineField(table: Table, key: string, value: FieldValue): void {
  Object.defineProperty(table, key, { value, writable: true, enumerable: true, configurable: true })
}
