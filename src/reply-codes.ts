/**
 * Owns what an error of the broker means beyond its class: whether time may cure it, and whether something that this
 * client sent ended the connection; and the code for what a peer did wrong.
 */
import {
  CHANNEL_ERROR,
  COMMAND_INVALID,
  FRAME_ERROR,
  INTERNAL_ERROR,
  NOT_ALLOWED,
  RESOURCE_ERROR,
  SYNTAX_ERROR,
  UNEXPECTED_FRAME,
} from './constants.gen.js'
import {
  AccessRefusedError,
  type AmqpError,
  ArgumentError,
  AuthenticationError,
  ConnectionBrokenError,
  ConnectionForcedError,
  InternalError,
  NotAllowedError,
  NotFoundError,
  PreconditionFailedError,
  ProtocolError,
  ResourceError,
  ResourceLockedError,
} from './errors.js'

/**
 * How often an operation or a publish may be in flight when the broker ends the connection over an error in
 * what was sent, before it is given up: it may be that very error, and would end the next connection too.
 */
export const MAX_CONNECTION_FAULTS = 3

/**
 * How long a refusal that time may cure is put up with, in milliseconds, unless the user says otherwise. The dead connection
 * of this very client may hold a queue: the broker gives that up after two heartbeat intervals without a sign of life, and
 * its own default interval is a minute.
 */
export const DEFAULT_PATIENCE = 180_000

/** The broker ended the connection over an error in what was sent (AMQP 0-9-1, hard errors from 501 on). */
export function isConnectionFault({ replyCode = 0 }: AmqpError): boolean {
  return replyCode >= FRAME_ERROR
}

/** Another connection holds a queue exclusively: maybe the dead one of this very client. */
export function isLocked(error: unknown): boolean {
  return (
    error instanceof ResourceLockedError ||
    (error instanceof AccessRefusedError && error.message.includes('exclusive use'))
  )
}

const CHANNEL_CLASS = 20
const OPEN_METHOD = 10
/** RabbitMQ names no method, only the user or the node. */
const TOO_MANY_CHANNELS = /number of channels opened (for|on)/

/** The broker allows no further channel, to this user (RabbitMQ, "User Limits") or at all. */
export function isChannelLimit({ replyCode, classId, methodId, message }: AmqpError): boolean {
  if (replyCode !== NOT_ALLOWED) return false
  return (
    (classId === CHANNEL_CLASS && methodId === OPEN_METHOD) || TOO_MANY_CHANNELS.test(withoutNames(message))
  )
}

/** The broker ended the connection over a request, and would do so again: what it asks for is at fault. */
export function isRequestFault(reason: AmqpError): boolean {
  return isConnectionFault(reason) && !isChannelLimit(reason)
}

/** What RabbitMQ says where a queue exists and cannot be reached: its node is down, or its process has stopped or is moving. */
const UNAVAILABLE = /home node|is down|not available|stopped|stopping|demoted|crashed|due to timeout/i
/** The same code, but there is no queue of that name, which is told first. */
const DELETED = /(^|- |: )no queue '/
/** A replica of a stream starts later than its node. */
const NO_REPLICA = /not have a running/i

/** RabbitMQ does not permit a feature any more. */
const DEPRECATED = /deprecated/i

/** The queue exists, but what serves it is down for now. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof NotFoundError) {
    return !DELETED.test(error.message) && UNAVAILABLE.test(withoutNames(error.message))
  }
  return error instanceof PreconditionFailedError && NO_REPLICA.test(withoutNames(error.message))
}

/** Names in a text of the broker may be anything. */
function withoutNames(text: string): string {
  return text.replace(/'[^']*'/g, "''")
}

/**
 * What was refused may be granted a little later, with nobody doing anything about it: what is asked for is in use by
 * another connection, or its node is down, starts, or fails for the moment, or there is no room for it just now. What is
 * wrong with the request itself, what does not exist, and what the user may not do stays as it is.
 */
export function timeMayCure(error: unknown): boolean {
  if (isLocked(error) || isUnavailable(error)) return true
  if (error instanceof InternalError) return !DEPRECATED.test(withoutNames(error.message))
  return error instanceof ResourceError || error instanceof ConnectionForcedError
}

/**
 * The broker does not let this user in, or speaks no AMQP 0-9-1, or is not asked at all, since it would not take what it
 * needs to know: a new attempt does not cure it unless somebody changes something. Where several hosts were asked, each of
 * them has to have answered so.
 */
export function isRefusal(error: unknown): boolean {
  const { cause } = (error ?? {}) as Error
  if (cause instanceof AggregateError) return cause.errors.every(isRefusal)
  // Who hung up without a word may be a proxy whose brokers are down.
  if (error instanceof ProtocolError) return !(cause instanceof ConnectionBrokenError)
  if (error instanceof ArgumentError) return error.operation === 'connect'
  return error instanceof AuthenticationError || error instanceof NotAllowedError
}

const violationCodes: Readonly<Record<string, number>> = {
  FRAME_ERROR,
  SYNTAX_ERROR,
  COMMAND_INVALID,
  CHANNEL_ERROR,
  UNEXPECTED_FRAME,
  RESOURCE_ERROR,
}

/** The reply code for a peer that broke the protocol. */
export function violationCode({ code }: AmqpError): number {
  return violationCodes[code] ?? INTERNAL_ERROR
}
