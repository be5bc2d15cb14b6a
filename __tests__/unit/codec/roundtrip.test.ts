/** Covers what is encoded comes out again as it was, and data that is cut short or random does no harm. */
import { deepStrictEqual } from 'node:assert'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { namedMethods } from '../../../scripts/codegen/named-method.js'
import { camelCase } from '../../../scripts/codegen/names.js'
import type { FieldSpec } from '../../../scripts/codegen/spec.js'
import {
  decodeMethod,
  type MethodCodec,
  type MethodName,
  methodName,
  methods,
} from '../../../src/codec/methods.gen.js'
import { AmqpSyntaxError, ArgumentError, CommandInvalidError } from '../../../src/errors.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { argumentsOf } from '../../support/wire/arbitraries.js'

const all = namedMethods().map(method => ({
  ...method,
  codec: methods[method.name as MethodName] as MethodCodec,
}))

/** How many bytes at each end of long data are looked at one by one. */
const LONG = 500

function encode(codec: MethodCodec, args: object, slabSize = 64): Buffer {
  const writer = new Writer(slabSize)
  // A unit of its own before it: places inside the slab and inside the unit are then not the same.
  writer.u8(0, 'before')
  writer.commit()
  codec.encode(writer, args as never)
  return Buffer.from(writer.unit())
}

describe.each(all)('$name', ({ name, id, spec, codec }) => {
  test('comes back as it was sent', () => {
    fc.assert(
      fc.property(argumentsOf(spec), ({ sent, received }) => {
        const reader = new Reader(encode(codec, sent))
        deepStrictEqual(decodeMethod(reader), { id, name, args: received })
        expect(reader.remaining).toBe(0)
      }),
      { numRuns: 40 },
    )
  })

  test('is a syntax error wherever it is cut short', () => {
    fc.assert(
      fc.property(argumentsOf(spec), ({ sent }) => {
        const bytes = encode(codec, sent)
        // The bytes behind the cut are there to be seen by a reader that does not mind its end.
        const spared = cuts(bytes).filter(end => !(outcomeOf(bytes, end) instanceof AmqpSyntaxError))
        expect(spared).toEqual([])
      }),
      { numRuns: 5 },
    )
  })

  test('gives a syntax error or a method for whatever bytes follow its ids', () => {
    const head = encode(codec, sampleOf(spec)).subarray(0, 4)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), tail => {
        const outcome = outcomeOf(Buffer.concat([head, tail]))
        expect(outcome instanceof AmqpSyntaxError || outcome === name).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('is described by its codec', () => {
    expect(codec).toMatchObject({ id, name, content: spec.content })
    expect(codec.replies.map(methodName)).toEqual(spec.replies.map(reply => `${name.split('.')[0]}.${reply}`))
  })

  const fields = spec.fields.filter(({ reserved }) => !reserved)
  if (fields.length > 0) {
    test('names the field whose value it cannot carry', () => {
      for (const field of fields) {
        const property = camelCase(field.name)
        for (const value of unfitFor(field)) {
          const attempt = (): unknown => encode(codec, { ...sampleOf(spec), [property]: value })
          expect(attempt).toThrow(ArgumentError)
          expect(attempt).toThrow(new RegExp(`^${property}\\b`))
        }
      }
    })
  }
})

describe('decodeMethod', () => {
  test('gives nothing but methods and AMQP errors for random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const outcome = outcomeOf(Buffer.from(bytes))
        expect(
          outcome instanceof AmqpSyntaxError || outcome instanceof CommandInvalidError || outcome in methods,
        ).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('gives nothing but methods and AMQP errors where one byte of a method is wrong', () => {
    const wrong = all.map(({ spec, codec }) =>
      fc.tuple(fc.constant(codec), argumentsOf(spec), fc.nat(), fc.nat(255)),
    )
    fc.assert(
      fc.property(fc.oneof(...wrong), ([codec, { sent }, at, value]) => {
        const bytes = encode(codec, sent)
        bytes[at % bytes.length] = value
        const outcome = outcomeOf(bytes)
        expect(
          outcome instanceof AmqpSyntaxError || outcome instanceof CommandInvalidError || outcome in methods,
        ).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('refuses a method that AMQP does not have, and names its numbers', () => {
    for (const bytes of ['003c0029', '00000000', 'ffffffff', '00090014']) {
      const buffer = Buffer.from(bytes, 'hex')
      const numbers = `${buffer.readUInt16BE(0)}.${buffer.readUInt16BE(2)}`
      expect(() => decodeMethod(new Reader(buffer))).toThrow(CommandInvalidError)
      expect(() => decodeMethod(new Reader(buffer))).toThrow(numbers)
      expect(methodName(buffer.readUInt32BE(0))).toBe(numbers)
    }
  })
})

/** The method's name, or what was thrown. */
function outcomeOf(bytes: Buffer, end = bytes.length): string | AmqpSyntaxError | CommandInvalidError {
  try {
    return decodeMethod(new Reader(bytes, 0, end)).name
  } catch (error) {
    if (error instanceof AmqpSyntaxError || error instanceof CommandInvalidError) return error
    throw error
  }
}

/** Every place to cut; of long data, those near its ends. */
function cuts(bytes: Buffer): number[] {
  return [...bytes.keys()].filter(at => at < LONG || at >= bytes.length - LONG)
}

function sampleOf(spec: (typeof all)[number]['spec']): Record<string, unknown> {
  const [sample] = fc.sample(argumentsOf(spec), { numRuns: 1, seed: 1 })
  return sample?.sent ?? {}
}

/** Values that the field cannot carry. */
function unfitFor({ type }: FieldSpec): unknown[] {
  switch (type) {
    case 'bit':
      return [undefined, null, 1, 'true']
    case 'octet':
      return [-1, 256, 0.5, Number.NaN, '1', undefined, 1n]
    case 'short':
      return [-1, 65_536, 0.5, Number.NaN, '1', undefined, 1n]
    case 'long':
      return [-1, 2 ** 32, 0.5, Number.NaN, '1', undefined, 1n]
    case 'longlong':
      return [-1, 2 ** 53, 0.5, Number.NaN, '1', undefined, 2n ** 64n, -1n]
    case 'shortstr':
      return ['x'.repeat(256), 'é'.repeat(128), '€'.repeat(86), '😀'.repeat(64), 5, undefined, null]
    case 'table':
      return [undefined, null, [], new Map(), 'text', 5]
    default:
      return []
  }
}
