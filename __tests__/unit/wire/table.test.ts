/** Covers field tables, from values to bytes and back. */
import { deepStrictEqual } from 'node:assert'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { AmqpSyntaxError, ArgumentError } from '../../../src/errors.js'
import {
  byte,
  Decimal,
  decimal,
  double,
  type FieldValue,
  float,
  int,
  long,
  short,
  type Table,
  Typed,
  timestamp,
  unsignedByte,
  unsignedInt,
  unsignedShort,
} from '../../../src/util/field-value.js'
import { MAX_TABLE_DEPTH } from '../../../src/wire/field-tags.js'
import { Reader } from '../../../src/wire/reader.js'
import { readTable } from '../../../src/wire/table-reader.js'
import { writeTable } from '../../../src/wire/table-writer.js'
import { Writer } from '../../../src/wire/writer.js'
import { scalar, table } from '../../support/wire/arbitraries.js'

function write(value: Table, slabSize = 32): Buffer {
  const writer = new Writer(slabSize)
  writer.u8(0, 'before')
  writer.commit()
  writeTable(writer, value, 'headers')
  return Buffer.from(writer.unit())
}

function read(bytes: Buffer): Table {
  const reader = new Reader(bytes)
  const value = readTable(reader)
  expect(reader.remaining).toBe(0)
  return value
}

/** A table with one field, `k`, whose tag and content are given in hexadecimal. */
function tableOf(field: string): Buffer {
  const content = Buffer.from(`016b${field.replaceAll(' ', '')}`, 'hex')
  const size = Buffer.alloc(4)
  size.writeUInt32BE(content.length)
  return Buffer.concat([size, content])
}

function refusal(value: unknown): () => Buffer {
  return () => write({ k: value as FieldValue })
}

/** A value, its bytes, and what is read where that is not the value. */
const vectors: [string, FieldValue, string, FieldValue?][] = [
  ['a text', 'hé', '53 00000003 68c3a9'],
  ['an empty text', '', '53 00000000'],
  ['a text beyond one octet of length', 'x'.repeat(300), `53 0000012c ${'78'.repeat(300)}`],
  ['true', true, '74 01'],
  ['false', false, '74 00'],
  ['null', null, '56'],
  ['undefined', undefined, '56', null],
  ['zero', 0, '49 00000000'],
  ['a negative integer', -2, '49 fffffffe'],
  ['the largest 32-bit integer', 2_147_483_647, '49 7fffffff'],
  ['the smallest 32-bit integer', -2_147_483_648, '49 80000000'],
  ['an integer just beyond 32 bits', 2_147_483_648, '6c 0000000080000000'],
  ['a negative integer just beyond 32 bits', -2_147_483_649, '6c ffffffff7fffffff'],
  ['the largest safe integer', Number.MAX_SAFE_INTEGER, '6c 001fffffffffffff'],
  ['the smallest safe integer', Number.MIN_SAFE_INTEGER, '6c ffe0000000000001'],
  ['a whole number that is not safe', 2 ** 53, '64 4340000000000000'],
  ['minus zero', -0, '64 8000000000000000'],
  ['a fraction', 0.5, '64 3fe0000000000000'],
  ['the largest bigint', 2n ** 63n - 1n, '6c 7fffffffffffffff'],
  ['the smallest bigint', -(2n ** 63n), '6c 8000000000000000'],
  ['a small bigint', 5n, '6c 0000000000000005', 5],
  ['a byte', byte(-1), '62 ff', -1],
  ['an unsigned byte', unsignedByte(255), '42 ff', 255],
  ['a short', short(-2), '73 fffe', -2],
  ['an unsigned short', unsignedShort(65_535), '75 ffff', 65_535],
  ['an int', int(5), '49 00000005', 5],
  ['an unsigned int', unsignedInt(4_294_967_295), '69 ffffffff', 4_294_967_295],
  ['a long of a number', long(5), '6c 0000000000000005', 5],
  ['a long of a bigint', long(-1n), '6c ffffffffffffffff', -1],
  ['a float', float(0.5), '66 3f000000', 0.5],
  ['a double that is whole', double(1), '64 3ff0000000000000', 1],
  ['a date', new Date('2009-02-13T23:31:30.999Z'), '54 00000000499602d2', new Date('2009-02-13T23:31:30Z')],
  ['the last moment of a Date', new Date(8.64e15), '54 000007dba8218000'],
  ['a timestamp beyond that', timestamp(8_640_000_000_001), '54 000007dba8218001'],
  ['the last timestamp', timestamp(2n ** 64n - 1n), '54 ffffffffffffffff'],
  ['a timestamp that a Date can hold', timestamp(1), '54 0000000000000001', new Date(1000)],
  ['a decimal', decimal(314n, 2), '44 02 0000013a'],
  ['a negative decimal', decimal(-1, 255), '44 ff ffffffff'],
  ['bytes', Buffer.from([0, 255]), '78 00000002 00ff'],
  ['bytes that are no Buffer', new Uint8Array([1]), '78 00000001 01', Buffer.from([1])],
  ['an array', ['a', 1, null], '41 0000000c 53 00000001 61 49 00000001 56'],
  ['an empty array', [], '41 00000000'],
  ['an array in an array', [[], [true]], '41 0000000c 41 00000000 41 00000002 74 01'],
  ['a hole in an array', new Array(1), '41 00000001 56', [null]],
  ['a table', { a: true, b: {} }, '46 0000000b 01 61 74 01 01 62 46 00000000'],
]

