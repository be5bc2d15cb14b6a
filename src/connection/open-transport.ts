/**
 * Owns the opening of a connection's transport, and what a failed attempt is called. Knows nothing of what the transport
 * carries.
 */
import { AmqpError, ConnectionBrokenError, TimeoutError } from '../errors.js'
import type { Transport } from '../options.js'
import { connectStream } from '../transport/stream.js'
import type { ConnectionConfig } from './connection-config.js'

/** Opens a transport. One that is there only when nobody waits for it any more is dropped. */
export function openTransport(
  { transport: open = connectStream, address }: ConnectionConfig,
  giveUp: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(giveUp.reason)
    giveUp.addEventListener('abort', onAbort, { once: true })
    const attempt = async (): Promise<void> => {
      try {
        const transport = await open(address, giveUp)
        if (giveUp.aborted) transport.destroy()
        else resolve(transport)
      } catch (error) {
        reject(error)
      } finally {
        giveUp.removeEventListener('abort', onAbort)
      }
    }
    void attempt()
  })
}

/** What a failed attempt to connect is called. */
export function connectFailure(
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

/** What an error says. Node says nothing where each address of a host failed: then each has its say. */
export function messageOf(error: unknown): string {
  const { message, errors } = (error ?? {}) as Partial<AggregateError>
  if (message === '' && Array.isArray(errors)) return errors.map(messageOf).join(', ')
  return message ?? String(error)
}
