/** Covers what is remembered of deliveries that the broker has taken back, and for how long. */
import { expect, test } from '@jest/globals'
import { TakenBack } from '../../../src/session/taken-back.js'

test('what was taken back is known, and which is the first', () => {
  const takenBack = new TakenBack()
  expect([takenBack.lowest, takenBack.has(1)]).toEqual([Number.POSITIVE_INFINITY, false])
  for (const tag of [5, 3, 9]) takenBack.add(tag, false)
  expect(takenBack.lowest).toBe(3)
  expect([3, 4, 5, 9].map(tag => takenBack.has(tag))).toEqual([true, false, true, true])
})

test('one that its user had acked is one that no frame may reach, and no excuse for settling it again', () => {
  const takenBack = new TakenBack()
  takenBack.add(7, true)
  expect([takenBack.lowest, takenBack.has(7)]).toEqual([7, false])
})

test('after very many, the first are forgotten: whatever is that old is taken for one of them', () => {
  const takenBack = new TakenBack()
  for (let tag = 1; tag <= 65_535; tag++) takenBack.add(2 * tag, false)
  expect([takenBack.has(1), takenBack.has(2), takenBack.has(3)]).toEqual([false, true, false])
  takenBack.add(200_000, false)
  expect([takenBack.has(1), takenBack.has(2), takenBack.has(3)]).toEqual([true, true, false])
  takenBack.add(200_002, false)
  expect([takenBack.has(3), takenBack.has(5)]).toEqual([true, false])
  expect(takenBack.lowest).toBe(2)
})
