/**
 * Owns the error classes that the library throws and rejects with: all of them are public.
 * An error holds ids, codes and texts: never a live object, never a secret.
 */
import type { MessageProperties } from './options.js'
import type { Table } from './util/field-value.js'

/** The context of an error: the operation, and what the broker reported. */
export interface ErrorContext {
  /** The client's method that failed, for example `queueDeclare`. */
  readonly operation?: string | undefined
  /** The operation's number within its client; `debug` lines show the same number. */
  readonly ticket?: number | undefined
  /** The AMQP reply code, if there is one. */
  readonly replyCode?: number | undefined
  /** The class id of the method that the broker names as the cause; 0 if it names none. */
  readonly classId?: number | undefined
  /** The method id of the method that the broker names as the cause; 0 if it names none. */
  readonly methodId?: number | undefined
  /** The underlying error. */
  readonly cause?: unknown
}

/** The base class of every error of this library. */
export abstract class AmqpError extends Error {
  /** The name of the error's class. */
  abstract override readonly name: string
  /** A stable name for programs to compare with, for example `'NOT_FOUND'`. */
  abstract readonly code: string
  /** The AMQP reply code (AMQP 0-9-1, section 1.2 "AMQP-defined Constants"), if there is one. */
  readonly replyCode: number | undefined
  /** The client's method that failed, if the error belongs to one. */
  readonly operation: string | undefined
  /** The number of the operation within its client, if the error belongs to one. */
  readonly ticket: number | undefined
  /** The class id of the method that the broker names as the cause, if it names one. */
  readonly classId: number | undefined
  /** The method id of the method that the broker names as the cause, if it names one. */
  readonly methodId: number | undefined

  constructor(message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause })
    this.replyCode = context.replyCode
    this.operation = context.operation
    this.ticket = context.ticket
    this.classId = context.classId
    this.methodId = context.methodId
  }
}

/** A message that the broker could not route and returned (basic.return). */
export interface ReturnedMessage {
  /** The exchange that it was published to. */
  readonly exchange: string
  /** Its routing key. */
  readonly routingKey: string
  /** Its body; empty where the message is larger than the client's `maxMessageSize`. */
  readonly body: Buffer
  /** Its properties, without the headers. */
  readonly properties: MessageProperties
  /** Its headers; empty if it has none. */
  readonly headers: Table
}

/** 311: the message is larger than the broker or the queue accepts. */
export class ContentTooLargeError extends AmqpError {
  override readonly name = 'ContentTooLargeError'
  override readonly code = 'CONTENT_TOO_LARGE'
}

/** 312: no queue matched a `mandatory` message; `returned` holds the message. */
export class NoRouteError extends AmqpError {
  override readonly name = 'NoRouteError'
  override readonly code = 'NO_ROUTE'

  constructor(
    message: string,
    /** The message as the broker returned it. */
    readonly returned: ReturnedMessage,
    context: ErrorContext = {},
  ) {
    super(message, context)
  }
}

/** 313: no consumer was ready for an `immediate` message (RabbitMQ does not support `immediate`). */
export class NoConsumersError extends AmqpError {
  override readonly name = 'NoConsumersError'
  override readonly code = 'NO_CONSUMERS'
}

/** 403: the user has no permission, the name is reserved, or an exclusive consumer conflicts. */
export class AccessRefusedError extends AmqpError {
  override readonly name = 'AccessRefusedError'
  override readonly code = 'ACCESS_REFUSED'
}

/** 404: the queue or exchange does not exist. */
export class NotFoundError extends AmqpError {
  override readonly name = 'NotFoundError'
  override readonly code = 'NOT_FOUND'
}

/** 405: the queue is exclusive to another connection. */
export class ResourceLockedError extends AmqpError {
  override readonly name = 'ResourceLockedError'
  override readonly code = 'RESOURCE_LOCKED'
}

/** 406: a precondition is not met, for example a queue exists with other options than the declared ones. */
export class PreconditionFailedError extends AmqpError {
  override readonly name = 'PreconditionFailedError'
  override readonly code = 'PRECONDITION_FAILED'
}

