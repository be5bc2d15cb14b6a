/** Owns the encoding of field tables: every {@link FieldValue} to bytes. Knows nothing of what a table is for. */
import { types } from 'node:util'
import { ArgumentError } from '../errors.js'
import { shown } from '../util/check.js'
import { Decimal, type FieldValue, type Table, Typed, type TypedName } from '../util/field-value.js'
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
  MAX_TABLE_DEPTH,
  TABLE,
  TEXT,
  TIMESTAMP,
  TWO_32,
  UINT8,
  UINT16,
  UINT32,
  VOID,
} from './field-tags.js'
import { shortTextLength } from './short-text.js'
import { writeDate } from './timestamp.js'
import type { Writer } from './writer.js'

/** A name of more UTF-16 units than this may take more than 255 bytes. */
const SURELY_SHORT = 85

/** The runtime knows this form within for-in and skips the look-up; it does not know Object.hasOwn there. */
const hasOwn = Object.prototype.hasOwnProperty

type IntegerMethod = 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64'
type FloatMethod = 'f32' | 'f64'
type Check = (value: unknown, path: string) => void
/** A tag, the writer's method for the value, and a check of what that method does not check itself. */
type TypedFormat =
  | readonly [tag: number, method: IntegerMethod, check?: Check]
  | readonly [tag: number, method: FloatMethod, check: Check]

const TYPED_FORMATS: ReadonlyMap<TypedName, TypedFormat> = new Map<TypedName, TypedFormat>([
  ['short-short-int', [INT8, 'i8']],
  ['short-short-uint', [UINT8, 'u8']],
  ['short-int', [INT16, 'i16']],
  ['short-uint', [UINT16, 'u16']],
  ['long-int', [INT32, 'i32']],
  ['long-uint', [UINT32, 'u32']],
  ['long-long-int', [INT64, 'i64', checkNumeric]],
  ['float', [FLOAT, 'f32', checkFloat]],
  ['double', [DOUBLE, 'f64', checkDouble]],
  ['timestamp', [TIMESTAMP, 'u64']],
])

/** Where a value stands, for messages: a chain that is only put into words when something is wrong. */
type Place = string | { readonly parent: Place; readonly key: string | number }

/**
 * Writes a table. Throws {@link ArgumentError} if AMQP cannot carry a value; it names the value's place, beginning
 * with `field`, as in `headers.a[3].b`.
 */
export function writeTable(w: Writer, table: Table, field: string): void {
  if (typeof table !== 'object' || table === null || !isPlainObject(table)) {
    throw new ArgumentError(`${field} must be a plain object, got ${kindOf(table)}`)
  }
  writeFields(w, table, field, 1)
}

function writeFields(w: Writer, table: Table, place: Place, depth: number): void {
  const size = w.reserve(4)
  for (const key in table) {
    if (!hasOwn.call(table, key)) continue
    if (key.length > SURELY_SHORT && shortTextLength(key) > 255) throw nameTooLong(place, key)
    const value = table[key]
    if (typeof value === 'string') {
      // Most headers are texts: name and tag in one go.
      w.fieldName(key, TEXT)
      w.longstr(value, key)
    } else {
      w.shortstr(key, key)
      writeValue(w, value, place, key, depth)
    }
  }
  w.patchLength(size)
}

function writeArray(w: Writer, array: readonly FieldValue[], place: Place, depth: number): void {
  const size = w.reserve(4)
  for (let index = 0; index < array.length; index++) writeValue(w, array[index], place, index, depth)
  w.patchLength(size)
}

function writeValue(w: Writer, value: FieldValue, parent: Place, key: string | number, depth: number): void {
  switch (typeof value) {
    case 'string':
      writeTag(w, TEXT)
      w.longstr(value, '')
      break
    case 'number':
      if (!Number.isFinite(value)) throw notFinite(pathOf({ parent, key }), value)
      writeNumber(w, value)
      break
    case 'boolean':
      w.ensure(2)
      w.buffer[w.offset++] = BOOLEAN
      w.buffer[w.offset++] = value ? 1 : 0
      break
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value) {
        throw new ArgumentError(`${pathOf({ parent, key })} must fit 64 bits with a sign, got ${value}`)
      }
      writeTag(w, INT64)
      w.i64(value, '')
      break
    case 'undefined':
      writeTag(w, VOID)
      break
    case 'object':
      if (value === null) writeTag(w, VOID)
      else writeObject(w, value, { parent, key }, depth)
      break
    default:
      throw unfit(value, { parent, key })
  }
}

