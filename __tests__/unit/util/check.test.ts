/** Covers the checks of what users pass: what is let through, and what the error says of the rest. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError } from '../../../src/errors.js'
import {
  checkAtLeast,
  checkFlag,
  checkOptions,
  checkSignal,
  checkText,
  checkTimeout,
  checkWhole,
} from '../../../src/util/check.js'

const { signal } = new AbortController()

/** It cannot be put into words. */
const rude = {
  toString: () => {
    throw new Error('no words')
  },
}

const good: [string, () => void][] = [
  ['an object', () => checkOptions('queueBind', {})],
  ['a flag', () => checkFlag('durable', false)],
  ['the lowest whole number', () => checkWhole('count', 1, 1, 3)],
  ['the highest whole number', () => checkWhole('count', 3, 1, 3)],
  ['a number', () => checkAtLeast('factor', 1.5, 1)],
  ['infinity', () => checkAtLeast('attempts', Number.POSITIVE_INFINITY, 1)],
  ['a text', () => checkText('name', '')],
  ['a signal', () => checkSignal('signal', signal)],
  ['no signal', () => checkSignal('signal', undefined)],
  ['a timeout', () => checkTimeout('timeout', 0.5)],
  ['no timeout', () => checkTimeout('timeout', undefined)],
]

const bad: [() => void, string][] = [
  ...(
    [
      [null, 'null'],
      [5, '5'],
      ['text', 'the string "text"'],
      [true, 'true'],
      [['list'], 'an array'],
      [() => 'called back', 'a function. There are no callbacks: await what it returns'],
    ] as const
  ).map(([value, shown]): [() => void, string] => [
    () => checkOptions('queueBind', value),
    `queueBind: the options must be an object, got ${shown}`,
  ]),
  [() => checkFlag('durable', 1), 'durable must be true or false'],
  [() => checkWhole('count', 0, 1, 3), 'count must be a whole number from 1 to 3, got 0'],
  [() => checkWhole('count', 4, 1, 3), 'count must be a whole number from 1 to 3, got 4'],
  [() => checkWhole('count', 1.5, 1, 3), 'count must be a whole number from 1 to 3, got 1.5'],
  [() => checkWhole('count', '2', 1, 3), 'count must be a whole number from 1 to 3, got the string "2"'],
  [
    () => checkWhole('count', Object.create(null), 1, 3),
    'count must be a whole number from 1 to 3, got an object',
  ],
  [() => checkWhole('count', Symbol('s'), 1, 3), 'count must be a whole number from 1 to 3, got Symbol(s)'],
  [() => checkAtLeast('factor', [Symbol('s')], 1), 'factor must be a number, 1 or more, got an array'],
  [() => checkTimeout('timeout', rude), 'timeout must be a number of milliseconds above 0, got an object'],
  [
    () => checkTimeout('timeout', () => 1),
    'timeout must be a number of milliseconds above 0, got a function',
  ],
  [() => checkAtLeast('factor', 0.5, 1), 'factor must be a number, 1 or more, got 0.5'],
  [() => checkAtLeast('factor', Number.NaN, 1), 'factor must be a number, 1 or more, got NaN'],
  [() => checkText('password', 5), 'password must be a string, got number'],
  [() => checkSignal('signal', {}), 'signal must be an AbortSignal'],
  ...[0, -1, Number.NaN].map((value): [() => void, string] => [
    () => checkTimeout('timeout', value),
    `timeout must be a number of milliseconds above 0, got ${value}`,
  ]),
]

describe('a check', () => {
  test.each(good)('lets %s through', (_, check) => {
    expect(check).not.toThrow()
  })

  test.each(bad)('throws ArgumentError for the rest: %#', (check, message) => {
    expect(check).toThrow(expect.objectContaining({ constructor: ArgumentError, message }))
  })
})
