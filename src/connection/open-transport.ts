/**
 * Owns the opening of a connection's transport, the time that connecting may take, and what a failed attempt is called.
 * Knows nothing of what the transport carries.
 */
import { format } from 'node:util'
import { debugConnection } from '../debug.js'
import { AmqpError, ConnectionBrokenError, ProtocolError, TimeoutError } from '../errors.js'
import { connectStream } from '../transport/stream.js'
import type { Transport } from '../transport-types.js'
import { eitherSignal, onAbort } from '../util/abort.js'
import { cleanText } from '../util/clean-text.js'
import type { ConnectionConfig } from './connection-config.js'
import { GuardedTransport } from './guarded-transport.js'

/**
 * A broker greets at once, and so does a proxy refuse whose brokers are down. Who reads in silence for so long, in
 * milliseconds, waits for another protocol.
 */
const LONG_SILENCE = 1000

/** Opens a transport. One that opens after `giveUp` was aborted is destroyed. */
export function openTransport(
  { transport, address, connectTimeout }: ConnectionConfig,
  giveUp: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const giveUpWith = (sofar: string): void => reject(new TimeoutError(sofar))
    // Our own says itself what it has come to.
    const stopWatching = transport && onAbort(giveUp, () => reject(giveUp.reason))
    const attempt = async (): Promise<void> => {
      try {
        const opened = await (transport === undefined
          ? connectStream(address, giveUp, connectTimeout, giveUpWith)
          : transport(address, giveUp))
        const guarded = transport === undefined ? opened : new GuardedTransport(opened)
        if (giveUp.aborted) guarded.destroy()
        else resolve(guarded)
      } catch (error) {
        reject(error)
      } finally {
        stopWatching?.()
      }
    }
    void attempt()
  })
}

/**
 * Runs an attempt to connect, which began at `since`. `giveUp` is aborted by the caller's signal and by `connectTimeout`.
 * Rejects with the signal's reason, or with an error that says what went wrong.
 */
export async function withinConnectTimeout(
  config: ConnectionConfig,
  since: number,
  signal: AbortSignal,
  attempt: (giveUp: AbortSignal) => Promise<void>,
): Promise<void> {
  const deadline = new AbortController()
  const left = since + config.connectTimeout - performance.now()
  const timer = setTimeout(() => deadline.abort(), Math.max(0, left))
  const giveUp = eitherSignal(signal, deadline.signal)
  try {
    signal.throwIfAborted()
    debugConnection('connecting to %s', config.hostLabel)
    await attempt(giveUp.signal)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    const failure = connectFailure(error, config, deadline.signal)
    debugConnection('%s: %s', config.hostLabel, failure.message)
    throw failure
  } finally {
    clearTimeout(timer)
    giveUp.release()
  }
}

function connectFailure(
  error: unknown,
  { hostLabel, connectTimeout, address }: ConnectionConfig,
  deadline: AbortSignal,
): AmqpError {
  if (deadline.aborted && !(error instanceof ProtocolError)) {
    const detail = error instanceof AmqpError ? `: ${error.message}` : ''
    return new TimeoutError(
      `connect: no connection to ${hostLabel} within ${connectTimeout} ms (connectTimeout)${detail}`,
      { operation: 'connect' },
    )
  }
  if (error instanceof AmqpError && !(error instanceof ConnectionBrokenError)) return error
  const why = address.tls === undefined ? withoutTls(error) : withTls(error)
  return new ConnectionBrokenError(`connect: no connection to ${hostLabel}: ${why}`, {
    operation: 'connect',
    cause: error instanceof AmqpError ? error.cause : error,
  })
}

/** What a failure of TLS means: most of OpenSSL's own words say nothing of it. */
function withTls(error: unknown): string {
  const { code, reason } = (error ?? {}) as { readonly code?: unknown; readonly reason?: unknown }
  if (NO_TLS.some(each => each === code)) {
    return `the server does not speak TLS (${cleanText(String(reason ?? code))}): is it a port for amqp://?`
  }
  const text = messageOf(error)
  return code === 'ECONNRESET' ? `${text}: is it a port for amqp://?` : text
}

/** A server that waits for TLS may hang up on what is none. */
function withoutTls(error: unknown): string {
  const text = messageOf(error)
  return text === SILENT_END ? `${text}: is it a port for amqps://?` : text
}

/** How OpenSSL calls bytes that are no TLS. */
const NO_TLS = ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']
const SILENT_END = 'the server hung up before it had said anything'

/** Why a connection ended whose transport has closed. `silence`: nothing had come for so many milliseconds, from the beginning. */
export function transportClosed(error: unknown, silence: number | undefined): AmqpError {
  if (error !== undefined) return new ConnectionBrokenError(messageOf(error), { cause: error })
  if (silence === undefined) return new ConnectionBrokenError('the broker hung up')
  const hungUp = new ConnectionBrokenError(SILENT_END)
  if (silence < LONG_SILENCE) return hungUp
  const seconds = (silence / 1000).toFixed(1)
  return new ProtocolError(
    `the server said nothing for ${seconds} s, then hung up: is it a web server, such as the management of RabbitMQ (port 15672)?`,
    { cause: hungUp },
  )
}

/** Why a connection ended whose handshake takes too long. `silence` as above. */
export function unfinished(silence: number | undefined): TimeoutError {
  return new TimeoutError(
    silence === undefined ? 'the handshake was not over' : 'the server has said nothing',
  )
}

/** The message of an error. If all addresses of a host failed, Node's AggregateError has none: those of its parts are joined. */
function messageOf(error: unknown): string {
  const { message, errors } = (error ?? {}) as Partial<AggregateError>
  if (message === '' && Array.isArray(errors)) return errors.map(messageOf).join(', ')
  return cleanText(typeof message === 'string' ? message : format('%s', error))
}
