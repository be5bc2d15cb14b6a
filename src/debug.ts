/**
 * Owns the `debug` namespaces. Callers read `enabled` once per connection and skip formatting where it is false, so
 * that switched-off lines cost nothing; no caller passes a password.
 */
import debug from 'debug'

/** Connecting, handshake, tuning, heartbeats, blocking, closing. */
export const debugConnection = debug('puka:connection')
/** Every frame, both ways. */
export const debugFrame = debug('puka:frame')
/** Channels opened, closed, re-opened. */
export const debugChannel = debug('puka:channel')
/** Operations: issued, settled, abandoned. */
export const debugTicket = debug('puka:ticket')
/** What was thrown where nobody waits for it: most often a bug. */
export const debugError = debug('puka:error')
/** What happens when a connection is lost. */
export const debugRecovery = debug('puka:recovery')
