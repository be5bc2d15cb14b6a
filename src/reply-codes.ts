/**
 * Owns what an error of the broker means beyond its class: whether time may cure it, and whether something that this
 * client sent ended the connection; and the code for what a peer did wrong.
 */
import { CHANNEL_OPEN } from './codec/methods.gen.js'
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
  NotAllowedError,
  NotFoundError,
  ProtocolError,
  ResourceLockedError,
} from './errors.js'

/**
 * How often an operation or a publish may be in flight when the broker ends the connection over an error in
 * what was sent, before it is given up: it may be that very error, and would end the next connection too.
 */
export const MAX_CONNECTION_FAULTS = 3

/**
 * How long a locked queue is waited for, in milliseconds. The dead connection of this very client may hold it: the broker
 * gives that up after two heartbeat intervals without a sign of life, and its own default interval is a minute.
 */
export const LOCK_TIMEOUT = 180_000

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

/** The broker allows this user no further channel (RabbitMQ, "User Limits"). */
export function isChannelLimit({ replyCode, classId = 0, methodId = 0 }: AmqpError): boolean {
  return replyCode === NOT_ALLOWED && ((classId << 16) | methodId) === CHANNEL_OPEN
}

/** Whether the same request may go well later. */
export function timeMayCure(error: unknown): boolean {
  return isLocked(error) || isUnavailable(error)
}

/** The queue exists, but its node of the cluster is down. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof NotFoundError && /home node|is down|not available/i.test(error.message)
}

/**
 * The broker does not let this user in, or speaks no AMQP 0-9-1, or is not asked at all, since it would not take what it needs to know: a new attempt does not cure it unless somebody changes
 * something. Where several hosts were asked, each of them has to have answered so.
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
