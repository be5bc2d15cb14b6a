/**
 * Owns the types of the options that users pass, and of the plain results that they get back.
 * Holds no behaviour: defaults are applied, and values are checked, where they are used.
 */
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { FieldValue, Table } from './util/field-value.js'

/** Every promise-returning operation takes these. */
export interface OperationOptions {
  /** Gives the operation up: its promise rejects with the signal's reason, at once. */
  signal?: AbortSignal | undefined
  /** Gives the operation up after so many milliseconds, with a {@link TimeoutError}. @default none */
  timeout?: number | undefined
}

/** The properties of a message (AMQP 0-9-1, section 1.8.3 "basic class", fields), its headers apart. */
export interface MessageProperties {
  /** The MIME type of the body. */
  contentType?: string
  /** The MIME encoding of the body, for example `gzip`. */
  contentEncoding?: string
  /** 1: transient, 2: persistent. */
  deliveryMode?: number
  /** 0 to 255; RabbitMQ's priority queues use what their `x-max-priority` allows. */
  priority?: number
  /** Ties a reply to its request. */
  correlationId?: string
  /** The queue that a reply is wanted on. */
  replyTo?: string
  /** Time to live in milliseconds, written as a string. */
  expiration?: string
  /** The application's id of the message. */
  messageId?: string
  /** When the message was made, in whole seconds. */
  timestamp?: Date
  /** The application's type of the message. */
  type?: string
  /** The user that publishes; RabbitMQ refuses one that is not the connection's own (406). */
  userId?: string
  /** The application that publishes. */
  appId?: string
  /** AMQP's reserved property, once `cluster-id`. */
  clusterId?: string
}

/** Options of `exchangeDeclare`. */
export interface ExchangeDeclareOptions extends OperationOptions {
  /** `direct`, `fanout`, `topic`, `headers`, or a type that a plugin adds. @default 'direct' */
  type?: string
  /** Outlives a restart of the broker. @default true */
  durable?: boolean
  /** Is deleted when its last binding goes. @default false */
  autoDelete?: boolean
  /** Takes messages from other exchanges only, not from publishers. @default false */
  internal?: boolean
  /** Asks only whether it exists; `NotFoundError` if not. @default false */
  passive?: boolean
  /** Extension arguments, for example `alternate-exchange`. @default {} */
  arguments?: Table
}

/** Options of `exchangeDelete`. */
export interface ExchangeDeleteOptions extends OperationOptions {
  /** Deletes only an exchange without bindings, else `PreconditionFailedError`. @default false */
  ifUnused?: boolean
}

/** Options of `exchangeBind`, `exchangeUnbind`, `queueBind` and `queueUnbind`. */
export interface BindOptions extends OperationOptions {
  /** Arguments of the binding, for example `x-match` and the values of a headers exchange. @default {} */
  arguments?: Table
}

/** Options of `queueDeclare`. */
export interface QueueDeclareOptions extends OperationOptions {
  /** Outlives a restart of the broker. @default true, unless `exclusive` */
  durable?: boolean
  /** Belongs to this connection and ends with it. @default false */
  exclusive?: boolean
  /** Is deleted when its last consumer goes. @default false */
  autoDelete?: boolean
  /** Asks only whether it exists; `NotFoundError` if not. @default false */
  passive?: boolean
  /** Extension arguments, for example `{ 'x-queue-type': 'quorum' }`. @default {} */
  arguments?: Table
}

/** What `queueDeclare` gives. */
export interface QueueDeclareResult {
  /** The queue's name: the broker's choice where `''` was asked for. */
  queue: string
  /** How many messages were ready in it. */
  messageCount: number
  /** How many consumers it had. */
  consumerCount: number
}

/** Options of `queueDelete`. */
export interface QueueDeleteOptions extends OperationOptions {
  /** Deletes only a queue without consumers, else `PreconditionFailedError`. @default false */
  ifUnused?: boolean
  /** Deletes only a queue without messages, else `PreconditionFailedError`. @default false */
  ifEmpty?: boolean
}

/** What `queueDelete` and `queuePurge` give. */
export interface MessageCountResult {
  /** How many messages were removed. */
  messageCount: number
}

