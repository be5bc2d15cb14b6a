/** Owns how an error is told to the one operation that it belongs to: its name, its ticket, its cause. */
import { type CallSite, leadTo } from './call-site.js'
import {
  AlreadySettledError,
  AmqpError,
  ArgumentError,
  ConnectionBrokenError,
  ConnectionClosedError,
  type ErrorContext,
  ResourceError,
  TimeoutError,
} from './errors.js'
import type { AmqpErrorClass } from './reply-errors.js'

/** Why a connection ended. */
export interface ConnectionLoss {
  readonly reason: AmqpError
  /** The requests in progress that the broker may mean, where it named a method. */
  readonly blamed: readonly ErrorContext[]
}

/**
 * What the end of the connection means for one operation: {@link ConnectionClosedError} if the client was closed,
 * else {@link ConnectionBrokenError} with the reason as its cause, and with the reply code of the broker, if it gave one.
 */
export function connectionLost(reason: AmqpError, context: ErrorContext): AmqpError {
  const subject = context.operation === undefined ? '' : `${context.operation}: `
  const { operation, ticket } = context
  if (reason instanceof ConnectionClosedError) {
    const text = `${subject}${reason.message}`
    return withoutStack(() => new ConnectionClosedError(text, { operation, ticket, cause: reason }))
  }
  const cause = reason instanceof ConnectionBrokenError && reason.cause !== undefined ? reason.cause : reason
  const text = `${subject}the connection was lost: ${reason.message}`
  const { replyCode, classId, methodId } = cause instanceof AmqpError ? cause : reason
  const all = { operation, ticket, replyCode, classId, methodId, cause }
  return withoutStack(() => new ConnectionBrokenError(text, all))
}

/** The same error of the broker, with the operation that it is about. */
export function withContext(error: AmqpError, { operation, ticket }: ErrorContext): AmqpError {
  const ErrorClass = error.constructor as AmqpErrorClass
  const subject = operation === undefined ? '' : `${operation}: `
  const { replyCode, classId, methodId, cause } = error
  const all = { operation, ticket, replyCode, classId, methodId, cause }
  return withoutStack(() => new ErrorClass(`${subject}${error.message}`, all))
}

/** The error of an operation whose `timeout` ran out. */
export function timedOut(operation: string, milliseconds: number, context: ErrorContext): TimeoutError {
  return withoutStack(() => new TimeoutError(`${operation}: no outcome within ${milliseconds} ms`, context))
}

/**
 * Makes an error, or many, about something that came from the network or from a timer. A stack would name nothing but functions of
 * this library, and takes most of the time where a million promises reject at once.
 */
export function withoutStack<T>(make: () => T): T {
  const limit = Error.stackTraceLimit
  // Where somebody has made it read-only, an assignment would throw; then there is a stack.
  if (limit === 0 || !Reflect.set(Error, 'stackTraceLimit', 0)) return make()
  try {
    return make()
  } finally {
    Error.stackTraceLimit = limit
  }
}

/**
 * Adds the operation to an error of this library that arose where the operation was not known. It shows the lines of `site`,
 * or, without one, those that it arose in.
 */
export function withOperation(error: unknown, context: ErrorContext, site?: CallSite): unknown {
  const ours = [ArgumentError, ResourceError, AlreadySettledError].some(each => error instanceof each)
  if (!ours || (error as AmqpError).operation !== undefined) return error
  const known = withContext(error as AmqpError, context)
  leadTo(known, site ?? (error as AmqpError))
  return known
}
