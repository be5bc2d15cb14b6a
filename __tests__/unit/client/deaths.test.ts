/** Covers the reading of `x-death`: what RabbitMQ sends, and whatever else a publisher may have put there. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readDeaths } from '../../../src/client/deaths.js'
import type { FieldValue, Table } from '../../../src/util/field-value.js'
import { scalar, table } from '../../support/wire/arbitraries.js'

const TIME = new Date(1_700_000_000_000)
const ENTRY: Table = {
  count: 3,
  reason: 'expired',
  queue: 'q',
  time: TIME,
  exchange: 'x',
  'routing-keys': ['a', 'b'],
  'original-expiration': '50',
}
const DEATH = {
  queue: 'q',
  reason: 'expired',
  count: 3,
  exchange: 'x',
  routingKeys: ['a', 'b'],
  time: TIME,
  originalExpiration: '50',
}

const without = (name: string): Table =>
  Object.fromEntries(Object.entries(ENTRY).filter(([key]) => key !== name))

describe('a header x-death', () => {
  test('gives each entry, in its order', () => {
    expect(readDeaths([ENTRY, { ...ENTRY, queue: 'other', reason: 'rejected' }])).toEqual([
      DEATH,
      { ...DEATH, queue: 'other', reason: 'rejected' },
    ])
  })

  test.each<[string, FieldValue]>([
    ['missing', undefined],
    ['null', null],
    ['a text', 'rejected'],
    ['a number', 1],
    ['a table', ENTRY],
    ['bytes', Buffer.from('rejected')],
    ['a time', TIME],
    ['empty', []],
  ])('gives nothing where it is %s', (_, header) => {
    expect(readDeaths(header)).toEqual([])
  })

  test.each<[string, FieldValue]>([
    ['null', null],
    ['a text', 'rejected'],
    ['an array of entries', [ENTRY]],
    ['bytes', Buffer.from('rejected')],
    ['a time', TIME],
    ['an empty table', {}],
    ['one without a queue', without('queue')],
    ['one without a reason', without('reason')],
    ['one whose queue is a number', { ...ENTRY, queue: 1 }],
    ['one whose queue is bytes', { ...ENTRY, queue: Buffer.from([0xff]) }],
    ['one whose reason is a table', { ...ENTRY, reason: {} }],
  ])('leaves out an entry that is %s, and gives the others', (_, entry) => {
    expect(readDeaths([ENTRY, entry, ENTRY])).toEqual([DEATH, DEATH])
  })

  test.each<[string, string, FieldValue, object]>([
    ['no count', 'count', undefined, { count: 1 }],
    ['a count that is text', 'count', '3', { count: 1 }],
    ['no exchange', 'exchange', undefined, { exchange: '' }],
    ['an exchange that is a number', 'exchange', 5, { exchange: '' }],
    ['no routing keys', 'routing-keys', undefined, { routingKeys: [] }],
    ['one routing key outside of an array', 'routing-keys', 'a', { routingKeys: [] }],
    ['routing keys of several types', 'routing-keys', ['a', 1, null, {}, 'b'], { routingKeys: ['a', 'b'] }],
    ['no time', 'time', undefined, { time: undefined }],
    ['a time that is a number', 'time', 1_700_000_000, { time: undefined }],
    ['no expiration', 'original-expiration', undefined, { originalExpiration: undefined }],
    ['an expiration that is a number', 'original-expiration', 50, { originalExpiration: undefined }],
  ])('fills in for %s', (_, name, value, expected) => {
    expect(readDeaths([{ ...ENTRY, [name]: value }])).toEqual([{ ...DEATH, ...expected }])
  })

  test.each<[string, FieldValue]>([
    ['a fraction', 0.5],
    ['negative', -1],
    ['beyond the safe numbers', 2 ** 60],
    ['a bigint', 2n ** 62n],
  ])('takes a count for 1 that is %s', (_, count) => {
    expect(readDeaths([{ ...ENTRY, count }])).toEqual([{ ...DEATH, count: 1 }])
  })

  test('never makes anything throw, whatever it holds', () => {
    const value: fc.Arbitrary<FieldValue> = fc.oneof(
      scalar.map(sample => sample.received),
      table.map(sample => sample.received),
      table.map(sample => ({ ...ENTRY, ...sample.received })),
    )
    fc.assert(
      fc.property(fc.oneof(value, fc.array(value)), header => {
        for (const death of readDeaths(header)) {
          expect(typeof death.queue).toBe('string')
          expect(typeof death.reason).toBe('string')
          expect(Number.isSafeInteger(death.count)).toBe(true)
          expect(death.routingKeys.every(key => typeof key === 'string')).toBe(true)
        }
      }),
    )
  })
})
