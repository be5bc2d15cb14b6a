/** Owns the first invariant: what the library throws is an error of its own, and no report of a bug of its own. */
import { AmqpError, InternalError } from '../../src/errors.js'
import { BrokenInvariant } from './errors.js'

/** What came of a call: a value, or an error of the library. */
export type Attempt<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: AmqpError }

/** Throws on whatever is no error of the library. */
export function attempt<T>(call: () => T): Attempt<T> {
  try {
    return { value: call() }
  } catch (error) {
    return { error: ownError(error) }
  }
}

/** The error, if it is one that a user may get; else this throws. */
export function ownError(error: unknown): AmqpError {
  if (!(error instanceof AmqpError)) throw error
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof InternalError && cause.cause !== undefined) throw cause.cause
    if (!(cause instanceof AmqpError) && isBug(cause)) throw cause
  }
  return error
}

/** Errors of the runtime that no peer and no user can have caused by right. */
function isBug(error: Error): boolean {
  return (
    error instanceof BrokenInvariant ||
    ['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'EvalError'].includes(error.name)
  )
}

/** An outcome in a few words: numbers and texts of the input left out. */
export function kindOf(error: Error | undefined): string {
  if (error === undefined) return 'ok'
  return `${error.name} ${error.message.replace(/['"`].*['"`]|0x[0-9a-f]+|\d+/g, '#').slice(0, 80)}`
}
