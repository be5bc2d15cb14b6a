/** Covers the content header, its properties and headers. */
import { deepStrictEqual } from 'node:assert'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { camelCase } from '../../../scripts/codegen/names.js'
import {
  decodeBasicHeaders,
  decodeBasicProperties,
  encodeBasicHeader,
} from '../../../src/codec/properties.gen.js'
import { AmqpSyntaxError, ArgumentError } from '../../../src/errors.js'
import type { MessageProperties } from '../../../src/options.js'
import { long, type Table, timestamp } from '../../../src/util/field-value.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { messageProperties, propertyFields, table } from '../../support/wire/arbitraries.js'

/** Class id, weight and body size stand before the flags. */
const FLAGS_AT = 12

const full: Required<MessageProperties> = {
  contentType: 'a',
  contentEncoding: 'b',
  deliveryMode: 2,
  priority: 9,
  correlationId: 'c',
  replyTo: 'd',
  expiration: '60000',
  messageId: 'e',
  timestamp: new Date('2009-02-13T23:31:30Z'),
  type: 'f',
  userId: 'g',
  appId: 'h',
  clusterId: 'i',
}

function encode(properties: MessageProperties, headers?: Table, bodySize = 0): Buffer {
  const writer = new Writer(24)
  writer.u8(0, 'before')
  writer.commit()
  encodeBasicHeader(writer, bodySize, properties, headers)
  return Buffer.from(writer.unit())
}

function propertiesOf(bytes: Buffer): MessageProperties {
  return decodeBasicProperties(new Reader(bytes, FLAGS_AT))
}

function headersOf(bytes: Buffer): Table {
  return decodeBasicHeaders(new Reader(bytes, FLAGS_AT))
}

test('a header without properties is class, weight, body size and empty flags', () => {
  expect(encode({}, undefined, 5).toString('hex')).toBe('003c0000' + '0000000000000005' + '0000')
})

test('a body size beyond 32 bits is written in full', () => {
  expect(encode({}, undefined, 2 ** 40 + 1).toString('hex', 4, 12)).toBe('0000010000000001')
})

test('properties follow their flags in the order of the protocol', () => {
  expect(encode(full, { k: true }).toString('hex', FLAGS_AT)).toBe(
    [
      'fffc',
      '0161', // content-type
      '0162', // content-encoding
      '00000004' + '016b' + '7401', // headers
      '02', // delivery-mode
      '09', // priority
      '0163', // correlation-id
      '0164', // reply-to
      '053630303030', // expiration
      '0165', // message-id
      '00000000499602d2', // timestamp: 1234567890
      '0166', // type
      '0167', // user-id
      '0168', // app-id
      '0169', // cluster-id
    ].join(''),
  )
})

test('a header as RabbitMQ sends it is read', () => {
  const bytes = Buffer.from(
    '003c0000' + '0000000000000005' + 'b000' + '0a746578742f706c61696e' + '00000000' + '02',
    'hex',
  )
  expect(propertiesOf(bytes)).toStrictEqual({ contentType: 'text/plain', deliveryMode: 2 })
  expect(headersOf(bytes)).toStrictEqual({})
})

test('every subset of the properties comes back as it was, and nothing else does', () => {
  const fields = propertyFields().map(({ name }) => camelCase(name) as keyof MessageProperties)
  for (let subset = 0; subset < 2 ** fields.length; subset++) {
    const properties = Object.fromEntries(
      fields.filter((_, index) => (subset & (1 << index)) !== 0).map(name => [name, full[name]]),
    )
    const headers = subset % 2 === 0 ? undefined : { subset }
    const bytes = encode(properties, headers)
    deepStrictEqual(propertiesOf(bytes), properties)
    deepStrictEqual(headersOf(bytes), headers ?? {})
  }
})

test('random properties and headers come back as they were', () => {
  fc.assert(
    fc.property(messageProperties, table, (properties, headers) => {
      const bytes = encode(properties.sent, headers.sent)
      const reader = new Reader(bytes, FLAGS_AT)
      deepStrictEqual(decodeBasicProperties(reader), properties.received)
      expect(reader.remaining).toBe(0)
      deepStrictEqual(headersOf(bytes), headers.received)
    }),
    { numRuns: 300 },
  )
})

