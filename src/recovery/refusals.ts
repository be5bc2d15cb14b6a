/** Owns what the broker's refusals mean for something that was there before: which of them time may cure. */
import { AccessRefusedError, NotFoundError, ResourceLockedError } from '../errors.js'

/**
 * How long a place that is taken is waited for, in milliseconds. It may be the dead connection that still holds it: the
 * broker gives that up after two heartbeat intervals without a sign of life, and its own default interval is a minute.
 */
export const PATIENCE = 180_000

/** Somebody else has it for himself: maybe the dead connection of this very client. */
export function isHeld(error: unknown): boolean {
  return (
    error instanceof ResourceLockedError ||
    (error instanceof AccessRefusedError && error.message.includes('exclusive use'))
  )
}

/** It is there, on a node of the cluster that is not. */
export function isDown(error: unknown): boolean {
  return error instanceof NotFoundError && /home node|is down|not available/i.test(error.message)
}
