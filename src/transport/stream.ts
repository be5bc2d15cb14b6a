/**
 * Owns the transport over Node's streams: TCP, TLS and unix sockets. Everything that has been written counts against
 * one limit, at which it asks for a pause. It is over when the peer says no more. Knows nothing of what the bytes mean.
 */
import { connect as connectTcp, isIP, type LookupFunction, type NetConnectOpts, type Socket } from 'node:net'
import type { Address, Transport, TransportEvents } from '../transport-types.js'
import { type Attempt, dial } from './dial.js'
import { Inflow } from './inflow.js'

/** With so many bytes written but not yet taken by the operating system, `write` asks for a pause. */
const PAUSE_AT = 1_048_576

/** How long connecting may take where nobody says so, in milliseconds. */
const DEFAULT_TIME = 10_000

/** Stands for an address where none is connected to by it. */
const NOWHERE = '0.0.0.0'

/** How long a transport may take to end, in milliseconds; then it is dropped. */
export const END_TIMEOUT = 3000

/**
 * Connects to an address, within so many milliseconds for all addresses of a name: the signal is aborted then. Rejects
 * with Node's own error, or the signal's reason; `onGivenUp` is told before what had become of it until then.
 */
export async function connectStream(
  address: Address,
  signal: AbortSignal,
  time = DEFAULT_TIME,
  onGivenUp?: (sofar: string) => void,
): Promise<Transport> {
  // Loading it takes longer than connecting: only whoever speaks TLS has to wait for that.
  const tls = address.tls === undefined ? undefined : await import('node:tls')
  const { lookup, family, hints }: LookupOptions = address.tls ?? {}
  // Neither a path nor a socket of the user's own is looked up.
  const isHost = address.path === undefined && address.tls?.socket === undefined
  const { socket, inflow } = await dial({
    ...{ lookup, family, hints, time, signal },
    host: isHost ? address.host : NOWHERE,
    onGivenUp: isHost ? onGivenUp : undefined,
    open: (ip, family) => (tls === undefined ? openTcp(address, ip) : openTls(address, tls, ip, family)),
  })
  return new StreamTransport(socket, inflow)
}

/** What the options for TLS may say of looking up: Node takes all three, and its types name the first. */
interface LookupOptions {
  readonly lookup?: LookupFunction | undefined
  readonly family?: number | undefined
  readonly hints?: number | undefined
}

interface Opening extends Attempt<Socket> {
  readonly inflow: Inflow
}

function openTcp({ path, port }: Address, ip: string): Opening {
  const inflow = new Inflow()
  const target: NetConnectOpts = path === undefined ? { host: ip, port } : { path }
  const socket = connectTcp({ ...target, noDelay: true, onread: inflow.onread })
  return { socket, inflow, success: 'connect' }
}

function openTls(
  { path, host, port, tls: options }: Address,
  tls: typeof import('node:tls'),
  ip: string,
  family: number,
): Opening {
  // SNI names hosts, never addresses (RFC 6066, section 3).
  const servername = isIP(host) === 0 ? { servername: host } : {}
  // The certificate is that of the host as it is called, whichever address it has.
  const lookup: LookupFunction = (_name, _options, callback) => callback(null, ip, family)
  const target = path === undefined ? { host, port, lookup, autoSelectFamily: false } : { path }
  const socket = tls.connect({ ...servername, ...options, ...target })
  socket.setNoDelay(true)
  return { socket, inflow: new Inflow(), success: 'secureConnect' }
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
