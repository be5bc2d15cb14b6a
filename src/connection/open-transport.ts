/**
 * Owns the opening of a connection's transport, the time that connecting may take, and what a failed attempt is called.
 * Knows nothing of what the transport carries.
 */
import { format } from 'node:util'
import { debugConnection } from '../debug.js'
import { AmqpError, ConnectionBrokenError, TimeoutError } from '../errors.js'
import { connectStream } from '../transport/stream.js'
import type { Transport } from '../transport-types.js'
import { eitherSignal, onAbort } from '../util/abort.js'
import type { ConnectionConfig } from './connection-config.js'
import { GuardedTransport } from './guarded-transport.js'

/** Opens a transport. One that opens after `giveUp` was aborted is destroyed. */
export function openTransport(
  { transport: open = connectStream, address }: ConnectionConfig,
  giveUp: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const stopWatching = onAbort(giveUp, () => reject(giveUp.reason))
    const attempt = async (): Promise<void> => {
      try {
        const opened = await open(address, giveUp)
        const transport = open === connectStream ? opened : new GuardedTransport(opened)
        if (giveUp.aborted) transport.destroy()
        else resolve(transport)
      } catch (error) {
        reject(error)
      } finally {
        stopWatching()
      }
    }
    void attempt()
  })
}

/**
 * Runs an attempt to connect. `giveUp` is aborted by the caller's signal and by `connectTimeout`. Rejects with the
 * signal's reason, or with an error that says what went wrong.
 */
export async function withinConnectTimeout(
  config: ConnectionConfig,
  signal: AbortSignal,
  attempt: (giveUp: AbortSignal) => Promise<void>,
): Promise<void> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), config.connectTimeout)
  const giveUp = eitherSignal(signal, deadline.signal)
  try {
    signal.throwIfAborted()
    debugConnection('connecting to %s', config.hostLabel)
    await attempt(giveUp.signal)
  } catch (error) {
    debugConnection('%s: %s', config.hostLabel, error)
    if (signal.aborted) throw signal.reason
    throw connectFailure(error, config, deadline.signal)
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
  if (deadline.aborted) {
    return new TimeoutError(
      `connect: no connection to ${hostLabel} within ${connectTimeout} ms (connectTimeout)`,
    )
  }
  if (error instanceof AmqpError && !(error instanceof ConnectionBrokenError)) return error
  return new ConnectionBrokenError(`connect: no connection to ${hostLabel}: ${messageOf(error)}`, {
    cause: error instanceof AmqpError ? error.cause : error,
  })
}

/** Why a connection ended whose transport has closed. */
export function transportClosed(error: unknown): ConnectionBrokenError {
  const detail = error === undefined ? 'the broker hung up' : messageOf(error)
  return new ConnectionBrokenError(detail, { cause: error })
}

/** The message of an error. If all addresses of a host failed, Node's AggregateError has none: those of its parts are joined. */
function messageOf(error: unknown): string {
  const { message, errors } = (error ?? {}) as Partial<AggregateError>
  if (message === '' && Array.isArray(errors)) return errors.map(messageOf).join(', ')
  return typeof message === 'string' ? message : format('%s', error)
}
