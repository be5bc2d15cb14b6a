/** Owns the mapping from the reply codes of a broker to the error classes. */
import * as codes from './constants.gen.js'
import {
  AccessRefusedError,
  type AmqpError,
  AmqpSyntaxError,
  ChannelError,
  CommandInvalidError,
  ConnectionForcedError,
  ContentTooLargeError,
  type ErrorContext,
  FrameError,
  InternalError,
  InvalidPathError,
  NoConsumersError,
  NotAllowedError,
  NotFoundError,
  NotImplementedError,
  PreconditionFailedError,
  ProtocolError,
  ResourceError,
  ResourceLockedError,
  UnexpectedFrameError,
} from './errors.js'
import { cleanText } from './util/clean-text.js'

/** An error class whose constructor needs only a message and a context. */
export type AmqpErrorClass = new (message: string, context?: ErrorContext) => AmqpError

const classByReplyCode: Readonly<Record<number, AmqpErrorClass>> = {
  [codes.CONTENT_TOO_LARGE]: ContentTooLargeError,
  [codes.NO_CONSUMERS]: NoConsumersError,
  [codes.CONNECTION_FORCED]: ConnectionForcedError,
  [codes.INVALID_PATH]: InvalidPathError,
  [codes.ACCESS_REFUSED]: AccessRefusedError,
  [codes.NOT_FOUND]: NotFoundError,
  [codes.RESOURCE_LOCKED]: ResourceLockedError,
  [codes.PRECONDITION_FAILED]: PreconditionFailedError,
  [codes.FRAME_ERROR]: FrameError,
  [codes.SYNTAX_ERROR]: AmqpSyntaxError,
  [codes.COMMAND_INVALID]: CommandInvalidError,
  [codes.CHANNEL_ERROR]: ChannelError,
  [codes.UNEXPECTED_FRAME]: UnexpectedFrameError,
  [codes.RESOURCE_ERROR]: ResourceError,
  [codes.NOT_ALLOWED]: NotAllowedError,
  [codes.NOT_IMPLEMENTED]: NotImplementedError,
  [codes.INTERNAL_ERROR]: InternalError,
}

/**
 * Creates the error for a channel.close or connection.close of the broker. A reply code that AMQP 0-9-1 does not define
 * gives a {@link ProtocolError} with that code.
 */
export function errorFromReply(replyCode: number, replyText: string, context: ErrorContext): AmqpError {
  const subject = context.operation === undefined ? '' : `${context.operation}: `
  const ErrorClass = classByReplyCode[replyCode] ?? ProtocolError
  return new ErrorClass(`${subject}${cleanText(replyText)} (${replyCode})`, { ...context, replyCode })
}