/** Options of `basicPublish`: delivery options, headers, and the properties of the message. */
export interface PublishOptions extends OperationOptions, MessageProperties {
  /** A message that matches no queue comes back: the promise rejects with `NoRouteError`. Needs `confirm`. @default false */
  mandatory?: boolean
  /**
   * Resolve when the broker has taken responsibility for the message (RabbitMQ, "Publisher Confirms"). With `false`,
   * resolve when the message is handed to the connection, waiting while that is full. @default true
   */
  confirm?: boolean
  /** Short for `deliveryMode`: 2 if true, 1 if false. `deliveryMode` wins where both are given. @default true */
  persistent?: boolean
  /**
   * Sent again where the connection was lost before the broker confirmed it, so that the broker may get it twice. With
   * `false`, reject with `ConnectionBrokenError` instead. @default true
   */
  retry?: boolean
  /** The message's headers. @default none */
  headers?: Table
}

/** Options of `basicGet`. */
export interface GetOptions extends OperationOptions {
  /** The broker forgets the message as soon as it has sent it. @default false */
  noAck?: boolean
}

/** Options of `basicConsume` that also hold per queue in `basicConsumeMulti`. */
export interface QueueConsumeOptions {
  /**
   * No messages that this connection published; RabbitMQ ignores it, except on streams. There it needs
   * `publishConnection: 'shared'`. @default false
   */
  noLocal?: boolean
  /** Refuses to share the queue: `AccessRefusedError` if it has a consumer. @default false */
  exclusive?: boolean
  /** A name for the consumer; made unique where the same one is used twice. @default a generated one */
  consumerTag?: string
  /** Consumer arguments, for example `x-priority` or `x-stream-offset`. @default {} */
  arguments?: Table
}

/** Options of `basicConsumeMulti`. */
export interface ConsumeMultiOptions {
  /**
   * How many messages may be handed out and not yet settled, over all queues of the consumer; 0 to 65535, where 0
   * sets no limit. With `noAck`, how many may wait in the consumer's buffer. @default 0
   */
  prefetchCount?: number
  /** Messages count as settled when they are handed out; `ack` is not called. @default false */
  noAck?: boolean
  /** Cancels the consumer when aborted: its iterator ends by throwing the signal's reason. */
  signal?: AbortSignal | undefined
}

/** Options of `basicConsume`. */
export interface ConsumeOptions extends ConsumeMultiOptions, QueueConsumeOptions {}

/** One queue of `basicConsumeMulti`: its name, or its name with options of its own. */
export type QueueItem = string | (QueueConsumeOptions & { queue: string })

/** Options of `message.ack()` and `basicAck`. */
export interface AckOptions {
  /** Also settles every earlier message of the same consumer. @default false */
  multiple?: boolean
}

/** Options of `message.nack()` and `basicNack`. */
export interface NackOptions extends AckOptions {
  /** Gives the message back to its queue; `false` drops it or dead-letters it. @default true */
  requeue?: boolean
}

/** Options of `message.reject()` and `basicReject`. */
export interface RejectOptions {
  /** Gives the message back to its queue; `false` drops it or dead-letters it. @default true */
  requeue?: boolean
}

/** Options of `consumer.forEach`. */
export interface ForEachOptions<M> {
  /** How many handlers run at once. @default 1 */
  concurrency?: number
  /** Ends the loop when aborted: handlers that run are waited for, then `forEach` resolves. */
  signal?: AbortSignal | undefined
  /** Whether a message whose handler failed goes back to its queue. @default true */
  requeue?: boolean
  /**
   * Hears of every handler that failed, with the message that it failed on, after that was nacked. What it throws ends
   * the consumer, and `forEach` rejects with it. @default failures are only nacked
   */
  onError?: ((error: unknown, message: M) => void) | undefined
}

/** Options of `client.drain`. */
export interface DrainOptions {
  /** Milliseconds to wait for handlers and confirms; then the client is closed and `drain` rejects with `TimeoutError`. @default 30000 */
  timeout?: number | undefined
}

/** How to authenticate. */
export type Mechanism = 'PLAIN' | 'EXTERNAL' | 'AMQPLAIN'

/** What a connection tells of the broker. */
export interface ServerInfo {
  /** For example `RabbitMQ`. */
  product: string
  /** For example `3.10.8`. */
  version: string
  /** For example `Erlang/OTP 25.2.3`. */
  platform: string
  /** The capabilities that the broker announces, for example `publisher_confirms`. */
  capabilities: Readonly<Record<string, boolean>>
  /** The authentication mechanisms that it offers. */
  mechanisms: readonly string[]
  /** The locales that it offers. */
  locales: readonly string[]
  /** Everything else that it says of itself. */
  properties: Table
  /** Where the connection leads: `host:port`, or the path of a unix socket. */
  host: string
}

