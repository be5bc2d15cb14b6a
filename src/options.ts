/**
 * Owns the types of the options that users pass, and of the plain results that they get back.
 * Holds no behaviour: the code that uses an option applies its default and checks its value.
 */
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { FieldValue, Table } from './util/field-value.js'

/** Options of every operation that returns a promise. */
export interface OperationOptions {
  /** Cancels the operation when aborted: its promise rejects at once with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Milliseconds after which the operation rejects with a {@link TimeoutError}. @default none */
  timeout?: number | undefined
}

/** The properties of a message (AMQP 0-9-1, section 1.8.3 "basic class", fields), without its headers. */
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
  /** Time to live in milliseconds, written as a string. */
  expiration?: string
  /** The application's id of the message. */
  messageId?: string
  /** When the message was created. AMQP carries whole seconds. */
  timestamp?: Date
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
   * If no queue matches, the broker returns the message and the promise rejects with `NoRouteError`. Requires
   * `confirm`.
   * @default false
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
  /** The name of the consumer; the client makes it unique if it is used twice. @default a generated one */
  consumerTag?: string
  /** Consumer arguments, for example `x-priority` or `x-stream-offset`. @default {} */
  arguments?: Table
}

/** Options of `basicConsumeMulti`. */
export interface ConsumeMultiOptions {
  /**
   * The most messages that the loop may have received and not yet settled, over all queues of the consumer: 0 to 65535.
   * 0 means no limit. With `noAck`, the most messages of each queue that may wait in the consumer's buffer; 0 then
   * means 1000. @default 0
   */
  prefetchCount?: number
  /** Messages count as acknowledged when the loop receives them; `ack` is not called. @default false */
  noAck?: boolean
  /** Cancels the consumer when aborted: its iterator throws the signal's reason. */
  signal?: AbortSignal | undefined
}

/** Options of `basicConsume`. */
export interface ConsumeOptions extends ConsumeMultiOptions, QueueConsumeOptions {}

/** One queue of `basicConsumeMulti`: its name, or its name with its own options. */
export type QueueItem = string | (QueueConsumeOptions & { queue: string })

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
   * Called with the error of every failed handler and the message, after the message was nacked. If it throws, the
   * consumer is cancelled and `forEach` rejects with that error. @default failures are only nacked
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

/** The authentication mechanism (SASL). */
export type Mechanism = 'PLAIN' | 'EXTERNAL' | 'AMQPLAIN'

/** What the broker says about itself when a connection opens. */
export interface ServerInfo {
  /** For example `RabbitMQ`. */
  product: string
  /** For example `3.10.8`. */
  version: string
  /** For example `Erlang/OTP 25.2.3`. */
  platform: string
  /** The capabilities of the broker, for example `publisher_confirms`. */
  capabilities: Readonly<Record<string, boolean>>
  /** The authentication mechanisms that the broker offers. */
  mechanisms: readonly string[]
  /** The locales that the broker offers. */
  locales: readonly string[]
  /** All other server properties. */
  properties: Table
  /** The peer of the connection: `host:port`, or the path of a Unix socket. */
  host: string
}

/** The address that a transport connects to. It holds no credentials. */
export interface Address {
  /** The host's name or address, without brackets. */
  readonly host: string
  readonly port: number
  /** The path of a Unix socket; if it is set, `host` and `port` are ignored. */
  readonly path?: string | undefined
  /** The options for TLS; if absent, the transport uses no TLS. */
  readonly tls?: TlsOptions | undefined
}

/** The callbacks from a transport to the connection. They are called without `this`. */
export interface TransportEvents {
  /** Call it with received bytes. The transport must not change them afterwards. */
  onData(chunk: Buffer): void
  /**
   * Returns the buffer to read the next bytes into, if there is one: a large body then needs no copy. Calling it is
   * optional. A transport that does so calls it before each read, and passes to `onData` the part of the buffer that it
   * filled, from the beginning.
   */
  room?(): Buffer | undefined
  /** Call it when the transport accepts more data, after a `write` that returned false. */
  onDrain(): void
  /** Call it once when the stream has closed: with an error if it failed, without one if the peer closed it. */
  onClose(error?: Error): void
}

