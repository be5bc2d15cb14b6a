/**
 * Owns the types of the options of a client: where and how it connects, its limits, its recovery.
 * Holds no behaviour: defaults are applied, and values are checked, where they are used.
 */
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { TransportFactory } from './transport-types.js'
import type { Table } from './util/field-value.js'

/** The authentication mechanism (SASL). */
export type Mechanism = 'PLAIN' | 'EXTERNAL' | 'AMQPLAIN'

/**
 * Where to connect: a URL, several URLs, or a function that returns them. The client calls the function before each
 * attempt, and again when it opens the connection for publishing, so that it can return a fresh token, for example. Several
 * URLs are all `amqp://` or all `amqps://`.
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
   * `true`: retry even if the broker refuses the user or the virtual host, if the peer does not speak AMQP, or if the
   * credentials are too large for the broker. `false`: close the client then. @default true
   */
  retryRefused?: boolean
  /**
   * Milliseconds for which the client keeps trying to restore one part of the topology, or a consumer, that the broker
   * refuses for a reason that time can cure: another connection holds the queue (405), its node is down (404), the broker
   * fails for the moment (541), or all channels are in use. After that, the part is reported (`topologyError`), and the
   * consumer ends with the error. What is refused for another reason is given up at once. @default 180000
   */
  patience?: number
}

/** What a client adds to each message that it publishes, unless the call gives a value of its own. */
export interface PublishDefaultOptions {
  /**
   * `'uuid'`: each message gets a `messageId` of its own, a random UUID (version 4). It stays the same where the client
   * sends the message again, so that consumers recognise duplicates. @default none
   */
  messageId?: 'uuid'
  /** `true`: the `timestamp` of a message is the time of the call that published it, in whole seconds. @default false */
  timestamp?: boolean
  /** The `appId` of each message: at most 255 bytes of UTF-8. @default none */
  appId?: string
  /** `false`: messages do not survive a restart of the broker, unless the call says that they do. @default true */
  persistent?: boolean
}

/**
 * Where lines go that tell what becomes of a client. `console`, pino, winston and others are loggers. Each method is called
 * with one text; what it returns is ignored, and what it throws, too.
 */
export interface Logger {
  /** What is as it should be, in detail. */
  debug(message: string): unknown
  /** What is as it should be: connected, reconnecting, recovered, closed. */
  info(message: string): unknown
  /** What the client deals with: a connection lost, the broker blocked, a part of the topology late. */
  warn(message: string): unknown
  /** What is not as it should be, and stays so: a consumer ended, messages lost, a part of the topology gone. */
  error(message: string): unknown
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
   * @default EXTERNAL with a client certificate (`tls.cert` or `tls.pfx`) and no user, else PLAIN, else AMQPLAIN. With a
   *   password beside such a certificate, EXTERNAL only: the password is not taken for that of `guest`.
   */
  mechanism?: Mechanism
  /** A name for the connection, shown in RabbitMQ's management pages. */
  connectionName?: string
  /**
   * Additional client properties, sent to the broker. Together with the credentials they have to fit what it accepts
   * before the limits are agreed on: 4,096 bytes, on RabbitMQ 8,192 from 4.1 on.
   */
  clientProperties?: Table
  /** The path of a Unix socket to connect to, instead of a host. */
  path?: string
  /**
   * Options of Node's TLS: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized` and more. They are for `amqps://`, and
   * refused with `amqp://`. They are read for each connection, so that getters can return renewed certificates.
   * docs/tls.md has examples.
   */
  tls?: TlsOptions
  /**
   * Milliseconds to open a connection to a host, handshake included; also those that a function may take which gives
   * the URL. @default 10000
   */
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
   * The memory that publishes may take up while they are unsent or unconfirmed, in bytes; further ones reject with
   * `ResourceError`. Each counts with its encoded size and about 700 bytes for itself, 600 more with `signal` or
   * `timeout`. The default leaves enough room in a container of 512 MB: some 150,000 small messages.
   * @default 134217728
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
   * The largest message to accept, in bytes. The body of a larger one is discarded as it comes in, and nothing else is
   * affected: by a consumer, it is treated as its option `oversized` says; `basicGet` fails with `ResourceError`, and the
   * message goes back to its queue; one that comes back unroutable has an empty body (`NoRouteError`, event `return`).
   * @default 134217728 (RabbitMQ's own default limit)
   */
  maxMessageSize?: number
  /**
   * Additional hosts, as `host`, `host:port`, an IPv6 address or `[address]:port`; everything else is taken from the first
   * URL. @default []
   */
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
   * `fail` also ends those that are in progress when the connection is lost. Consumers come back either way.
   * @default 'wait'
   */
  whileOffline?: 'wait' | 'fail'
  /**
   * What the client adds to each message of `basicPublish` and `publishMany`. A value of the call is used before it; one
   * that is `undefined` counts as not given. @default {}
   */
  publishDefaults?: PublishDefaultOptions
  /**
   * Whether the error of a publish shows the line that called `basicPublish`, as those of all other methods do. It costs
   * time with each publish, some microseconds, and memory until it is confirmed: docs/errors.md has figures.
   * @default false
   */
  captureStacks?: boolean
  /**
   * Told what becomes of the connection, of the topology and of consumers, at levels that fit. No line has a password.
   * `DEBUG=puka:*` shows more. @default none
   */
  logger?: Logger
  /** A custom transport, instead of TCP, TLS and Unix sockets. */
  transport?: TransportFactory
}

export type { TlsOptions }
