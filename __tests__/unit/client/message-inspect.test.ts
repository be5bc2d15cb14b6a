/** Covers what console.log shows of messages, also of those that cannot be decoded. */
import { inspect } from 'node:util'
import { expect, test } from '@jest/globals'
import { Message } from '../../../src/client/message.js'
import { encodeBasicDeliver, encodeBasicReturn } from '../../../src/codec/methods.gen.js'
import { encodeBasicHeader } from '../../../src/codec/properties.gen.js'
import type { Content } from '../../../src/connection/content.js'
import { NoRouteError } from '../../../src/errors.js'
import { readReturned } from '../../../src/publishing/returned-message.js'
import type { Settler } from '../../../src/session/settlement.js'
import { type Table, timestamp } from '../../../src/util/field-value.js'
import { Writer } from '../../../src/wire/writer.js'

/** The ids of class and method stand before a method's fields; class, weight and body size before the property flags. */
const METHOD_IDS = 4
const HEADER_FIXED = 12

const settler = {
  publicTag: (tag: string) => tag,
  isFromStream: () => false,
} as unknown as Settler

const deliver = written(w =>
  encodeBasicDeliver(w, {
    consumerTag: 'tag',
    deliveryTag: 7,
    redelivered: false,
    exchange: 'events',
    routingKey: 'a.b',
  }),
).subarray(METHOD_IDS)
const good = written(w => encodeBasicHeader(w, 4, { type: 'x' }, { trace: 'id' })).subarray(HEADER_FIXED)

test('a message shows its envelope, properties, headers and body', () => {
  expect(shown(deliver, good)).toBe(
    "{ deliveryTag: 7, exchange: 'events', routingKey: 'a.b', redelivered: false, consumerTag: 'tag', " +
      "properties: { type: 'x' }, headers: { trace: 'id' }, body: <Buffer 62 6f 64 79> }",
  )
})

test('headers of a type that does not exist show why they cannot be decoded, and all else as it is', () => {
  const text = shown(deliver, Buffer.from('2000' + '00000003' + '016b' + '01', 'hex'))
  expect(text).toContain("exchange: 'events'")
  expect(text).toContain('properties: {}, headers: <cannot be decoded: there is no field type 0x01>, body')
})

test('properties that are cut short show why they cannot be decoded, and the headers are there', () => {
  const text = shown(deliver, Buffer.from('2080' + '00000000' + '05', 'hex'))
  expect(text).toMatch(/properties: <cannot be decoded: the data ends early: .*>, headers: {}, body/)
})

test('an envelope that is cut short shows why it cannot be decoded, and the rest is there', () => {
  const text = shown(deliver.subarray(0, 8), good)
  for (const part of ['exchange', 'routingKey', 'redelivered', 'consumerTag']) {
    expect(text).toMatch(new RegExp(`${part}: <cannot be decoded: .*?>, `))
  }
  expect(text).toContain("properties: { type: 'x' }, headers: { trace: 'id' }")
})

test('whatever is cut short, and wherever, a message can be shown', () => {
  for (let end = 0; end <= deliver.length; end++) shown(deliver.subarray(0, end), good)
  for (let end = 0; end <= good.length; end++) shown(deliver, good.subarray(0, end))
})

test('a returned message, and the error that holds it, show what odd headers there are', () => {
  const headers: Table = { constructor: 'c', toString: null, inspect: 1, at: timestamp(2n ** 64n - 1n) }
  Object.defineProperty(headers, '__proto__', { value: 'p', enumerable: true })
  const method = written(w =>
    encodeBasicReturn(w, { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'k' }),
  )
  const header = written(w => encodeBasicHeader(w, 4, { timestamp: timestamp(2n ** 63n) }, headers))
  const { message } = readReturned(contentOf(method.subarray(METHOD_IDS), header.subarray(HEADER_FIXED)))
  expect(inspect(message)).toContain("constructor: 'c'")
  expect(inspect(new NoRouteError('it came back', message), { depth: 5 })).toContain('18446744073709551615n')
})

function shown(method: Buffer, header: Buffer): string {
  return inspect(new Message(contentOf(method, header), 7, settler, false, false), {
    breakLength: Number.POSITIVE_INFINITY,
    depth: 4,
  })
}

function contentOf(methodBytes: Buffer, headerBytes: Buffer): Content {
  return {
    methodBytes,
    methodAt: 0,
    methodEnd: methodBytes.length,
    headerBytes,
    headerAt: 0,
    headerEnd: headerBytes.length,
    bodyBytes: Buffer.from('body'),
    bodyAt: 0,
    bodyEnd: 4,
  }
}

function written(write: (w: Writer) => void): Buffer {
  const writer = new Writer()
  write(writer)
  return Buffer.from(writer.unit())
}
