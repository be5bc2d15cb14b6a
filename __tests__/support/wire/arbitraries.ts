/**
 * Owns random values of everything that the codec carries: field values and tables, method arguments (derived from the
 * spec table), properties. A sample pairs what is sent with what has to come out at the other end.
 */
import fc from 'fast-check'
import { camelCase } from '../../../scripts/codegen/names.js'
import { type FieldSpec, type MethodSpec, properties, type WireType } from '../../../scripts/codegen/spec.js'
import type { MessageProperties } from '../../../src/options.js'
import {
  byte,
  decimal,
  double,
  type FieldValue,
  float,
  int,
  long,
  short,
  type Table,
  timestamp,
  unsignedByte,
  unsignedInt,
  unsignedShort,
} from '../../../src/util/field-value.js'

/** What is sent, and what is received for it. */
export interface Sample<T = FieldValue> {
  readonly sent: T
  readonly received: T
}

const INT64_MAX = 2n ** 63n - 1n
const LAST_DATE_SECOND = 8_640_000_000_000

/** Text of any code points, at most 255 bytes of it. */
export const shortText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 63 }),
  fc.constantFrom('', 'x'.repeat(255), 'é'.repeat(127), '😀'.repeat(63), '\0', '\ufeffmark', '\ufffd'),
)

/** Text of any code points, also beyond what one slab of a small writer holds. */
export const longText: fc.Arbitrary<string> = fc.oneof(
  { weight: 9, arbitrary: shortText },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(300), 'ü'.repeat(5000), '€'.repeat(256)) },
)

const bytes: fc.Arbitrary<Buffer> = fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array))

const dateSeconds = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 31 }),
  fc.constantFrom(0, 1, LAST_DATE_SECOND - 1, LAST_DATE_SECOND),
)

/** Values that hold no others. */
export const scalar: fc.Arbitrary<Sample> = fc.oneof(
  longText.map(same),
  fc.boolean().map(same),
  fc.constantFrom(null, undefined).map(sent => ({ sent, received: null })),
  fc.integer().map(same),
  fc.maxSafeInteger().map(same),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(same),
  fc
    .constantFrom(
      0,
      -0,
      127,
      -128,
      32_768,
      2 ** 31 - 1,
      2 ** 31,
      -(2 ** 31),
      -(2 ** 31) - 1,
      2 ** 32,
      2 ** 53,
      1e300,
    )
    .map(same),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.MAX_VALUE, 5e-324).map(same),
  fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX }).map(sent => ({ sent, received: narrow(sent) })),
  fc
    .constantFrom(-INT64_MAX - 1n, INT64_MAX, 2n ** 53n, 2n ** 53n - 1n, 0n, -1n)
    .map(sent => ({ sent, received: narrow(sent) })),
  bytes.map(same),
  bytes.map(buffer => ({ sent: new Uint8Array(buffer), received: buffer })),
  fc.tuple(dateSeconds, fc.integer({ min: 0, max: 999 })).map(([seconds, milliseconds]) => ({
    sent: seconds === LAST_DATE_SECOND ? new Date(seconds * 1000) : new Date(seconds * 1000 + milliseconds),
    received: new Date(seconds * 1000),
  })),
  typedScalar(),
)

/** Tables with values of every type, nested. */
export const table: fc.Arbitrary<Sample<Table>> = tables()

/** The arguments of a method. */
export function argumentsOf(method: MethodSpec): fc.Arbitrary<Sample<Record<string, unknown>>> {
  const fields = method.fields.filter(field => !field.reserved)
  return fc.tuple(...fields.map(({ type }) => argumentOf(type))).map(samples => ({
    sent: Object.fromEntries(fields.map((field, index) => [camelCase(field.name), samples[index]?.sent])),
    received: Object.fromEntries(
      fields.map((field, index) => [camelCase(field.name), samples[index]?.received]),
    ),
  }))
}

/** Any subset of the properties, without headers. */
export const messageProperties: fc.Arbitrary<Sample<MessageProperties>> = fc
  .tuple(...propertyFields().map(({ type }) => fc.option(argumentOf(type), { nil: undefined })))
  .map(samples => ({
    sent: pick(samples.map(sample => sample?.sent)),
    received: pick(samples.map(sample => sample?.received)),
  }))

