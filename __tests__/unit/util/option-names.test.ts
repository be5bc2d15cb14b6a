/** Covers the names of options: which are refused, and what the error says was meant. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError } from '../../../src/errors.js'
import { checkNames, misspelt, namesOf } from '../../../src/util/option-names.js'

interface Options {
  prefetchCount: number
  mandatory: boolean
  durable: boolean
  maxAttempts: number
  type: string
}

const NAMES = namesOf<Options>({
  prefetchCount: true,
  mandatory: true,
  durable: true,
  maxAttempts: true,
  type: true,
})

function messageFor(options: object): string {
  try {
    checkNames(options, NAMES)
  } catch (error) {
    expect(error).toBeInstanceOf(ArgumentError)
    return (error as Error).message
  }
  return ''
}

describe('checkNames', () => {
  test('lets known names pass, whatever their values are', () => {
    expect(messageFor({ durable: undefined, prefetchCount: null })).toBe('')
  })

  test('lets pass what an object inherits', () => {
    expect(messageFor(Object.create({ inherited: 1 }))).toBe('')
  })

  test.each([
    ['mandatroy', 'mandatory'],
    ['durabel', 'durable'],
    ['durble', 'durable'],
    ['Durable', 'durable'],
    ['DURABLE', 'durable'],
    ['prefetch', 'prefetchCount'],
    ['prefetch_count', 'prefetchCount'],
    ['max_attempts', 'maxAttempts'],
    ['attempts', 'maxAttempts'],
    ['types', 'type'],
  ])('says of %s that %s was meant', (name, meant) => {
    expect(messageFor({ [name]: 1 })).toBe(`${name} is no option; did you mean ${meant}?`)
  })

  test('lists the names where none is near, and says which is the nearest', () => {
    expect(messageFor({ quorum: true })).toBe(
      'quorum is no option; there are prefetchCount, mandatory, durable, maxAttempts, type; the nearest is durable',
    )
  })

  test('names the operation, and where the name stands', () => {
    const check = (): void => checkNames({ typo: 1 }, NAMES, { operation: 'connect', path: 'recovery.' })
    expect(check).toThrow('connect: recovery.typo is no option; did you mean type?')
    expect(check).toThrow(expect.objectContaining({ operation: 'connect' }))
  })

  test.each(['__proto__x', 'constructor', 'toString', ''])('takes the name %j for no known one', name => {
    expect(messageFor({ [name]: 1 })).toContain('is no option')
  })

  test('shows the beginning of a long name', () => {
    expect(messageFor({ ['x'.repeat(100_000)]: 1 }).length).toBeLessThan(200)
  })
})

describe('misspelt', () => {
  test.each([
    ['mandatroy', 'mandatory'],
    ['mandatry', 'mandatory'],
    ['mandattory', 'mandatory'],
    ['mandatori', 'mandatory'],
    ['durabel', 'durable'],
  ])('takes %s for %s', (name, meant) => {
    expect(misspelt(name, NAMES)).toBe(meant)
  })

  test.each(['durables', 'typ', 'kind', 'prefetch', 'orderNumber', 'x'.repeat(100_000)])(
    'takes %s for a name of its own',
    name => {
      expect(misspelt(name, NAMES)).toBeUndefined()
    },
  )
})
