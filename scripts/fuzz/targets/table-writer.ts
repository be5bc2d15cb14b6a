/**
 * Owns the target `table-writer`: values of any kind as a table. Each is refused with an ArgumentError, or read again as what
 * it was; and a writer that has refused one goes on as if there had been none.
 */
import { isDeepStrictEqual } from 'node:util'
import { ArgumentError } from '../../../src/errors.js'
import { Decimal, type Table, Typed, type TypedName } from '../../../src/util/field-value.js'
import { Reader } from '../../../src/wire/reader.js'
import { readTable } from '../../../src/wire/table-reader.js'
import { writeTable } from '../../../src/wire/table-writer.js'
import { Writer } from '../../../src/wire/writer.js'
import { attempt, kindOf } from '../attempt.js'
import { Choices } from '../choices.js'
import { demand } from '../errors.js'
import { chunks } from '../forms.js'
import { mutateBytes } from '../mutation.js'
import type { Random } from '../random.js'
import type { Target } from '../target.js'

const INTEGERS = [
  0,
  -0,
  1,
  -1,
  127,
  -128,
  255,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 53 - 1,
  2 ** 53,
  2 ** 64,
]
const BIGINTS = [
  0n,
  -1n,
  2n ** 31n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n,
]
const FLOATS = [0.5, 1e300, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
const TEXTS = ['', 'a', 'é'.repeat(40), '😀', '\0', 'x'.repeat(200), 'x'.repeat(70_000), '\ufffd', '\ufeff']
const NAMES = [
  '',
  'a',
  'b',
  '__proto__',
  'constructor',
  '0',
  'x'.repeat(255),
  'x'.repeat(256),
  'é'.repeat(128),
  '\udc80',
]
const TYPES: readonly TypedName[] = [
  'short-short-int',
  'short-short-uint',
  'short-int',
  'short-uint',
  'long-int',
  'long-uint',
  'long-long-int',
  'float',
  'double',
  'timestamp',
]
/** What no type allows, and a program without types may pass. */
const STRANGE: readonly (() => unknown)[] = [
  () => Symbol('s'),
  () => () => 1,
  () => new Map([['a', 1]]),
  () => new Error('e'),
  () => new Date(Number.NaN),
  () => new Date(-1),
  () => new Proxy({}, {}),
  () => new Proxy([], {}),
  () => Object.create({ inherited: 1 }),
  () => Object.create(null),
  () => new Array(5),
  () => Object(1),
  () => Object('s'),
  () => new Uint16Array(3),
  () => new ArrayBuffer(3),
  () => new Typed('no-such-type' as TypedName, 1),
  () => new Typed(undefined as unknown as TypedName, 1),
  () => new Decimal(1 as unknown as bigint, 1),
  () => new Decimal(2n ** 40n, 1),
  () => new Decimal(1n, 1.5),
  () => new Decimal(1n, 256),
  () => new Decimal(1n, '1' as unknown as number),
  circle,
]
const STRANGE_NUMBERS: readonly unknown[] = ['1', null, undefined, true, {}, [], Symbol('s'), 1.5]

export const tableWriter: Target<readonly Buffer[]> = {
  name: 'table-writer',
  form: chunks,
  generate: random => [random.bytes(1 + random.below(200))],
  mutate: (input, random) => [mutateBytes(Buffer.concat(input), random)],
  run(input) {
    const value = tableOf(new Choices(Buffer.concat(input)), 4)
    const writer = new Writer(64)
    const written = attempt(() => writeTable(writer, value as Table, 'table'))
    if (written.error === undefined) {
      const read = attempt(() => readTable(new Reader(Buffer.from(writer.unit()))))
      demand(read.error === undefined, () => `what was written cannot be read: ${read.error?.message}`)
      demand(isDeepStrictEqual(read.value, received(value)), 'what was written is read as something else')
    } else {
      demand(written.error instanceof ArgumentError, `it is refused with ${written.error.name}`)
    }
    writer.rollback()
    const [after, fresh] = [writer, new Writer(64)].map(one => {
      writeTable(one, { a: 'b' }, 'table')
      return Buffer.from(one.unit())
    })
    demand(isDeepStrictEqual(after, fresh), 'the writer is not as it was')
    return kindOf(written.error)
  },
}

function tableOf(choices: Random, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = {}
  for (let fields = choices.below(6); fields > 0; fields--) {
    const value = valueFrom(choices, depth)
    Object.defineProperty(made, choices.pick(NAMES), {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return made
}

function valueFrom(choices: Random, depth: number): unknown {
  switch (choices.below(12)) {
    case 0:
      return choices.pick(INTEGERS)
    case 1:
      return choices.pick(BIGINTS)
    case 2:
      return choices.pick(FLOATS)
    case 3:
      return choices.pick(TEXTS)
    case 4:
      return choices.pick([true, false, null, undefined])
    case 5:
      return choices.pick([new Date(0), new Date(1_234_567), new Date(8.64e15)])
    case 6:
      return choices.chance(50) ? choices.bytes(choices.below(20)) : new Uint8Array(choices.bytes(3))
    case 7:
      return new Typed(choices.pick(TYPES), typedNumber(choices) as number)
    case 8:
      return new Decimal(BigInt(choices.next()) - 2n ** 31n, choices.below(256))
    case 9:
      return choices.chance(20) ? choices.pick(STRANGE)() : choices.below(1000)
    case 10:
      return depth > 0 ? Array.from({ length: choices.below(5) }, () => valueFrom(choices, depth - 1)) : []
    default:
      return depth > 0 ? tableOf(choices, depth - 1) : {}
  }
}

function typedNumber(choices: Random): unknown {
  if (choices.chance(10)) return choices.pick(STRANGE_NUMBERS)
  return choices.pick<number | bigint>(choices.chance(50) ? INTEGERS : choices.chance(50) ? BIGINTS : FLOATS)
}

function circle(): unknown {
  const made: Record<string, unknown> = {}
  made.self = [made]
  return made
}

/** What has to come out for what was put in. */
function received(value: unknown): unknown {
  if (value === undefined) return null
  if (typeof value === 'bigint') return narrow(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Typed) return ofType(value)
  if (value instanceof Date) return new Date(Math.floor(value.getTime() / 1000) * 1000)
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (value instanceof Decimal) return value
  if (Array.isArray(value)) return Array.from(value, received)
  const made: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(value)) {
    Object.defineProperty(made, name, {
      value: received(inner),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return made
}

function ofType({ type, value }: Typed): unknown {
  if (type === 'float') return Math.fround(Number(value))
  if (type === 'double') return value
  if (type !== 'timestamp') return typeof value === 'bigint' ? narrow(value) : value + 0
  const seconds = BigInt(value)
  return seconds <= 8_640_000_000_000n
    ? new Date(Number(seconds) * 1000)
    : new Typed('timestamp', narrow(seconds))
}

function narrow(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}