describe.each(vectors)('%s', (_, value, field, received = value) => {
  test('is written as the protocol has it', () => {
    expect(write({ k: value }).toString('hex')).toBe(tableOf(field).toString('hex'))
  })

  test('is read as it was meant', () => {
    deepStrictEqual(read(tableOf(field)), { k: received })
  })
})

describe('writing', () => {
  test('whatever AMQP can carry comes back as it was', () => {
    fc.assert(
      fc.property(table, ({ sent, received }) => deepStrictEqual(read(write(sent)), received)),
      { numRuns: 1000 },
    )
  })

  test('every single value comes back as it was', () => {
    fc.assert(
      fc.property(scalar, ({ sent, received }) => deepStrictEqual(read(write({ k: sent })), { k: received })),
      { numRuns: 2000 },
    )
  })

  test('what was read and is written again gives the same values', () => {
    fc.assert(
      fc.property(table, ({ sent, received }) => deepStrictEqual(read(write(read(write(sent)))), received)),
    )
  })

  test('the size of the slab makes no difference', () => {
    fc.assert(
      fc.property(table, fc.integer({ min: 1, max: 300 }), ({ sent }, slabSize) => {
        expect(write(sent, slabSize).equals(write(sent, 1_000_000))).toBe(true)
      }),
    )
  })

  test('a `__proto__` of its own is a field like any other', () => {
    const value = JSON.parse('{ "__proto__": { "polluted": true } }') as Table
    expect(write(value).toString('hex')).toContain(Buffer.from('__proto__').toString('hex'))
    const back = read(write(value))
    expect(Object.keys(back)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    expect(back).not.toHaveProperty('polluted')
    expect({}).not.toHaveProperty('polluted')
  })

  test('inherited properties are not fields', () => {
    const value = Object.create(null) as Table
    value.own = 1
    Object.defineProperty(Object.prototype, 'inherited', { value: 1, enumerable: true, configurable: true })
    try {
      expect(Object.keys(read(write(value)))).toEqual(['own'])
      expect(Object.keys(read(write({ own: 1 })))).toEqual(['own'])
    } finally {
      delete (Object.prototype as Record<string, unknown>).inherited
    }
  })

  test('objects, arrays and dates of another realm are as good as ours', () => {
    const value = runInNewContext('({ a: [{ b: 1 }], c: new Date(1000) })') as Table
    expect(read(write(value))).toEqual({ a: [{ b: 1 }], c: new Date(1000) })
  })

  test('a name of 255 bytes is possible', () => {
    for (const name of ['x'.repeat(255), 'é'.repeat(127), '€'.repeat(85)]) {
      expect(read(write({ [name]: 1 }))).toEqual({ [name]: 1 })
    }
  })

  test.each(['x'.repeat(256), 'é'.repeat(128), '€'.repeat(86), '😀'.repeat(64)])(
    'a name beyond it is not: %#',
    name => {
      const attempt = (): Buffer => write({ a: { [name]: 1 } })
      expect(attempt).toThrow(ArgumentError)
      expect(attempt).toThrow(/^headers\.a has a name of \d+ bytes/)
    },
  )

  test('a table as deep as the limit is possible, and not one deeper', () => {
    expect(read(write(nested(MAX_TABLE_DEPTH)))).toEqual(nested(MAX_TABLE_DEPTH))
    expect(() => write(nested(MAX_TABLE_DEPTH + 1))).toThrow(ArgumentError)
    expect(() => write(nested(MAX_TABLE_DEPTH + 1))).toThrow(/^headers must not nest/)
  })

  test('arrays count as levels too', () => {
    const arrays = (levels: number): FieldValue => (levels === 0 ? 1 : [arrays(levels - 1)])
    expect(read(write({ k: arrays(MAX_TABLE_DEPTH - 1) }))).toEqual({ k: arrays(MAX_TABLE_DEPTH - 1) })
    expect(() => write({ k: arrays(MAX_TABLE_DEPTH) })).toThrow(ArgumentError)
  })

  test('a table or an array within itself is refused', () => {
    const own: Table = {}
    own.self = own
    const list: FieldValue[] = []
    list.push(list)
    expect(() => write(own)).toThrow(ArgumentError)
    expect(() => write({ list })).toThrow(ArgumentError)
  })

  test.each<[string, unknown]>([
    ['a symbol', Symbol('s')],
    ['a function', () => 1],
    ['a class', Date],
    ['a Map', new Map()],
    ['a Set', new Set()],
    ['an instance of a class', new (class Own {})()],
    ['an error', new Error('e')],
    ['a promise', Promise.resolve()],
    ['an object that inherits', Object.create({ a: 1 })],
    ['a boxed string', Object('text')],
    ['a typed array that holds no bytes', new Float64Array(1)],
    ['an ArrayBuffer', new ArrayBuffer(1)],
    ['an invalid date', new Date(Number.NaN)],
    ['a date before 1970', new Date(-1000)],
    ['a bigint beyond 64 bits', 2n ** 63n],
    ['a negative bigint beyond 64 bits', -(2n ** 63n) - 1n],
    ['a byte out of range', byte(128)],
    ['an unsigned byte out of range', unsignedByte(-1)],
    ['a short out of range', short(-32_769)],
    ['an unsigned short out of range', unsignedShort(65_536)],
    ['an int out of range', int(2 ** 31)],
    ['an unsigned int out of range', unsignedInt(2 ** 32)],
    ['a long of an unsafe number', long(2 ** 53)],
    ['a long beyond 64 bits', long(2n ** 63n)],
    ['a long of a text', long('5' as never)],
    ['an int that is not whole', int(0.5)],
    ['an int of a bigint', int(1n as never)],
    ['a float that would overflow', float(1e300)],
    ['infinity', Infinity],
    ['not a number', Number.NaN],
    ['an infinite float', float(-Infinity)],
    ['an infinite double', double(Infinity)],
    ['a float of a text', float('1' as never)],
    ['a double of a bigint', double(1n as never)],
    ['a negative timestamp', timestamp(-1)],
    ['a timestamp beyond 64 bits', timestamp(2n ** 64n)],
    ['a decimal beyond 32 bits', decimal(2n ** 31n, 0)],
    ['a decimal far beyond 32 bits', decimal(10n ** 400n, 0)],
    ['a decimal of an impossible scale', decimal(1n, 256)],
    ['a decimal that is no bigint', new Decimal(1 as never, 0)],
    ['a type that there is none of', new Typed('octet' as never, 1)],
  ])('%s is refused, with its place', (_, value) => {
    for (const [headers, place] of [
      [{ k: value }, /^headers\.k\b/],
      [{ a: ['', null, 0, { b: value }] }, /^headers\.a\[3\]\.b\b/],
      [{ a: [[value]] }, /^headers\.a\[0\]\[0\]/],
    ] as const) {
      const attempt = (): Buffer => write(headers as unknown as Table)
      expect(attempt).toThrow(ArgumentError)
      expect(attempt).toThrow(place)
    }
  })

  test('the kind of what does not fit is told, and not its content', () => {
    expect(refusal(new Map([['secret', 1]]))).toThrow('an instance of Map')
    expect(refusal(Symbol('secret'))).toThrow('symbol')
    expect(refusal(new Map([['secret', 1]]))).not.toThrow('secret')
  })

  test.each([[undefined], [null], [[]], ['text'], [5], [new Map()]])('%p is no table', value => {
    const attempt = (): unknown => writeTable(new Writer(), value as unknown as Table, 'arguments')
    expect(attempt).toThrow(ArgumentError)
    expect(attempt).toThrow(/^arguments must be a plain object/)
  })
})

describe('reading', () => {
  test('a long string that is not UTF-8 is bytes, of memory of its own', () => {
    const bytes = tableOf('53 00000003 61ff62')
    const value = read(bytes).k as Buffer
    expect(value).toStrictEqual(Buffer.from([0x61, 0xff, 0x62]))
    bytes.fill(0)
    expect(value).toStrictEqual(Buffer.from([0x61, 0xff, 0x62]))
  })

  test('a long string that is not UTF-8 is bytes, however long it is', () => {
    const content = Buffer.concat([Buffer.alloc(100, 'a'), Buffer.from([0xc3])])
    expect(read(tableOf(`53 00000065 ${content.toString('hex')}`)).k).toStrictEqual(content)
  })

  test('a replacement character that was sent as such stays text', () => {
    expect(read(tableOf('53 00000003 efbfbd')).k).toBe('\ufffd')
  })

  test('byte arrays are of memory of their own', () => {
    const bytes = tableOf('78 00000002 0102')
    const value = read(bytes).k
    bytes.fill(0)
    expect(value).toStrictEqual(Buffer.from([1, 2]))
  })

  test('L is a signed integer of 64 bits, as RabbitMQ has it', () => {
    expect(read(tableOf('4c ffffffffffffffff')).k).toBe(-1)
  })

  test('any octet but 0 is true', () => {
    expect(read(tableOf('74 02')).k).toBe(true)
  })

  test('of two fields of one name the last one counts', () => {
    expect(read(Buffer.from('00000008' + '016b7401' + '016b7400', 'hex'))).toEqual({ k: false })
  })

  test.each([
    ['an unknown type', tableOf('7a 00')],
    ['a size beyond the data', Buffer.from('00000005016b7401', 'hex')],
    ['a size of four gigabytes', Buffer.from('ffffffff016b7401', 'hex')],
    ['a size that cuts a value', Buffer.from('00000003016b7401', 'hex')],
    ['a size that cuts a name', Buffer.from('00000001016b7401', 'hex')],
    ['a name beyond the data', Buffer.from('00000004ff6b7401', 'hex')],
    ['a text beyond the data', tableOf('53 ffffffff 61')],
    ['bytes beyond the data', tableOf('78 00000003 0102')],
    ['an array beyond its table', Buffer.concat([tableOf('41 00000003 7401'), Buffer.from('56', 'hex')])],
    ['a table beyond its table', Buffer.concat([tableOf('46 00000005 016b 74'), Buffer.from('0100', 'hex')])],
    ['a value beyond its array', tableOf('41 00000001 7401')],
  ])('%s is a syntax error', (_, bytes) => {
    expect(() => readTable(new Reader(bytes))).toThrow(AmqpSyntaxError)
  })

  test('a size beyond the data is told before anything of the table is read', () => {
    expect(() => readTable(new Reader(Buffer.from('00000005016b7401', 'hex')))).toThrow(
      '5 bytes is announced where 4 are left',
    )
  })

  test('nesting beyond the limit is a syntax error', () => {
    expect(readTable(new Reader(nestedBytes(MAX_TABLE_DEPTH)))).toEqual(nested(MAX_TABLE_DEPTH))
    expect(() => readTable(new Reader(nestedBytes(MAX_TABLE_DEPTH + 1)))).toThrow(AmqpSyntaxError)
    expect(() => readTable(new Reader(nestedBytes(20_000)))).toThrow(AmqpSyntaxError)
  })

  test('a table is a syntax error wherever it is cut short', () => {
    fc.assert(
      fc.property(table, ({ sent }) => {
        const bytes = write(sent)
        for (let end = 0; end < Math.min(bytes.length, 300); end++) {
          expect(errorOf(new Reader(bytes, 0, end))).toBeInstanceOf(AmqpSyntaxError)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('random fields give values or syntax errors', () => {
    const tag = fc.constantFrom(...Buffer.from('tbBsuIilLfdDSATFVxq'))
    fc.assert(
      fc.property(tag, fc.uint8Array({ maxLength: 60 }), (first, rest) => {
        const field = Buffer.from([first, ...rest]).toString('hex')
        const error = errorOf(new Reader(tableOf(field)))
        expect(error === undefined || error instanceof AmqpSyntaxError).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })
})

/** What reading throws. */
function errorOf(reader: Reader): unknown {
  try {
    readTable(reader)
    return undefined
  } catch (error) {
    return error
  }
}

/** A table of so many levels. */
function nested(levels: number): Table {
  return levels === 1 ? {} : { k: nested(levels - 1) }
}

function nestedBytes(levels: number): Buffer {
  const bytes = Buffer.alloc(4 + 7 * (levels - 1))
  for (let level = 1; level < levels; level++) {
    const at = 7 * (level - 1)
    bytes.writeUInt32BE(7 * (levels - level), at)
    bytes.set([1, 0x6b, 0x46], at + 4)
  }
  return bytes
}
