/** Owns how an error is told to the one operation that it belongs to: its name, its ticket, its cause. */
import {
  type AmqpError,
  type AmqpErrorClass,
  ArgumentError,
  ConnectionBrokenError,
  ConnectionClosedError,
  type ErrorContext,
  ResourceError,
  TimeoutError,
} from './errors.js'

/** Why a connection ended. */
export interface ConnectionLoss {
  readonly reason: AmqpError
  /** The requests in progress that the broker may mean, where it named a method. */
  readonly blamed: readonly ErrorContext[]
}

/**
 * What the end of the connection means for one operation: {@link ConnectionClosedError} if the client was closed,
 * else {@link ConnectionBrokenError} with the reason as its cause.
 */
export function connectionLost(reason: AmqpError, context: ErrorContext): AmqpError {
  const subject = context.operation === undefined ? '' : `${context.operation}: `
  if (reason instanceof ConnectionClosedError) {
    return new ConnectionClosedError(`${subject}${reason.message}`, { ...context, cause: reason })
  }
  const cause = reason instanceof ConnectionBrokenError && reason.cause !== undefined ? reason.cause : reason
  return new ConnectionBrokenError(`${subject}the connection was lost: ${reason.message}`, {
    ...context,
    cause,
  })
}

/** The same error of the broker, with the operation that it is about. */
export function withContext(error: AmqpError, { operation, ticket }: ErrorContext): AmqpError {
  const ErrorClass = error.constructor as AmqpErrorClass
  const subject = operation === undefined ? '' : `${operation}: `
  const { replyCode, classId, methodId } = error
  return new ErrorClass(`${subject}${error.message}`, {
    operation,
    ticket,
    replyCode,
    classId,
    methodId,
    cause: error.cause,
  })
}

/** The error of an operation whose `timeout` ran out. */
export function timedOut(operation: string, milliseconds: number, context: ErrorContext): TimeoutError {
  return new TimeoutError(`${operation}: no outcome within ${milliseconds} ms`, context)
}

/** Adds the operation to an error of this library that arose where the operation was not known. */
export function withOperation(error: unknown, context: ErrorContext): unknown {
  const ours = error instanceof ArgumentError || error instanceof ResourceError
  return ours && error.operation === undefined ? withContext(error, context) : error
}
