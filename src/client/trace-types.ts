/** Owns the types of what subscribers of the tracing channels get (Node.js, "Diagnostics Channel", TracingChannel). */
import type { PublishOptions } from '../options.js'
import type { Table } from '../util/field-value.js'
import type { Client } from './client.js'
import type { Message } from './message.js'

/** What Node adds to the context of every trace. */
export interface TraceOutcome<T> {
  /** What the call resolved with, or returned; set when that is known. */
  result?: T
  /** What the call failed with; set when that is known. */
  error?: unknown
}

/** `tracing:puka-amqp:connect`: a call of `connect`. */
export interface ConnectTrace extends TraceOutcome<unknown> {
  /** The client that connects. */
  readonly client: Client
}

/** `tracing:puka-amqp:operation`: a declare, delete, bind, unbind, purge or get. */
export interface OperationTrace extends TraceOutcome<unknown> {
  /** The client whose method was called. */
  readonly client: Client
  /** The name of the method, for example `queueDeclare`. */
  readonly operation: string
}

/** `tracing:puka-amqp:publish`: a message of `basicPublish` or `publishMany`, until its promise is settled. */
export interface PublishTrace extends TraceOutcome<void> {
  /** The client whose method was called. */
  readonly client: Client
  /** The exchange; `''` is the default exchange. */
  readonly exchange: string
  /** The routing key. */
  readonly routingKey: string
  /** The body. */
  readonly body: string | Uint8Array
  /** A copy of the options. What a subscriber of `start` adds to its headers is sent with the message. */
  readonly options: Omit<PublishOptions, 'headers'> & { headers?: Table | undefined }
}

/** `tracing:puka-amqp:process`: a run of a handler of `forEach`, until its promise is settled. */
export interface ProcessTrace extends TraceOutcome<unknown> {
  /** The message that the handler was called with. */
  readonly message: Message
  /** A subscriber of `start` may set it: the handler is called by it then, within a context of the subscriber's own. */
  run?: (handler: () => unknown) => unknown
}

/** `tracing:puka-amqp:settle`: a call of `ack`, `nack` or `reject`. */
export interface SettleTrace extends TraceOutcome<boolean> {
  /** The message that is settled. */
  readonly message: Message
  /** The method. */
  readonly kind: 'ack' | 'nack' | 'reject'
}

/** `puka-amqp:deliver`: a message is handed to a loop. It is no trace: nobody knows when the loop is done with it. */
export interface DeliverMessage {
  /** The message. */
  readonly message: Message
}
