/**
 * Owns the transport over Node's streams: TCP, TLS and unix sockets. Everything that has been written counts against
 * one limit, at which it asks for a pause. It is over when the peer says no more. Knows nothing of what the bytes mean.
 */
import { connect as connectTcp, isIP, type NetConnectOpts, type Socket } from 'node:net'
import type { Address, Transport, TransportEvents } from '../transport-types.js'
import { onAbort } from '../util/abort.js'
import { Inflow } from './inflow.js'

/** With so many bytes written but not yet taken by the operating system, `write` asks for a pause. */
const PAUSE_AT = 1_048_576

/** How long a transport may take to end, in milliseconds; then it is dropped. */
export const END_TIMEOUT = 3000

/** Connects to an address; rejects with Node's own error, or the signal's reason. */
export async function connectStream(address: Address, signal: AbortSignal): Promise<Transport> {
  // Loading it takes longer than connecting: only whoever speaks TLS has to wait for that.
  const tls = address.tls === undefined ? undefined : await import('node:tls')
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const inflow = new Inflow()
    const socket = tls === undefined ? openTcp(address, inflow) : openTls(address, tls)
    const settle = (outcome: () => void): void => {
      socket.off('error', fail)
      stopWatching()
      outcome()
    }
    const fail = (error: Error): void => {
      settle(() => reject(error))
      socket.destroy()
    }
    const stopWatching = onAbort(signal, () => {
      // A late error of a socket that nobody waits for any more.
      socket.on('error', () => {})
      fail(signal.reason)
    })
    socket.once('error', fail)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      settle(() => resolve(new StreamTransport(socket, inflow)))
    })
  })
}

function openTcp(address: Address, { onread }: Inflow): Socket {
  return connectTcp({ ...targetOf(address), noDelay: true, onread })
}

function openTls(address: Address, tls: typeof import('node:tls')): Socket {
  // SNI names hosts, never addresses (RFC 6066, section 3).
  const servername = isIP(address.host) === 0 ? { servername: address.host } : {}
  const socket = tls.connect({ ...servername, ...address.tls, ...targetOf(address) })
  socket.setNoDelay(true)
  return socket
}

function targetOf({ path, host, port }: Address): NetConnectOpts {
  return path === undefined ? { host, port } : { path }
}

/** A connected socket as a transport. */
export class StreamTransport implements Transport {
  readonly #socket: Socket
  readonly #inflow: Inflow
  #failure: Error | undefined

  constructor(socket: Socket, inflow: Inflow) {
    this.#socket = socket
    this.#inflow = inflow
    // It may fail before anybody has started to listen.
    socket.on('error', error => {
      this.#failure = error
    })
  }

  start(events: TransportEvents): void {
    const socket = this.#socket
    let isOver = false
    const onOver = (): void => {
      if (isOver) return
      isOver = true
      events.onClose(this.#failure)
    }
    this.#inflow.start(events)
    if (socket.closed || socket.readableEnded) {
      queueMicrotask(onOver)
      return
    }
    // TLS comes as a stream.
    socket.on('data', chunk => events.onData(chunk))
    socket.on('drain', () => events.onDrain())
    // A peer that says no more is gone. The socket itself closes only when all writes have left, which a peer that does not
    // read can put off for ever.
    socket.once('end', onOver)
    socket.once('close', onOver)
  }

  write(pieces: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    const [only] = pieces
    if (pieces.length === 1 && only !== undefined) {
      socket.write(only)
    } else {
      socket.cork()
      for (const piece of pieces) socket.write(piece)
      socket.uncork()
    }
    return socket.writableLength < PAUSE_AT
  }

  end(): void {
    const socket = this.#socket
    socket.end()
    const timer = setTimeout(() => socket.destroy(), END_TIMEOUT)
    timer.unref()
    socket.once('close', () => clearTimeout(timer))
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