/** Whole numbers travel as integers as far as they are exact; -0 does not, since integers have no such thing. */
function writeNumber(w: Writer, value: number): void {
  w.ensure(9)
  const { buffer } = w
  let at = w.offset
  if (value === (value | 0) && (value !== 0 || 1 / value > 0)) {
    buffer[at] = INT32
    buffer[at + 1] = value >>> 24
    buffer[at + 2] = value >>> 16
    buffer[at + 3] = value >>> 8
    buffer[at + 4] = value
    at += 5
  } else if (Number.isSafeInteger(value) && value !== 0) {
    buffer[at] = INT64
    const high = Math.floor(value / TWO_32)
    buffer.writeInt32BE(high, at + 1)
    buffer.writeUInt32BE(value - high * TWO_32, at + 5)
    at += 9
  } else {
    buffer[at] = DOUBLE
    buffer.writeDoubleBE(value, at + 1)
    at += 9
  }
  w.offset = at
}

function writeObject(w: Writer, value: object, place: Place, depth: number): void {
  if (value instanceof Uint8Array) {
    writeTag(w, BYTES)
    w.longstr(value, '')
  } else if (Array.isArray(value)) {
    checkDepth(place, depth)
    writeTag(w, ARRAY)
    writeArray(w, value, place, depth + 1)
  } else if (isPlainObject(value)) {
    checkDepth(place, depth)
    writeTag(w, TABLE)
    writeFields(w, value, place, depth + 1)
  } else if (types.isDate(value)) {
    writeTag(w, TIMESTAMP)
    writeDate(w, value, () => pathOf(place))
  } else if (value instanceof Typed) {
    writeTyped(w, value, pathOf(place))
  } else if (value instanceof Decimal) {
    writeDecimal(w, value, pathOf(place))
  } else {
    throw unfit(value, place)
  }
}

function writeDecimal(w: Writer, { unscaled, scale }: Decimal, path: string): void {
  if (typeof unscaled !== 'bigint') {
    throw new ArgumentError(`${path}.unscaled must be a bigint, got ${kindOf(unscaled)}`)
  }
  writeTag(w, DECIMAL)
  w.u8(scale, `${path}.scale`)
  w.i32(Number(unscaled), `${path}.unscaled`)
}

function writeTyped(w: Writer, { type, value }: Typed, path: string): void {
  const format = TYPED_FORMATS.get(type)
  if (format === undefined) throw new ArgumentError(`${path} has an unknown type '${shown(type)}'`)
  const [tag, method, check] = format
  check?.(value, path)
  writeTag(w, tag)
  // Most of these methods take no bigint. They refuse one like any other value that is out of range.
  w[method](value as number, path)
}

function writeTag(w: Writer, tag: number): void {
  w.ensure(1)
  w.buffer[w.offset++] = tag
}

function checkDepth(place: Place, depth: number): void {
  if (depth < MAX_TABLE_DEPTH) return
  throw new ArgumentError(
    `${rootOf(place)} must not nest tables and arrays deeper than ${MAX_TABLE_DEPTH}, or within themselves`,
  )
}

function checkNumeric(value: unknown, path: string): void {
  if (typeof value === 'number' || typeof value === 'bigint') return
  throw new ArgumentError(`${path} must be a number or a bigint, got ${kindOf(value)}`)
}

function checkDouble(value: unknown, path: string): asserts value is number {
  if (typeof value !== 'number') throw new ArgumentError(`${path} must be a number, got ${kindOf(value)}`)
  if (!Number.isFinite(value)) throw notFinite(path, value)
}

function checkFloat(value: unknown, path: string): asserts value is number {
  checkDouble(value, path)
  if (!Number.isFinite(Math.fround(value))) {
    throw new ArgumentError(`${path} must fit a 32-bit float, got ${value}`)
  }
}

/** Also true for an object literal of another realm, whose Object.prototype is not ours. */
function isPlainObject(value: object): value is Table {
  const prototype: unknown = Object.getPrototypeOf(value)
  return (
    prototype === Object.prototype ||
    prototype === null ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'hasOwnProperty'))
  )
}

function pathOf(place: Place): string {
  if (typeof place === 'string') return place
  const { parent, key } = place
  return typeof key === 'number' ? `${pathOf(parent)}[${key}]` : `${pathOf(parent)}.${key}`
}

function rootOf(place: Place): string {
  return typeof place === 'string' ? place : rootOf(place.parent)
}

function nameTooLong(place: Place, key: string): ArgumentError {
  const bytes = shortTextLength(key)
  return new ArgumentError(
    `${pathOf(place)} has a name of ${bytes} bytes of UTF-8, at most 255 are possible: ${key.slice(0, 32)}...`,
  )
}

/** RabbitMQ cannot read such a number, and ends the connection over it. */
function notFinite(path: string, value: number): ArgumentError {
  return new ArgumentError(`${path} must be a finite number, got ${value}`)
}

function unfit(value: unknown, place: Place): ArgumentError {
  return new ArgumentError(`${pathOf(place)} is something that AMQP cannot carry: ${kindOf(value)}`)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value !== 'object') return typeof value
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? `an instance of ${name}` : 'an object'
}
