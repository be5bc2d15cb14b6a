/**
 * Owns what a connection may rely on with a transport of the user's own: `write` never throws, `onClose` is called once,
 * and a transport that does not end by itself is dropped.
 */
import { END_TIMEOUT } from '../transport/stream.js'
import type { Transport, TransportEvents } from '../transport-types.js'

export class GuardedTransport implements Transport {
  readonly #transport: Transport
  #onClose: ((error?: Error) => void) | undefined
  #dropTimer: NodeJS.Timeout | undefined

  constructor(transport: Transport) {
    this.#transport = transport
  }

  start(events: TransportEvents): void {
    this.#onClose = error => events.onClose(error)
    this.#transport.start({ ...events, onClose: error => this.#closed(error) })
  }

  /** A transport that throws is broken. */
  write(pieces: readonly Uint8Array[]): boolean {
    try {
      return this.#transport.write(pieces)
    } catch (error) {
      queueMicrotask(() => this.#closed(error as Error))
      return false
    }
  }

  end(): void {
    this.#transport.end()
    this.#dropTimer = setTimeout(() => this.#transport.destroy(), END_TIMEOUT)
    this.#dropTimer.unref()
  }

  destroy(): void {
    this.#transport.destroy()
  }

  #closed(error: Error | undefined): void {
    clearTimeout(this.#dropTimer)
    const onClose = this.#onClose
    this.#onClose = undefined
    onClose?.(error)
  }
}
