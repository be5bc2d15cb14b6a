/**
 * Owns what a connection is to be made with: the URL and the options brought together, defaults filled in, every value
 * checked. Errors never repeat a secret.
 */

import type { ClientOptions, Mechanism } from '../client-options.js'
import { ArgumentError } from '../errors.js'
import type { Address, TransportFactory } from '../transport-types.js'
import { hostLabel, type ParsedUrl, parseUrl } from '../url.js'
import { checkText, checkWhole } from '../util/check.js'
import type { Table } from '../util/field-value.js'
import { VERSION } from '../version.gen.js'

export interface Credentials {
  readonly username: string
  readonly password: string
  /** The user chose them; guest/guest by default does not count. */
  readonly explicit: boolean
}

export interface ConnectionConfig {
  readonly address: Address
  /** For messages and `ServerInfo`: never with credentials. */
  readonly hostLabel: string
  readonly vhost: string
  readonly credentials: Credentials
  readonly mechanism: Mechanism | undefined
  readonly clientProperties: Table
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Seconds; 0: none. */
  readonly heartbeat: number
  readonly frameMax: number
  readonly channelMax: number
  readonly operationConcurrency: number
  readonly maxPendingOperations: number
  readonly maxPendingPublishes: number
  readonly maxPendingPublishBytes: number
  readonly maxMessageSize: number
  readonly transport: TransportFactory | undefined
  /** Publishing has a connection of its own. */
  readonly separatePublishing: boolean
}

/** RabbitMQ refuses smaller frames from 4.1 on; AMQP's own least is 4096. */
const SMALLEST_FRAME_MAX = 8192
/** The channels that publishing keeps for itself, and one for everything else. */
const FEWEST_CHANNELS = 4

/** The parts of a URL that is not known yet. */
const NO_URL: ParsedUrl = { secure: false, host: 'localhost', port: 5672 }

/**
 * Brings a URL and options together. Throws {@link ArgumentError} for whatever is invalid. Without a URL, as far as the
 * options alone tell.
 */
export function resolveConfig(url: string | undefined, options: ClientOptions): ConnectionConfig {
  const parsed = url === undefined ? NO_URL : parseUrl(url)
  checkTls(options.tls)
  if (url !== undefined && !parsed.secure && options.tls !== undefined) {
    throw new ArgumentError('tls is for amqps://, and the URL says amqp://: nothing would be encrypted')
  }
  const address = resolveAddress(parsed, options)
  const username = parsed.username ?? options.username
  const password = parsed.password ?? options.password
  const mechanism = checkMechanism(parsed.mechanism ?? options.mechanism)
  const hasNoUser = username === undefined && password !== undefined
  return {
    address,
    hostLabel: address.path ?? hostLabel(parsed.host, parsed.port),
    vhost: text('vhost', parsed.vhost ?? options.vhost, '/'),
    credentials: {
      username: text('username', username, 'guest'),
      password: text('password', password, 'guest'),
      explicit: username !== undefined,
    },
    mechanism: hasNoUser ? withoutUser(mechanism, options.tls) : mechanism,
    clientProperties: clientProperties(options),
    connectTimeout: whole(
      'connectTimeout',
      parsed.connectTimeout ?? options.connectTimeout,
      10_000,
      1,
      2 ** 31 - 1,
    ),
    heartbeat: whole('heartbeat', parsed.heartbeat ?? options.heartbeat, 30, 0, 65_535),
    frameMax: frameMax(parsed.frameMax ?? options.frameMax),
    channelMax: whole('channelMax', parsed.channelMax ?? options.channelMax, 2047, FEWEST_CHANNELS, 65_535),
    operationConcurrency: whole('operationConcurrency', options.operationConcurrency, 32, 1, 65_535),
    maxPendingOperations: whole('maxPendingOperations', options.maxPendingOperations, 100_000, 1),
    maxPendingPublishes: whole('maxPendingPublishes', options.maxPendingPublishes, 1_000_000, 1),
    maxPendingPublishBytes: whole('maxPendingPublishBytes', options.maxPendingPublishBytes, 134_217_728, 1),
    maxMessageSize: whole('maxMessageSize', options.maxMessageSize, 134_217_728, 1),
    transport: checkTransport(options.transport),
    separatePublishing: separatePublishing(options),
  }
}

/** A transport of the user's own may lead to one place once. */
function separatePublishing({ publishConnection, transport }: ClientOptions): boolean {
  const choice = publishConnection ?? (transport === undefined ? 'separate' : 'shared')
  if (choice === 'separate' || choice === 'shared') return choice === 'separate'
  throw new ArgumentError("publishConnection must be 'separate' or 'shared'")
}

function resolveAddress(parsed: ParsedUrl, { path, tls }: ClientOptions): Address {
  if (path !== undefined && (typeof path !== 'string' || path === '')) {
    throw new ArgumentError('path must be the path of a unix socket')
  }
  return {
    host: parsed.host,
    port: parsed.port,
    path,
    tls: parsed.secure ? (tls ?? {}) : undefined,
  }
}

function checkTls(tls: ClientOptions['tls']): void {
  if (tls !== undefined && (typeof tls !== 'object' || tls === null)) {
    throw new ArgumentError("tls must be an object with options of Node's tls.connect")
  }
}

/**
 * The mechanism for a password without a user. Beside a certificate, which stands for a user, it is not one for guest: the
 * certificate counts, or nothing does. A context that was made before does not tell whether it has a certificate.
 */
function withoutUser(mechanism: Mechanism | undefined, tls: ClientOptions['tls']): Mechanism | undefined {
  if (mechanism === 'EXTERNAL') return mechanism
  const isCertified = tls?.cert !== undefined || tls?.pfx !== undefined
  if (isCertified && mechanism === undefined) return 'EXTERNAL'
  if (isCertified || tls?.secureContext !== undefined) {
    throw new ArgumentError(
      "a password without a user beside a client certificate: add the username, leave out the password, or set mechanism to 'EXTERNAL'",
    )
  }
  return mechanism
}

function clientProperties({ connectionName, clientProperties: own }: ClientOptions): Table {
  return {
    product: 'puka-amqp',
    version: VERSION,
    platform: `Node.js ${process.version}`,
    ...own,
    ...(connectionName === undefined ? {} : { connection_name: text('connectionName', connectionName, '') }),
    capabilities: {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      authentication_failure_close: true,
      per_consumer_qos: true,
    },
  }
}

function frameMax(value: number | undefined): number {
  if (value === 0) return 0
  return whole('frameMax', value, 131_072, SMALLEST_FRAME_MAX, 2 ** 31 - 1)
}

function whole(
  name: string,
  value: number | undefined,
  byDefault: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return byDefault
  checkWhole(name, value, min, max)
  return value
}

function text(name: string, value: string | undefined, byDefault: string): string {
  if (value === undefined) return byDefault
  checkText(name, value)
  return value
}

function checkMechanism(mechanism: Mechanism | undefined): Mechanism | undefined {
  if (mechanism === undefined || ['PLAIN', 'EXTERNAL', 'AMQPLAIN'].includes(mechanism)) return mechanism
  throw new ArgumentError("mechanism must be 'PLAIN', 'EXTERNAL' or 'AMQPLAIN'")
}

function checkTransport(transport: TransportFactory | undefined): TransportFactory | undefined {
  if (transport === undefined || typeof transport === 'function') return transport
  throw new ArgumentError('transport must be a function that opens a transport')
}
