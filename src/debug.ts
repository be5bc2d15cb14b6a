/**
 * Owns the `debug` namespaces. Callers read `enabled` once per connection and skip formatting where it is false, so
 * that switched-off lines cost nothing; no caller passes a password. A line never throws, though what it shows, and where
 * it goes, may be the user's own.
 */
import { createRequire } from 'node:module'
import type { Debug, Debugger } from 'debug'

interface Line {
  /** Whether anybody sees the lines. */
  readonly enabled: boolean
  (text: string, ...values: unknown[]): void
}

let factory: Debug | undefined
let isMissing = false

/**
 * The package is loaded only when it is asked for: it takes longer than this library, and bundles in the form of an ES
 * module cannot load it. `debug.enable()` sets the variable, too.
 */
function loadDebug(): Debug | undefined {
  if (factory !== undefined || isMissing || !process.env.DEBUG) return factory
  try {
    // A bundle in the form of CommonJS has no `import.meta`.
    factory = createRequire(import.meta.url || `${process.cwd()}/`)('debug') as Debug
  } catch {
    isMissing = true
    if (/puka|\*/.test(process.env.DEBUG)) {
      process.emitWarning(
        "DEBUG is set, but the package 'debug' is not there: this program was bundled. Install it.",
      )
    }
  }
  return factory
}

function namespace(name: string): Line {
  let made: Debugger | undefined
  const line = (): Debugger | undefined => {
    made ??= loadDebug()?.(name)
    return made
  }
  const say = (text: string, ...values: unknown[]): void => {
    try {
      line()?.(text, ...values)
    } catch {
      // What is going on matters more than its report.
    }
  }
  return Object.defineProperty(say, 'enabled', { get: () => line()?.enabled ?? false }) as Line
}

/** Connecting, handshake, tuning, heartbeats, blocking, closing. */
export const debugConnection = namespace('puka:connection')
/** Every frame, both ways. */
export const debugFrame = namespace('puka:frame')
/** Channels opened, closed, re-opened. */
export const debugChannel = namespace('puka:channel')
/** Operations: issued, settled, abandoned. */
export const debugTicket = namespace('puka:ticket')
/** What was thrown where nobody waits for it: most often a bug. */
export const debugError = namespace('puka:error')
/** What happens when a connection is lost. */
export const debugRecovery = namespace('puka:recovery')
