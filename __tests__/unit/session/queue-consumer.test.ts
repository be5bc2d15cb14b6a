/** Covers what counts as the offset of a message in its stream. */
import { expect, test } from '@jest/globals'
import { offsetOf } from '../../../src/session/queue-consumer.js'
import type { FieldValue } from '../../../src/util/field-value.js'

test.each<FieldValue>([0, 1, 2 ** 53 - 2])('%p is an offset', header => {
  expect(offsetOf(header)).toBe(header)
})

test.each<FieldValue>([
  -1,
  0.5,
  1e-300,
  -1e-300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53 - 1,
  2n ** 60n,
  '1',
  null,
])('%p is none', header => {
  expect(offsetOf(header)).toBeUndefined()
})
