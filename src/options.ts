/**
 * Owns the types of the options that operations take, and of the plain results that they give.
 * Holds no behaviour: defaults are applied, and values are checked, where they are used.
 */
import type { Table, Typed } from './util/field-value.js'

/** Options of every operation that returns a promise. */
export interface OperationOptions {
  /** Cancels the operation when aborted: its promise rejects at once with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds after which the operation rejects with a {@link TimeoutError}. @default none */
  timeout?: number | undefined
}

/**
 * The properties of a message (AMQP 0-9-1, section 1.8.3 "basic class", fields), without its headers. What was received
 * can be sent again as it was, so `{ ...message.properties }` forwards them: in a text, a byte that is not UTF-8 is a lone
 * surrogate from U+DC80 to U+DCFF, and is sent as that byte.
 */
export interface MessageProperties {
  /** The MIME type of the body. */
  contentType?: string
  /** The MIME encoding of the body, for example `gzip`. */
  contentEncoding?: string
  /** 1: transient, 2: persistent. */
  deliveryMode?: number
  /** 0 to 255. RabbitMQ's priority queues use at most their `x-max-priority`. */
  priority?: number
  /** Identifies the request that a reply belongs to. */
  correlationId?: string
  /** The queue to send the reply to. */
  replyTo?: string
  /** Time to live: a whole number of milliseconds up to 4294967295, written as a string. */
  expiration?: string
  /** The application's id of the message. */
  messageId?: string
  /**
   * When the message was created. AMQP carries whole seconds. A moment that a `Date` cannot hold is received as
   * `timestamp(seconds)`, and can be sent so.
   */
  timestamp?: Date | Typed
  /** The application's type of the message. */
  type?: string
  /** The publishing user. RabbitMQ refuses any other than the connection's user (406). */
  userId?: string
  /** The publishing application. */
  appId?: string
  /** A reserved property of AMQP, formerly `cluster-id`. */
  clusterId?: string
}

/** Options of `exchangeDeclare`. */
export interface ExchangeDeclareOptions extends OperationOptions {
  /** `direct`, `fanout`, `topic`, `headers`, or a type that a plugin adds. @default 'direct' */
  type?: string
  /** Survives a restart of the broker. @default true */
  durable?: boolean
  /** Deleted when its last binding is removed. @default false */
  autoDelete?: boolean
  /** Accepts messages only from other exchanges, not from publishers. @default false */
  internal?: boolean
  /** Only checks that it exists; rejects with `NotFoundError` if not. @default false */
  passive?: boolean
  /** Extension arguments, for example `alternate-exchange`. @default {} */
  arguments?: Table
}

/** Options of `exchangeDelete`. */
export interface ExchangeDeleteOptions extends OperationOptions {
  /** Deletes the exchange only if it has no bindings, else rejects with `PreconditionFailedError`. @default false */
  ifUnused?: boolean
}

/** Options of `exchangeBind`, `exchangeUnbind`, `queueBind` and `queueUnbind`. */
export interface BindOptions extends OperationOptions {
  /** Arguments of the binding, for example `x-match` and the values of a headers exchange. @default {} */
  arguments?: Table
}

/** Options of `queueDeclare`. */
export interface QueueDeclareOptions extends OperationOptions {
  /** Survives a restart of the broker. @default true, unless `exclusive` */
  durable?: boolean
  /** Usable only on this connection, and deleted when it closes. @default false */
  exclusive?: boolean
  /** Deleted when its last consumer is cancelled or gone. @default false */
  autoDelete?: boolean
  /** Only checks that it exists; rejects with `NotFoundError` if not. @default false */
  passive?: boolean
  /** Extension arguments, for example `{ 'x-queue-type': 'quorum' }`. @default {} */
  arguments?: Table
}

/** What `queueDeclare` resolves with. */
export interface QueueDeclareResult {
  /** The queue's name: chosen by the broker if `''` was declared. */
  queue: string
  /** The number of messages that were ready for delivery. */
  messageCount: number
  /** The number of consumers. */
  consumerCount: number
}