/** Where a transport is to lead. It holds no credentials. */
export interface Address {
  /** The host's name or address, without brackets. */
  readonly host: string
  readonly port: number
  /** The path of a unix socket; where it is given, host and port do not count. */
  readonly path?: string | undefined
  /** TLS is wanted, with these options. */
  readonly tls?: TlsOptions | undefined
}

/** What a transport tells the connection. All of it is called with no `this`. */
export interface TransportEvents {
  /** Bytes came in. The transport must not change them afterwards. */
  onData(chunk: Buffer): void
  /**
   * Where the next bytes would best be put, if there is such a place: it spares a large body from being copied. A
   * transport need not ask; one that does asks before each read, and passes to `onData` what it has put there, from the
   * beginning on.
   */
  room?(): Buffer | undefined
  /** The transport takes more, after a `write` that returned false. */
  onDrain(): void
  /** It is over: with an error where it broke, without one where the peer ended it. Called once. */
  onClose(error?: Error): void
}

/**
 * A stream of bytes to a broker, of one's own making: what Puka's `fileno`, `on_read`, `on_write` and `needs_write` were
 * for. `write` is asked at most once per tick of the event loop, with all that there is.
 */
export interface Transport {
  /** Begins to deliver; called once, before anything else. */
  start(events: TransportEvents): void
  /** Sends the pieces in order. Returns false to ask for a pause until `onDrain`; what was passed is sent nonetheless. */
  write(pieces: readonly Uint8Array[]): boolean
  /** Ends the stream once everything written is sent, then reports `onClose`. */
  end(): void
  /** Drops the stream at once, then reports `onClose`. */
  destroy(): void
}

/** Opens a transport to an address; rejects, or throws, where that fails. */
export type TransportFactory = (address: Address, signal: AbortSignal) => Transport | Promise<Transport>

/**
 * Where to connect: a URL, several, or a function that is asked before each attempt, and again when publishing gets its
 * own connection, for example for a fresh token.
 */
export type UrlSource =
  | string
  | readonly string[]
  | (() => string | readonly string[] | Promise<string | readonly string[]>)

/** How a lost connection is recovered: over and over, with delays that grow, until it works or a limit is reached. */
export interface RecoveryOptions {
  /** Milliseconds before the first attempt, at most: each delay is drawn from 0 to its limit. @default 250 */
  initialDelay?: number
  /** The limit that the delays grow to, in milliseconds. @default 30000 */
  maxDelay?: number
  /** By how much the limit grows from attempt to attempt. @default 2 */
  factor?: number
  /** How many attempts may fail in a row before the client ends. @default Infinity */
  maxAttempts?: number
  /** How many milliseconds may go by without a connection before the client ends. @default Infinity */
  maxTime?: number
  /**
   * Go on also where the broker refuses the user or the virtual host, or no AMQP is spoken. With `false`, that ends the
   * client. @default true
   */
  retryRefused?: boolean
}

/** What recovery could not bring back. */
export interface TopologyEntity {
  readonly kind: 'exchange' | 'queue' | 'binding'
  /** Its name; of a binding: `source -> destination (routing key)`. */
  readonly name: string
}

/** An attempt to connect anew. */
export interface ReconnectAttempt {
  /** 1, 2, ... since the connection was lost. */
  readonly attempt: number
  /** Milliseconds until it is made. */
  readonly delay: number
  /** The host that is tried first. */
  readonly host: string
  /** What the attempt before came to, or how the connection was lost. */
  readonly error: Error
}

/** What a client is at. */
export type ClientState =
  | { readonly name: 'idle' }
  /** `attempt` counts from 1. */
  | { readonly name: 'connecting'; readonly attempt: number }
  /** `blocked` is the broker's reason not to take messages for now. */
  | { readonly name: 'open'; readonly server: ServerInfo; readonly blocked: string | undefined }
  /** The connection was lost at `since`; `error` is the last that is known of it. */
  | { readonly name: 'reconnecting'; readonly attempt: number; readonly since: Date; readonly error: Error }
  /** `error` is why, unless the client was closed by its user. */
  | { readonly name: 'closed'; readonly error: Error | undefined }