/**
 * A custom byte stream to a broker. It replaces Puka's `fileno`, `on_read`, `on_write` and `needs_write`. The client
 * calls `write` at most once per turn of the event loop, with all data that is ready.
 */
export interface Transport {
  /** Starts to deliver events. Called once, before every other method. */
  start(events: TransportEvents): void
  /** Sends the pieces in order. Returns false to ask for a pause until `onDrain`; it sends these pieces even then. */
  write(pieces: readonly Uint8Array[]): boolean
  /** Closes the stream after everything written is sent, then calls `onClose`. */
  end(): void
  /** Closes the stream at once, then calls `onClose`. */
  destroy(): void
}

/** Opens a transport to an address; rejects or throws if that fails. */
export type TransportFactory = (address: Address, signal: AbortSignal) => Transport | Promise<Transport>

/**
 * Where to connect: a URL, several URLs, or a function that returns them. The client calls the function before each
 * attempt, and again when it opens the connection for publishing, so that it can return a fresh token, for example.
 */
export type UrlSource =
  | string
  | readonly string[]
  | (() => string | readonly string[] | Promise<string | readonly string[]>)

/** How a lost connection is recovered: with exponential backoff, until an attempt succeeds or a limit is reached. */
export interface RecoveryOptions {
  /** The limit of the first delay, in milliseconds. Each delay is random, between 0 and its limit. @default 250 */
  initialDelay?: number
  /** The largest limit of a delay, in milliseconds. @default 30000 */
  maxDelay?: number
  /** The factor by which the limit grows with each attempt. @default 2 */
  factor?: number
  /** The number of failed attempts in a row after which the client closes. @default Infinity */
  maxAttempts?: number
  /** Milliseconds without a connection after which the client closes. @default Infinity */
  maxTime?: number
  /**
   * `true`: retry even if the broker refuses the user or the virtual host, or if the peer does not speak AMQP. `false`:
   * close the client then. @default true
   */
  retryRefused?: boolean
}

/** A part of the topology that recovery could not restore. */
export interface TopologyEntity {
  readonly kind: 'exchange' | 'queue' | 'binding'
  /** Its name; for a binding: `source -> destination (routing key)`. */
  readonly name: string
}

/** A reconnect attempt. */
export interface ReconnectAttempt {
  /** The number of the attempt since the connection was lost: 1, 2, ... */
  readonly attempt: number
  /** Milliseconds until the attempt starts. */
  readonly delay: number
  /** The host that the client tries first. */
  readonly host: string
  /** The error of the previous attempt, or of the lost connection. */
  readonly error: Error
}

/** The state of a client. */
export type ClientState =
  | { readonly name: 'idle' }
  /** `attempt` counts from 1. */
  | { readonly name: 'connecting'; readonly attempt: number }
  /** `blocked` is the broker's reason if it currently accepts no messages. */
  | { readonly name: 'open'; readonly server: ServerInfo; readonly blocked: string | undefined }
  /** The connection was lost at `since`; `error` is the latest error. */
  | { readonly name: 'reconnecting'; readonly attempt: number; readonly since: Date; readonly error: Error }
  /** `error` is the cause; it is undefined if the user closed the client. */
  | { readonly name: 'closed'; readonly error: Error | undefined }

/** What a client has done since it was created, and what is pending. */
export interface ClientMetrics {
  /** Publishes that were accepted. */
  readonly published: number
  /** Publishes that the broker confirmed (basic.ack). */
  readonly confirmed: number
  /** Publishes that the broker refused (basic.nack). */
  readonly nacked: number
  /** Publishes that the broker returned (basic.return). */
  readonly returned: number
  /** Publishes that were sent again after the loss of a channel or the connection. */
  readonly resent: number
  /** Messages that were received. */
  readonly delivered: number
  /** Messages that were acked, nacked or rejected. */
  readonly settled: number
  /** Messages that were settled too late: their channel had closed. */
  readonly staleSettlements: number
  /** The number of successful reconnects. */
  readonly reconnects: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Publishes that are neither confirmed nor failed. */
  readonly pendingPublishes: number
  /** The encoded size of these publishes, in bytes. */
  readonly pendingPublishBytes: number
  /** Operations that are in progress or waiting. */
  readonly pendingOperations: number
}

