/**
 * Owns the suspicion against what was under way when the broker ended the connection for an error in what was sent: it
 * may be that very error, and then it would end the next connection, too.
 */
import type { AmqpError } from '../errors.js'

/** So often something may be under way when that happens, before it is held guilty. */
export const MOST_HARD_LOSSES = 3
/** Reply codes from here on are those of errors in what was sent. */
const HARD_ERRORS = 501

/** The broker ended the connection for an error in what was sent. */
export function isHardLoss({ replyCode = 0 }: AmqpError): boolean {
  return replyCode >= HARD_ERRORS
}