/** The properties of a content header in their order, without headers. */
export function propertyFields(): FieldSpec[] {
  return properties.filter(({ name }) => name !== 'headers')
}

function argumentOf(type: WireType): fc.Arbitrary<Sample<unknown>> {
  switch (type) {
    case 'bit':
      return fc.boolean().map(same)
    case 'octet':
      return unsigned(2 ** 8).map(same)
    case 'short':
      return unsigned(2 ** 16).map(same)
    case 'long':
      return unsigned(2 ** 32).map(same)
    case 'longlong':
      return fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32, Number.MAX_SAFE_INTEGER)).map(same)
    case 'shortstr':
      return shortText.map(same)
    case 'longstr':
      return bytes.map(same)
    case 'timestamp':
      return fc.oneof(
        dateSeconds.map(seconds => same<unknown>(new Date(seconds * 1000))),
        fc
          .bigInt({ min: BigInt(LAST_DATE_SECOND) + 1n, max: 2n ** 64n - 1n })
          .map(seconds => same<unknown>(timestamp(narrow(seconds)))),
      )
    case 'table':
      return table
  }
}

function typedScalar(): fc.Arbitrary<Sample> {
  return fc.oneof(
    integer(-(2 ** 7), 2 ** 7).map(value => ({ sent: byte(value), received: value })),
    unsigned(2 ** 8).map(value => ({ sent: unsignedByte(value), received: value })),
    integer(-(2 ** 15), 2 ** 15).map(value => ({ sent: short(value), received: value })),
    unsigned(2 ** 16).map(value => ({ sent: unsignedShort(value), received: value })),
    integer(-(2 ** 31), 2 ** 31).map(value => ({ sent: int(value), received: value })),
    unsigned(2 ** 32).map(value => ({ sent: unsignedInt(value), received: value })),
    fc.maxSafeInteger().map(value => ({ sent: long(value), received: value === 0 ? 0 : value })),
    fc
      .float({ noNaN: true, noDefaultInfinity: true })
      .map(value => ({ sent: float(value), received: value })),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map(value => ({ sent: double(value), received: value })),
    fc
      .bigInt({ min: BigInt(LAST_DATE_SECOND) + 1n, max: 2n ** 64n - 1n })
      .map(value => ({ sent: timestamp(value), received: timestamp(narrow(value)) })),
    dateSeconds.map(value => ({ sent: timestamp(value), received: new Date(value * 1000) })),
    fc
      .tuple(integer(-(2 ** 31), 2 ** 31), unsigned(2 ** 8))
      .map(([digits, scale]) => same(decimal(digits, scale))),
  )
}

function tables(): fc.Arbitrary<Sample<Table>> {
  const name = fc.oneof(
    shortText,
    fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '0', '-1'),
  )
  return fc.letrec<{ table: Sample<Table>; array: Sample; value: Sample }>(tie => ({
    table: fc
      .uniqueArray(fc.tuple(name, tie('value')), { maxLength: 8, selector: ([key]) => key })
      .map(entries => ({
        sent: Object.fromEntries(entries.map(([key, { sent }]) => [key, sent])),
        received: Object.fromEntries(entries.map(([key, { received }]) => [key, received])),
      })),
    array: fc.array(tie('value'), { maxLength: 8 }).map(items => ({
      sent: items.map(({ sent }) => sent),
      received: items.map(({ received }) => received),
    })),
    value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, scalar, tie('array'), tie('table')),
  })).table
}

/** Whole numbers from 0 to below `limit`, the ends often. */
function unsigned(limit: number): fc.Arbitrary<number> {
  return integer(0, limit)
}

function integer(min: number, limit: number): fc.Arbitrary<number> {
  return fc.oneof(fc.integer({ min, max: limit - 1 }), fc.constantFrom(min, limit - 1))
}

function same<T>(value: T): Sample<T> {
  return { sent: value, received: value }
}

function narrow(value: bigint): number | bigint {
  return value >= -(2n ** 53n) + 1n && value <= 2n ** 53n - 1n ? Number(value) : value
}

function pick(values: readonly unknown[]): MessageProperties {
  const entries = propertyFields().map(({ name }, index) => [camelCase(name), values[index]] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}
