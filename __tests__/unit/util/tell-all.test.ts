/** Covers that each of several parties is told, whatever the others make of it. */
import { format } from 'node:util'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import debug from 'debug'
import { takeAll, tellAll } from '../../../src/util/tell-all.js'

const { log } = debug
let lines: string[] = []

beforeEach(() => {
  lines = []
  debug.log = (...args: unknown[]) => lines.push(format(...args))
})
afterEach(() => {
  debug.disable()
  debug.log = log
})

test('all are told, in order, also behind one that throws', () => {
  const told: number[] = []
  tellAll([1, 2, 3], party => {
    told.push(party)
    if (party !== 2) throw new Error(`${party} cannot`)
  })
  expect(told).toEqual([1, 2, 3])
})

test('those are told that are there at first, whoever comes or goes meanwhile', () => {
  const parties = new Set([1, 2])
  const told: number[] = []
  tellAll(parties, party => {
    told.push(party)
    parties.clear()
    parties.add(party + 10)
  })
  expect(told).toEqual([1, 2])
})

test('what is thrown is a debug line, with its stack', () => {
  debug.enable('puka:error')
  takeAll(
    () => {
      throw new Error('not now')
    },
    () => {
      throw 'a text'
    },
  )
  expect(lines).toHaveLength(2)
  expect(lines[0]).toMatch(/Error: not now\n\s+at .*tell-all\.test/)
  expect(lines[1]).toContain('a text')
})

test('every step is taken, in order', () => {
  const taken: string[] = []
  takeAll(
    () => taken.push('first'),
    () => {
      throw new Error('second')
    },
    () => taken.push('third'),
  )
  expect(taken).toEqual(['first', 'third'])
})