/** Options of `queueDelete`. */
export interface QueueDeleteOptions extends OperationOptions {
  /** Deletes the queue only if it has no consumers, else rejects with `PreconditionFailedError`. @default false */
  ifUnused?: boolean
  /** Deletes the queue only if it is empty, else rejects with `PreconditionFailedError`. @default false */
  ifEmpty?: boolean
}

/** What `queueDelete` and `queuePurge` resolve with. */
export interface MessageCountResult {
  /** The number of messages that were removed. */
  messageCount: number
}

/** Options of `basicPublish`: delivery options, headers, and the properties of the message. */
export interface PublishOptions extends OperationOptions, MessageProperties {
  /**
   * If no queue matches, the broker returns the message and the promise rejects with `NoRouteError`; with
   * `confirm: false`, the client emits `return` instead. @default false
   */
  mandatory?: boolean
  /**
   * `true`: the promise resolves when the broker has taken responsibility for the message (RabbitMQ, "Publisher
   * Confirms"). `false`: it resolves when the message is handed to the connection, and waits while the connection
   * cannot take more. @default true
   */
  confirm?: boolean
  /** Short for `deliveryMode`: 2 if true, 1 if false. If both are given, `deliveryMode` is used. @default true */
  persistent?: boolean
  /**
   * `true`: if the connection is lost before the broker confirms the message, the client sends it again, so the broker
   * may get it twice. `false`: the promise rejects with `ConnectionBrokenError` instead. @default true
   */
  retry?: boolean
  /** The message's headers. @default none */
  headers?: Table
}

/**
 * A message of `publishMany`: where it goes, its body, and the options that `basicPublish` takes. It may have properties of
 * your own beside them, but none whose name differs by one letter from that of an option, such as `mandatroy`.
 */
export interface PublishManyMessage extends PublishOptions {
  /** `''` is the default exchange: the routing key is then the name of a queue. */
  exchange: string
  /** The routing key; a fanout exchange ignores it. */
  routingKey: string
  /** A string is sent as UTF-8. A body of 32 KiB or more must not change until the message is confirmed. */
  body: string | Uint8Array
}

/** Options of `publishMany`. */
export interface PublishManyOptions<M = PublishManyMessage> {
  /**
   * The most messages that are in flight: published, and without an outcome yet. A whole number, 1 or more.
   * @default 1000
   */
  window?: number
  /**
   * Ends everything when aborted: no more messages are taken, those in flight are abandoned, and the promise rejects at
   * once with the signal's reason.
   */
  signal?: AbortSignal | undefined
  /**
   * Called with the error of every message that failed, the message, and its position from 0. If it returns a promise,
   * the message stays in flight until that has settled. If it throws, or the promise rejects, no more messages are taken,
   * and `publishMany` rejects with that error as soon as nothing is in flight.
   * @default the first message that fails ends everything, with `PublishManyError`
   */
  onError?: ((error: unknown, message: M, index: number) => unknown) | undefined
}

/** What `publishMany` resolves with. */
export interface PublishManyResult {
  /** The number of messages that were published: confirmed, or handed over with `confirm: false`. */
  published: number
  /** The number of messages that failed, of each of which `onError` was told. */
  failed: number
}

/** Options of `basicGet`. */
export interface GetOptions extends OperationOptions {
  /** The message counts as acknowledged when it is received; `ack` is not called. @default false */
  noAck?: boolean
}

/** Options of `basicConsume`; in `basicConsumeMulti`, options of each queue. */
export interface QueueConsumeOptions {
  /**
   * Do not deliver messages that this connection published. RabbitMQ ignores this, except on streams. There it requires
   * `publishConnection: 'shared'`. @default false
   */
  noLocal?: boolean
  /** Permits no other consumer on the queue: `AccessRefusedError` if it already has one. @default false */
  exclusive?: boolean
  /** The name of the consumer; if another consumer of the client has it, a number is added. @default a generated one */
  consumerTag?: string
  /** Consumer arguments, for example `x-priority` or `x-stream-offset`. @default {} */
  arguments?: Table
}

