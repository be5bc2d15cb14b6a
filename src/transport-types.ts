/** Owns the types of a transport: what a connection needs of it, and what it tells the connection. */
import type { ConnectionOptions as TlsOptions } from 'node:tls'

/** The address that a transport connects to. It holds no credentials. */
export interface Address {
  /** The host's name or address, without brackets. */
  readonly host: string
  /** The port; 5672 for AMQP and 5671 for AMQP over TLS, unless the URL says another one. */
  readonly port: number
  /** The path of a Unix socket; if it is set, `host` and `port` are ignored. */
  readonly path?: string | undefined
  /** The options for TLS; if absent, the transport uses no TLS. */
  readonly tls?: TlsOptions | undefined
}

/**
 * The callbacks from a transport to the connection. They are called without `this`, and never throw. What a transport calls
 * while one of its own methods runs is dealt with when that has returned; nothing counts any more after `onClose`.
 */
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
  /**
   * Call it once, when the stream has closed or the peer has ended its side: with an error if it failed, without one if the
   * peer closed it. A socket emits `end` for the latter; with `close` alone, a peer that reads no more can put it off.
   */
  onClose(error?: Error): void
}

/**
 * A custom byte stream to a broker. It replaces Puka's `fileno`, `on_read`, `on_write` and `needs_write`. The client
 * calls `write` once at the end of a tick with all data that is ready, and earlier only if that is very much. A method
 * that throws, or gives a promise that rejects, ends the connection with `ConnectionBrokenError`; `destroy` is called then.
 */
export interface Transport {
  /** Starts to deliver events. Called once, before anything is written. */
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