/** Options of a client. Values in the URL take precedence over `username`, `password` and `vhost`. */
export interface ClientOptions {
  /** The user, if the URL has none. @default 'guest' */
  username?: string
  /** The password, if the URL has none. @default 'guest' */
  password?: string
  /** The virtual host, if the URL has none. @default '/' */
  vhost?: string
  /**
   * The authentication mechanism.
   * @default EXTERNAL with a client certificate and no user, else PLAIN, else AMQPLAIN
   */
  mechanism?: Mechanism
  /** A name for the connection, shown in RabbitMQ's management pages. */
  connectionName?: string
  /** Additional client properties, sent to the broker. */
  clientProperties?: Table
  /** The path of a Unix socket to connect to, instead of a host. */
  path?: string
  /** Options of Node's TLS, used with `amqps://`: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized` and more. */
  tls?: TlsOptions
  /** Milliseconds to open a connection, handshake included. @default 10000 */
  connectTimeout?: number
  /**
   * Requested seconds between heartbeats; 0 disables them. The lower value of client and broker is used.
   * @default 30
   */
  heartbeat?: number
  /** Requested maximum frame size in bytes: 8192 or more, or 0 for no limit on the client's side. @default 131072 */
  frameMax?: number
  /** Requested maximum number of channels: 4 to 65535. @default 2047 */
  channelMax?: number
  /** The number of operations that run concurrently, each on its own channel; further ones wait. @default 32 */
  operationConcurrency?: number
  /** The number of operations that may wait; further ones reject with `ResourceError`. @default 100000 */
  maxPendingOperations?: number
  /**
   * The bytes of publishes that may be unsent or unconfirmed; further ones reject with `ResourceError`.
   * @default 268435456
   */
  maxPendingPublishBytes?: number
  /**
   * The number of publishes that may be unsent or unconfirmed; further ones reject with `ResourceError`.
   * @default 1000000
   */
  maxPendingPublishes?: number
  /**
   * The connection to publish on. `separate`: a second connection, opened with the first publish. During a memory or
   * disk alarm, RabbitMQ reads nothing from connections that publish (RabbitMQ, "Memory and Disk Alarms"); everything
   * else then continues on the first connection. `shared`: the same connection as for everything else.
   * @default 'separate'; with a custom `transport`, 'shared'
   */
  publishConnection?: 'separate' | 'shared'
  /**
   * The largest message to accept, in bytes; a larger one closes the connection.
   * @default 134217728 (RabbitMQ's own default limit)
   */
  maxMessageSize?: number
  /** Additional hosts, as `host` or `host:port`; everything else is taken from the first URL. @default [] */
  hosts?: readonly string[]
  /**
   * The order in which hosts are tried: random, which distributes clients over a cluster, or as given.
   * @default 'shuffled'
   */
  hostOrder?: 'shuffled' | 'fixed'
  /** How a lost connection is recovered; `false` disables recovery. @default {} */
  recovery?: false | RecoveryOptions
  /** If the first `connect()` fails, retry as `recovery` says instead of rejecting. @default false */
  retryInitial?: boolean
  /**
   * What publishes and operations do while there is no connection: wait for the next one, within the limits of
   * `maxPendingPublishes`, `maxPendingPublishBytes` and `maxPendingOperations`, or reject with `ConnectionBrokenError`.
   * @default 'wait'
   */
  whileOffline?: 'wait' | 'fail'
  /** A custom transport, instead of TCP, TLS and Unix sockets. */
  transport?: TransportFactory
}

export type { FieldValue, Table, TlsOptions }
