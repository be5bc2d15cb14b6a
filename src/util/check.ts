/** Owns the checks of values that users pass: each throws an {@link ArgumentError} that says what was expected. */
import { ArgumentError } from '../errors.js'

/** So much of a text that was not expected is shown. */
const MOST_SHOWN = 40

/**
 * A value that was not expected, for a message. An object is only named: putting it into words would run code of the user, and
 * some have none for that.
 */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, MOST_SHOWN))}`
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

/** Throws {@link ArgumentError} unless `options` is an object. */
export function checkOptions(operation: string, options: unknown): asserts options is object {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return
  const hint = typeof options === 'function' ? '. There are no callbacks: await what it returns' : ''
  throw new ArgumentError(`${operation}: the options must be an object, got ${shown(options)}${hint}`, {
    operation,
  })
}

/** Throws {@link ArgumentError} unless `value` is true or false. */
export function checkFlag(name: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw new ArgumentError(`${name} must be true or false`)
}

/** Throws {@link ArgumentError} unless `value` is one of these words. */
export function checkOneOf(name: string, value: unknown, words: readonly string[]): void {
  if (typeof value === 'string' && words.includes(value)) return
  throw new ArgumentError(`${name} must be ${words.map(word => `'${word}'`).join(' or ')}`)
}

/** Throws {@link ArgumentError} unless `value` is a whole number from `min` to `max`. */
export function checkWhole(
  name: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return
  throw new ArgumentError(`${name} must be a whole number from ${min} to ${max}, got ${shown(value)}`)
}

/** Throws {@link ArgumentError} unless `value` is a number, `least` or more. */
export function checkAtLeast(name: string, value: unknown, least: number): asserts value is number {
  if (typeof value === 'number' && value >= least) return
  throw new ArgumentError(`${name} must be a number, ${least} or more, got ${shown(value)}`)
}

/** Throws {@link ArgumentError} unless `value` is a string. The message does not repeat it: it may be a secret. */
export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new ArgumentError(`${name} must be a string, got ${typeof value}`)
}

/** Throws {@link ArgumentError} unless `value` is an AbortSignal, or undefined. */
export function checkSignal(name: string, value: unknown): asserts value is AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return
  throw new ArgumentError(`${name} must be an AbortSignal`)
}

/** Throws {@link ArgumentError} unless `value` is a number of milliseconds above 0, or undefined. */
export function checkTimeout(name: string, value: unknown): asserts value is number | undefined {
  if (value === undefined || (typeof value === 'number' && value > 0)) return
  throw new ArgumentError(`${name} must be a number of milliseconds above 0, got ${shown(value)}`)
}