/** Options of `basicConsumeMulti`. */
export interface ConsumeMultiOptions {
  /**
   * The most messages that the loop may have received and not yet settled, over all queues of the consumer: 0 to 65535.
   * 0 means no limit: the broker then delivers one message at first, and more at a time as the loop reads faster, up to
   * 1000, or what the loop holds. With `noAck`, the most messages of each queue that may wait in the consumer's buffer.
   * @default 0
   */
  prefetchCount?: number
  /** Messages count as acknowledged when the loop receives them; `ack` is not called. @default false */
  noAck?: boolean
  /** Cancels the consumer when aborted: its iterator throws the signal's reason. */
  signal?: AbortSignal | undefined
  /**
   * What happens when the broker cancels the consumer (RabbitMQ, "Consumer Cancel Notification"): because the queue was
   * deleted or its leader has moved, for example, or, from RabbitMQ 4.3 on, because an ack took too long. `'resume'`: it
   * subscribes again, three times at the most without getting a message; what was in hand is delivered again, and settling
   * the first copy returns `false`. `'end'`: the loop throws `ConsumerCancelledError`. @default 'resume'
   */
  onCancel?: 'resume' | 'end'
  /**
   * What becomes of the messages that a loop has received and not settled when it is left by `break`, `return` or `throw`.
   * `'keep'`: they can still be settled. Until then, they and their channel stay occupied: a loop that always leaves with an
   * unsettled message uses up the channels of its connection (see `metrics().channels`). `'requeue'`: they go back to their
   * queue, and settling one of them later throws `AlreadySettledError`. @default 'keep'
   */
  onLeave?: 'keep' | 'requeue'
  /**
   * What happens with a message that is larger than the client's `maxMessageSize`. `'end'`: it goes back to its queue, and
   * the consumer ends with `ResourceError`. `'reject'`: it is rejected without requeue, so that the queue drops or
   * dead-letters it, and the consumer goes on. @default 'end'
   */
  oversized?: 'end' | 'reject'
}

/** Options of `basicConsume`. */
export interface ConsumeOptions extends ConsumeMultiOptions, QueueConsumeOptions {}

/** One queue of `basicConsumeMulti`: its name, or its name with its own options. */
export type QueueItem =
  | string
  | (QueueConsumeOptions & {
      /** The name of the queue. */
      queue: string
    })

/** Options of `message.ack()` and `basicAck`. */
export interface AckOptions {
  /** Also settles every earlier message of the same consumer. @default false */
  multiple?: boolean
}

/** Options of `message.nack()` and `basicNack`. */
export interface NackOptions extends AckOptions {
  /** `true`: requeue the message. `false`: drop or dead-letter it. @default true */
  requeue?: boolean
}

/** Options of `message.reject()` and `basicReject`. */
export interface RejectOptions {
  /** `true`: requeue the message. `false`: drop or dead-letter it. @default true */
  requeue?: boolean
}

/** Options of `consumer.forEach`. */
export interface ForEachOptions<M> {
  /** The number of handlers that run concurrently. @default 1 */
  concurrency?: number
  /** Ends the loop when aborted: `forEach` waits for the running handlers, then resolves. */
  signal?: AbortSignal | undefined
  /** Whether a message is requeued if its handler failed. @default true */
  requeue?: boolean
  /**
   * Called with the error of every failed handler and the message, after the message was rejected. If it throws, the
   * consumer is cancelled and `forEach` rejects with that error. @default failures are only rejected
   */
  onError?: ((error: unknown, message: M) => void) | undefined
}

/** Options of `client.drain`. */
export interface DrainOptions {
  /**
   * Milliseconds to wait for handlers and confirms. After that, the client closes and `drain` rejects with
   * `TimeoutError`.
   * @default 30000
   */
  timeout?: number | undefined
}
