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
  { hostLabel, connectTimeout }: ConnectionConfig,
  deadline: AbortSignal,
): AmqpError {
  if (deadline.aborted && !(error instanceof ProtocolError)) {
    const detail = error instanceof AmqpError ? `: ${error.message}` : ''
    return new TimeoutError(
      `connect: no connection to ${hostLabel} within ${connectTimeout} ms (connectTimeout)${detail}`,
    )
  }
  if (error instanceof AmqpError && !(error instanceof ConnectionBrokenError)) return error
  return new ConnectionBrokenError(`connect: no connection to ${hostLabel}: ${messageOf(error)}`, {
    cause: error instanceof AmqpError ? error.cause : error,
  })
}

/** Why a connection ended whose transport has closed. `silence`: nothing had come for so many milliseconds, from the beginning. */
export function transportClosed(error: unknown, silence: number | undefined): AmqpError {
  if (error !== undefined) return new ConnectionBrokenError(messageOf(error), { cause: error })
  if (silence === undefined) return new ConnectionBrokenError('the broker hung up')
  const hungUp = new ConnectionBrokenError('the server hung up before it had said anything')
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