test('properties are a syntax error wherever they are cut short', () => {
  const bytes = encode(full, { k: 'v' })
  for (let end = FLAGS_AT; end < bytes.length; end++) {
    expect(() => decodeBasicProperties(new Reader(bytes, FLAGS_AT, end))).toThrow(AmqpSyntaxError)
  }
})

test('headers are a syntax error wherever they are cut short', () => {
  const bytes = encode({ contentType: 'a', contentEncoding: 'b' }, { k: 'v' })
  for (let end = FLAGS_AT; end < bytes.length; end++) {
    expect(() => decodeBasicHeaders(new Reader(bytes, FLAGS_AT, end))).toThrow(AmqpSyntaxError)
  }
})

test('random bytes give properties, headers or syntax errors', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), random => {
      for (const decode of [decodeBasicProperties, decodeBasicHeaders]) {
        try {
          decode(new Reader(Buffer.from(random)))
        } catch (error) {
          expect(error).toBeInstanceOf(AmqpSyntaxError)
        }
      }
    }),
    { numRuns: 2000 },
  )
})

test('flags of properties beyond the known ones do not disturb those', () => {
  const bytes = Buffer.from('1001' + '0001' + '8000' + '02' + '03abcdef', 'hex')
  expect(decodeBasicProperties(new Reader(bytes))).toStrictEqual({ deliveryMode: 2 })
})

describe('a timestamp', () => {
  test('loses its milliseconds, and is never rounded up', () => {
    expect(propertiesOf(encode({ timestamp: new Date(1999) })).timestamp).toEqual(new Date(1000))
  })

  test('beyond what a Date can hold is a wrapped number, as in headers, and the rest is read', () => {
    const bytes = Buffer.from('0060' + 'ffffffffffffffff' + '0174', 'hex')
    expect(decodeBasicProperties(new Reader(bytes))).toStrictEqual({
      timestamp: timestamp(2n ** 64n - 1n),
      type: 't',
    })
  })

  test('can be given as a wrapped number, in whole seconds', () => {
    expect(propertiesOf(encode({ timestamp: timestamp(1_234_567_890) })).timestamp).toEqual(full.timestamp)
    const last = { timestamp: timestamp(2n ** 64n - 1n) }
    expect(propertiesOf(encode(last))).toStrictEqual(last)
  })

  test.each([timestamp(-1), timestamp(1.5), timestamp(2n ** 64n), long(5)])(
    'cannot be the wrapped number %p',
    value => {
      const attempt = (): unknown => encode({ timestamp: value })
      expect(attempt).toThrow(ArgumentError)
      expect(attempt).toThrow(/^timestamp must be/)
    },
  )

  test.each([new Date(Number.NaN), new Date(-1), 1_234_567_890, '2009-02-13'])('cannot be %p', timestamp => {
    const attempt = (): unknown => encode({ timestamp: timestamp as Date })
    expect(attempt).toThrow(ArgumentError)
    expect(attempt).toThrow(/^timestamp must be a valid Date/)
  })
})

test('the property that AMQP cannot carry is named', () => {
  for (const { name, type } of propertyFields()) {
    const property = camelCase(name)
    const unfit = type === 'octet' ? [-1, 256, 1.5, '2', null] : ['é'.repeat(128), 5, null, {}]
    if (type === 'timestamp') continue
    for (const value of unfit) {
      const attempt = (): unknown => encode({ [property]: value } as MessageProperties)
      expect(attempt).toThrow(ArgumentError)
      expect(attempt).toThrow(new RegExp(`^${property} must`))
    }
  }
})

test.each([[[]], [new Map()], ['text'], [null]])('headers cannot be %p', headers => {
  const attempt = (): unknown => encode({}, headers as unknown as Table)
  expect(attempt).toThrow(ArgumentError)
  expect(attempt).toThrow(/^headers must be a plain object/)
})