/** The broker refused to take responsibility for a published message (basic.nack). */
export class NackedError extends AmqpError {
  override readonly name = 'NackedError'
  override readonly code = 'NACKED'
}

/** 320: an operator closed the connection, or the broker is shutting down. */
export class ConnectionForcedError extends AmqpError {
  override readonly name = 'ConnectionForcedError'
  override readonly code = 'CONNECTION_FORCED'
}

/** 402: the virtual host is invalid. If it does not exist, RabbitMQ reports {@link NotAllowedError}. */
export class InvalidPathError extends AmqpError {
  override readonly name = 'InvalidPathError'
  override readonly code = 'INVALID_PATH'
}

/** 501: a frame was malformed. */
export class FrameError extends AmqpError {
  override readonly name = 'FrameError'
  override readonly code = 'FRAME_ERROR'
}

/** 502: a field inside a frame was malformed. */
export class AmqpSyntaxError extends AmqpError {
  override readonly name = 'AmqpSyntaxError'
  override readonly code = 'SYNTAX_ERROR'
}

/** 503: a method is not valid in the current state. */
export class CommandInvalidError extends AmqpError {
  override readonly name = 'CommandInvalidError'
  override readonly code = 'COMMAND_INVALID'
}

/** 504: a channel was used that is not open. */
export class ChannelError extends AmqpError {
  override readonly name = 'ChannelError'
  override readonly code = 'CHANNEL_ERROR'
}

/** 505: a frame arrived that was not expected, for example a body without a header. */
export class UnexpectedFrameError extends AmqpError {
  override readonly name = 'UnexpectedFrameError'
  override readonly code = 'UNEXPECTED_FRAME'
}

/** 506: a limit of the broker or of this client was reached; the message names it. */
export class ResourceError extends AmqpError {
  override readonly name = 'ResourceError'
  override readonly code = 'RESOURCE_ERROR'
}

/** 530: the broker does not allow this, or the virtual host does not exist. */
export class NotAllowedError extends AmqpError {
  override readonly name = 'NotAllowedError'
  override readonly code = 'NOT_ALLOWED'
}

/** 540: the broker does not implement this. */
export class NotImplementedError extends AmqpError {
  override readonly name = 'NotImplementedError'
  override readonly code = 'NOT_IMPLEMENTED'
}

/** 541: the broker failed, or it refuses a deprecated feature. */
export class InternalError extends AmqpError {
  override readonly name = 'InternalError'
  override readonly code = 'INTERNAL_ERROR'
}

/** The connection could not be opened or was lost; `cause` says how. */
export class ConnectionBrokenError extends AmqpError {
  override readonly name = 'ConnectionBrokenError'
  override readonly code = 'CONNECTION_BROKEN'
}

/** The client was closed by `close()` or `drain()`, or has never connected. */
export class ConnectionClosedError extends AmqpError {
  override readonly name = 'ConnectionClosedError'
  override readonly code = 'CONNECTION_CLOSED'
}

/** The broker refused the credentials, or offers no mechanism that this client supports. */
export class AuthenticationError extends AmqpError {
  override readonly name = 'AuthenticationError'
  override readonly code = 'AUTHENTICATION'
}

/** A `timeout` or `connectTimeout` expired. */
export class TimeoutError extends AmqpError {
  override readonly name = 'TimeoutError'
  override readonly code = 'TIMEOUT'
}

/** The broker cancelled a consumer, for example because its queue was deleted. */
export class ConsumerCancelledError extends AmqpError {
  override readonly name = 'ConsumerCancelledError'
  override readonly code = 'CONSUMER_CANCELLED'
}

/** A message was acked, nacked or rejected a second time, or was received with `noAck`. */
export class AlreadySettledError extends AmqpError {
  override readonly name = 'AlreadySettledError'
  override readonly code = 'ALREADY_SETTLED'
}

/** AMQP cannot represent a value, or an option is invalid. Nothing was sent. */
export class ArgumentError extends AmqpError {
  override readonly name = 'ArgumentError'
  override readonly code = 'ARGUMENT'
}

/** The peer does not speak AMQP 0-9-1. */
export class ProtocolError extends AmqpError {
  override readonly name = 'ProtocolError'
  override readonly code = 'PROTOCOL'
}
