/** Covers how the error of an operation leads to the line that called it. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { captureCallSite, leadTo } from '../../src/call-site.js'
import { ArgumentError, TimeoutError } from '../../src/errors.js'
import { withoutStack } from '../../src/operation-errors.js'

const { prepareStackTrace, stackTraceLimit } = Error

afterEach(() => {
  if (prepareStackTrace === undefined) Reflect.deleteProperty(Error, 'prepareStackTrace')
  else Error.prepareStackTrace = prepareStackTrace
  Error.stackTraceLimit = stackTraceLimit
})

function libraryMethod() {
  return captureCallSite(libraryMethod)
}

function userCode() {
  return libraryMethod()
}

const lateError = (): TimeoutError => withoutStack(() => new TimeoutError('it took too long'))

describe('leadTo', () => {
  test('has an error show the lines that called the library, under its name and its message', () => {
    const error = lateError()
    leadTo(error, userCode())
    const lines = error.stack?.split('\n') ?? []
    expect(lines[0]).toBe('TimeoutError: it took too long')
    expect(lines[1]).toMatch(/at userCode .*call-site\.test\.ts:\d+/)
    expect(error.stack).not.toContain('libraryMethod')
  })

  test('keeps the stack out of what is listed', () => {
    const error = lateError()
    leadTo(error, userCode())
    expect(Object.keys(error)).not.toContain('stack')
  })

  test('leaves an error alone that has its lines, is frozen, or is of another library', () => {
    const first = lateError()
    leadTo(first, userCode())
    const { stack } = first
    leadTo(first, libraryMethod())
    expect(first.stack).toBe(stack)
    const frozen = Object.freeze(lateError())
    expect(() => leadTo(frozen, userCode())).not.toThrow()
    const other = new Error('of another library')
    const before = other.stack
    leadTo(other, userCode())
    expect(other.stack).toBe(before)
    expect(() => leadTo(undefined, userCode())).not.toThrow()
  })

  test('leaves an error as it is where no stack was captured', () => {
    const error = new ArgumentError('as it is')
    const { stack } = error
    leadTo(error, undefined)
    Error.stackTraceLimit = 0
    leadTo(error, userCode())
    expect(error.stack).toBe(stack)
  })

  test('puts up with a program that has stacks put into other words, or none', () => {
    const [first, second] = [lateError(), lateError()]
    Error.prepareStackTrace = () => ({ no: 'words' })
    expect(() => leadTo(first, userCode())).not.toThrow()
    Error.prepareStackTrace = () => {
      throw new RangeError('no stacks here')
    }
    expect(() => leadTo(second, userCode())).not.toThrow()
  })
})
