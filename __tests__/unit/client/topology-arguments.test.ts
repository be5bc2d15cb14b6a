/** Covers what becomes of the options of declare, delete and bind: the defaults, each option, and what is left out. */
import { describe, expect, test } from '@jest/globals'
import {
  bindingArguments,
  exchangeDeclareArguments,
  exchangeDeleteArguments,
  NO_ARGUMENTS,
  queueDeclareArguments,
  queueDeleteArguments,
} from '../../../src/client/topology-arguments.js'

/** One function, what it gives without options, and its options, each with a value that is not the default. */
interface Reading {
  readonly read: (options: object) => object
  readonly defaults: object
  readonly options: Readonly<Record<string, unknown>>
}

const TABLE = { 'x-some': 1 }

const readings: [string, Reading][] = [
  [
    'exchangeDeclare',
    {
      read: options => exchangeDeclareArguments('e', options),
      defaults: {
        exchange: 'e',
        type: 'direct',
        passive: false,
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: {},
        noWait: false,
      },
      options: {
        type: 'topic',
        durable: false,
        autoDelete: true,
        internal: true,
        passive: true,
        arguments: TABLE,
      },
    },
  ],
  [
    'exchangeDelete',
    {
      read: options => exchangeDeleteArguments('e', options),
      defaults: { exchange: 'e', ifUnused: false, noWait: false },
      options: { ifUnused: true },
    },
  ],
  [
    'queueDeclare',
    {
      read: options => queueDeclareArguments('q', options),
      defaults: {
        queue: 'q',
        passive: false,
        durable: true,
        exclusive: false,
        autoDelete: false,
        arguments: {},
        noWait: false,
      },
      options: { durable: false, autoDelete: true, passive: true, arguments: TABLE },
    },
  ],
  [
    'queueDelete',
    {
      read: options => queueDeleteArguments('q', options),
      defaults: { queue: 'q', ifUnused: false, ifEmpty: false, noWait: false },
      options: { ifUnused: true, ifEmpty: true },
    },
  ],
  [
    'a binding',
    {
      read: options => bindingArguments('k', options),
      defaults: { routingKey: 'k', arguments: {}, noWait: false },
      options: { arguments: TABLE },
    },
  ],
]

describe.each(readings)('of %s', (_, { read, defaults, options }) => {
  test('every option has a default, also where it is undefined', () => {
    expect(read({})).toEqual(defaults)
    const nothing = Object.fromEntries(Object.keys(options).map(name => [name, undefined]))
    expect(read(nothing)).toEqual(defaults)
  })

  test.each(Object.entries(options))('the option %s is taken, and changes nothing else', (name, value) => {
    expect(read({ [name]: value })).toEqual({ ...defaults, [name]: value })
  })

  test('what is of no concern to the broker is left out', () => {
    expect(read({ timeout: 5, signal: new AbortController().signal, noWait: true })).toEqual(defaults)
  })
})

describe('an exclusive queue', () => {
  test('is not durable, unless that is asked for', () => {
    expect(queueDeclareArguments('q', { exclusive: true })).toMatchObject({ exclusive: true, durable: false })
    expect(queueDeclareArguments('q', { exclusive: true, durable: undefined as never }).durable).toBe(false)
    expect(queueDeclareArguments('q', { exclusive: true, durable: true }).durable).toBe(true)
    expect(queueDeclareArguments('q', { exclusive: true, durable: false }).durable).toBe(false)
  })
})

describe('null', () => {
  const none = null as never

  test('counts as no arguments', () => {
    expect(exchangeDeclareArguments('e', { arguments: none }).arguments).toEqual({})
    expect(queueDeclareArguments('q', { arguments: none }).arguments).toEqual({})
    expect(bindingArguments('k', { arguments: none }).arguments).toEqual({})
  })

  test("leaves a queue's durability to the default", () => {
    expect(queueDeclareArguments('q', { durable: none }).durable).toBe(true)
    expect(queueDeclareArguments('q', { durable: none, exclusive: true }).durable).toBe(false)
  })
})

test('the empty arguments are shared, so nobody can change them', () => {
  expect(exchangeDeclareArguments('e', {}).arguments).toBe(NO_ARGUMENTS)
  expect(queueDeclareArguments('q', {}).arguments).toBe(NO_ARGUMENTS)
  expect(bindingArguments('k', {}).arguments).toBe(NO_ARGUMENTS)
  expect(Object.isFrozen(NO_ARGUMENTS)).toBe(true)
  expect(NO_ARGUMENTS).toEqual({})
})
