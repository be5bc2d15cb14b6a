/**
 * Owns how the error of an operation leads to the line of the program that called it. An error that comes from the network
 * or from a timer arises in no call: its stack would name functions of this library only.
 */
import { AmqpError } from './errors.js'

/** Where a method was called. To capture it takes microseconds; it is put into words only if it is asked for. */
export interface CallSite {
  readonly stack?: unknown
}

/** A function of this library, or a class. */
type Below = ((...args: never[]) => unknown) | (new (...args: never[]) => unknown)

/** Those that have their lines: an error may be the outcome of several calls. */
const led = new WeakSet<AmqpError>()

/** The lines that called a function of this library, that of `below` not among them. */
export function captureCallSite(below: Below): CallSite {
  const site: CallSite = {}
  Error.captureStackTrace(site, below)
  return site
}

/** Has an error of this library show where the method was called that it is about. */
export function leadTo(error: unknown, site: CallSite | undefined): void {
  if (site === undefined || !(error instanceof AmqpError) || led.has(error)) return
  led.add(error)
  const lines = linesOf(site)
  if (lines === '') return
  const value = `${error.name}: ${error.message}\n${lines}`
  Reflect.defineProperty(error, 'stack', { value, writable: true, enumerable: false, configurable: true })
}

/** The same promise; its error shows where the method was called. */
export async function leadingTo<T>(site: CallSite, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    leadTo(error, site)
    throw error
  }
}

/** The lines of a stack, without its head. Programs may have stacks put into other words. */
function linesOf(site: CallSite): string {
  try {
    const { stack } = site
    if (typeof stack !== 'string') return ''
    const begin = /^\s+at /m.exec(stack)?.index
    return begin === undefined ? '' : stack.slice(begin).trimEnd()
  } catch {
    // A program's own way to put stacks into words may throw.
    return ''
  }
}