/** What a client has done since it was made, and what it is at. */
export interface ClientMetrics {
  /** Publishes that were accepted. */
  readonly published: number
  /** Publishes that the broker confirmed (basic.ack). */
  readonly confirmed: number
  /** Publishes that the broker refused (basic.nack). */
  readonly nacked: number
  /** Publishes that came back (basic.return). */
  readonly returned: number
  /** Publishes that were sent again, after a channel or the connection was lost. */
  readonly resent: number
  /** Messages that came in. */
  readonly delivered: number
  /** Messages that were acked, nacked or rejected. */
  readonly settled: number
  /** Messages that were settled too late: their channel was gone. */
  readonly staleSettlements: number
  /** How often a lost connection was replaced. */
  readonly reconnects: number
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Publishes that are neither confirmed nor given up. */
  readonly pendingPublishes: number
  /** The bytes of these, as they are kept to be sent, or sent again. */
  readonly pendingPublishBytes: number
  /** Operations that are under way, or wait. */
  readonly pendingOperations: number
}

/** Options of a client. What the URL says wins over `username`, `password` and `vhost`. */
export interface ClientOptions {
  /** The user, where the URL names none. @default 'guest' */
  username?: string
  /** The password, where the URL gives none. @default 'guest' */
  password?: string
  /** The virtual host, where the URL names none. @default '/' */
  vhost?: string
  /** The authentication mechanism. @default EXTERNAL with a client certificate and no user, else PLAIN, else AMQPLAIN */
  mechanism?: Mechanism
  /** A name for the connection, shown in RabbitMQ's management pages. */
  connectionName?: string
  /** More properties to tell the broker about this client. */
  clientProperties?: Table
  /** The path of a unix socket to connect to instead of a host. */
  path?: string
  /** Options for TLS, used with `amqps://`: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized` and the rest of Node's. */
  tls?: TlsOptions
  /** Milliseconds for a connection to be made, handshake included. @default 10000 */
  connectTimeout?: number
  /** Seconds between heartbeats to ask for; 0 switches them off. The lower of both sides' wishes holds. @default 30 */
  heartbeat?: number
  /** The largest frame to ask for, in bytes: 8192 or more, or 0 for no limit of ours. @default 131072 */
  frameMax?: number
  /** The most channels to ask for: 4 to 65535. @default 2047 */
  channelMax?: number
  /** How many operations run at once, each on a channel of its own; the rest wait. @default 32 */
  operationConcurrency?: number
  /** How many operations may wait for their turn before further ones fail with `ResourceError`. @default 100000 */
  maxPendingOperations?: number
  /** How many bytes of publishes may be unconfirmed or unsent before further ones fail with `ResourceError`. @default 268435456 */
  maxPendingPublishBytes?: number
  /** How many publishes may be unconfirmed or unsent before further ones fail with `ResourceError`. @default 1000000 */
  maxPendingPublishes?: number
  /**
   * The connection to publish on. `separate`: one of its own, opened with the first publish, so that everything else
   * goes on while RabbitMQ, short of memory or disk, reads nothing from connections that publish (RabbitMQ, "Memory and
   * Disk Alarms"). `shared`: the one connection. @default 'separate'; with a `transport` of one's own, 'shared'
   */
  publishConnection?: 'separate' | 'shared'
  /** The largest message to accept, in bytes; a larger one ends the connection. @default 134217728 (RabbitMQ's own default limit) */
  maxMessageSize?: number
  /** Further hosts, as `host` or `host:port`, with all else as in the first URL. @default [] */
  hosts?: readonly string[]
  /** The order in which hosts are tried: at random, which spreads clients over a cluster, or as given. @default 'shuffled' */
  hostOrder?: 'shuffled' | 'fixed'
  /** How a lost connection is recovered; `false`: not at all. @default {} */
  recovery?: false | RecoveryOptions
  /** `connect()` does not give up at the first failure, but goes on as `recovery` says. @default false */
  retryInitial?: boolean
  /**
   * What publishes and operations do while there is no connection: wait for the next one, within the limits of
   * `maxPendingPublishes`, `maxPendingPublishBytes` and `maxPendingOperations`, or fail with `ConnectionBrokenError`.
   * @default 'wait'
   */
  whileOffline?: 'wait' | 'fail'
  /** A transport of one's own, in place of TCP, TLS and unix sockets. */
  transport?: TransportFactory
}

export type { FieldValue, Table, TlsOptions }
