/** Covers the behaviour of the wrappers for field values; how they are encoded is the codec's tests' to say. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  byte,
  Decimal,
  decimal,
  double,
  float,
  int,
  long,
  short,
  Typed,
  timestamp,
  unsignedByte,
  unsignedInt,
  unsignedShort,
} from '../../../src/util/field-value.js'

describe('the wrappers for numbers', () => {
  test.each([
    ['byte', byte, 'short-short-int'],
    ['unsignedByte', unsignedByte, 'short-short-uint'],
    ['short', short, 'short-int'],
    ['unsignedShort', unsignedShort, 'short-uint'],
    ['int', int, 'long-int'],
    ['unsignedInt', unsignedInt, 'long-uint'],
    ['long', long, 'long-long-int'],
    ['float', float, 'float'],
    ['double', double, 'double'],
    ['timestamp', timestamp, 'timestamp'],
  ] as const)('%s keeps the number, and asks for the wire type that its name promises', (_, make, type) => {
    const typed = make(42)
    expect(typed).toBeInstanceOf(Typed)
    expect(typed).toMatchObject({ type, value: 42 })
  })

  test('take bigints where numbers are too small', () => {
    expect(long(2n ** 62n).value).toBe(2n ** 62n)
    expect(timestamp(2n ** 40n).value).toBe(2n ** 40n)
  })

  test('count and compare as the number they hold', () => {
    expect(Number(short(3)) + 4).toBe(7)
    expect(short(3) < int(4)).toBe(true)
    expect(long(10n) > long(9n)).toBe(true)
  })
})

describe('decimal', () => {
  test.each([
    [314n, 2, '3.14'],
    [-314n, 2, '-3.14'],
    [7, 0, '7'],
    [-7, 0, '-7'],
    [5, 3, '0.005'],
    [-5, 3, '-0.005'],
    [0, 2, '0.00'],
    [100, 2, '1.00'],
    [-2_147_483_648n, 9, '-2.147483648'],
  ])('%p with scale %p reads %s', (unscaled, scale, text) => {
    expect(String(decimal(unscaled, scale))).toBe(text)
  })

  test('takes its digits as a number or a bigint, and keeps them as a bigint', () => {
    expect(decimal(5, 1)).toBeInstanceOf(Decimal)
    expect(decimal(5, 1)).toEqual(decimal(5n, 1))
    expect(decimal(5, 1).unscaled).toBe(5n)
  })

  test('reads as the number that it is', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 20 }), (unscaled, scale) => {
        const text = String(decimal(unscaled, scale))
        expect(text).toMatch(scale === 0 ? /^-?\d+$/ : new RegExp(`^-?\\d+\\.\\d{${scale}}$`))
        expect(BigInt(text.replace('.', ''))).toBe(BigInt(unscaled))
      }),
    )
  })
})
