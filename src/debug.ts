/**
 * Owns the `debug` namespaces. Callers read `enabled` once per connection and skip formatting where it is false, so
 * that switched-off lines cost nothing; no caller passes a password. A line never throws, though what it shows, and where
 * it goes, may be the user's own.
 */
import debug from 'debug'

interface Line {
  /** Whether anybody sees the lines. */
  readonly enabled: boolean
  (text: string, ...values: unknown[]): void
}

function namespace(name: string): Line {
  const line = debug(name)
  const say = (text: string, ...values: unknown[]): void => {
    try {
      line(text, ...values)
    } catch {
      // What is going on matters more than its report.
    }
  }
  return Object.defineProperty(say, 'enabled', { get: () => line.enabled }) as Line
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
