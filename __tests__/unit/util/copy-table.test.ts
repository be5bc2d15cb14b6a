/** Covers the copies of field tables: equal to what was given, and out of its reach. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decimal, short, type Table, timestamp } from '../../../src/index.js'
import { copyTable } from '../../../src/util/copy-table.js'

describe('a copy of a table', () => {
  test('equals it, whatever it holds', () => {
    const table: Table = {
      text: 'x',
      number: 1.5,
      big: 2n ** 60n,
      flag: true,
      nothing: null,
      missing: undefined,
      date: new Date(1000),
      bytes: Buffer.from([1, 2]),
      short: short(3),
      time: timestamp(4),
      decimal: decimal(5n, 1),
      array: [1, ['a'], { b: null }],
      table: { deeper: { deepest: [] } },
    }
    expect(copyTable(table)).toEqual(table)
    expect(Object.keys(copyTable(table))).toEqual(Object.keys(table))
  })

  test('equals it, whatever its names are, __proto__ too', () => {
    const table = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": "x", "": 1}') as Table
    const copy = copyTable(table)
    expect(Object.keys(copy)).toEqual(['__proto__', 'constructor', ''])
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(JSON.stringify(copy)).toBe(JSON.stringify(table))
    expect(({} as Table).polluted).toBeUndefined()
  })

  test('does not change with what was given, however deep that is', () => {
    const bytes = new Uint8Array([1, 2, 3])
    const date = new Date(1000)
    const inner: Table = { list: [{ name: 'before' }] }
    const table: Table = { bytes, date, inner, array: [bytes] }
    const copy = copyTable(table)
    bytes[0] = 9
    date.setTime(2000)
    ;(inner.list as Table[]).push({ name: 'after' })
    ;((inner.list as Table[])[0] as Table).name = 'after'
    table.another = 1
    expect(copy).toEqual({
      bytes: Buffer.from([1, 2, 3]),
      date: new Date(1000),
      inner: { list: [{ name: 'before' }] },
      array: [Buffer.from([1, 2, 3])],
    })
  })

  test('of any table shares no object with it', () => {
    const { table } = fc.letrec<{ value: unknown; table: Table }>(tie => ({
      value: fc.oneof({ maxDepth: 4 }, fc.string(), fc.integer(), fc.array(tie('value')), tie('table')),
      table: fc.dictionary(fc.string(), tie('value')) as fc.Arbitrary<Table>,
    }))
    fc.assert(
      fc.property(table, given => {
        const objects = new Set(objectsIn(given))
        const copy = copyTable(given)
        expect(copy).toEqual({ ...given })
        for (const object of objectsIn(copy)) expect(objects.has(object)).toBe(false)
      }),
    )
  })
})

function objectsIn(value: unknown): object[] {
  if (typeof value !== 'object' || value === null) return []
  return [value, ...Object.values(value).flatMap(objectsIn)]
}
