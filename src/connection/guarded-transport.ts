/**
 * Owns what a connection may rely on with a transport of the user's own: once started, no method throws, `onClose` is
 * called once, and a transport that breaks, or does not end by itself, is dropped.
 */
import { END_TIMEOUT } from '../transport/stream.js'
import type { Transport, TransportEvents } from '../transport-types.js'

export class GuardedTransport implements Transport {
  readonly #transport: Transport
  #onClose: ((error?: Error) => void) | undefined
  #dropTimer: NodeJS.Timeout | undefined
  #dropped = false

  constructor(transport: Transport) {
    this.#transport = transport
  }

  start(events: TransportEvents): void {
    this.#onClose = error => events.onClose(error)
    this.#transport.start({ ...events, onClose: error => this.#closed(error) })
  }

  write(pieces: readonly Uint8Array[]): boolean {
    try {
      return this.#transport.write(pieces)
    } catch (error) {
      this.#break(error)
      return false
    }
  }

  end(): void {
    this.#dropTimer = setTimeout(() => this.destroy(), END_TIMEOUT)
    this.#dropTimer.unref()
    try {
      this.#transport.end()
    } catch (error) {
      this.#break(error)
    }
  }

  destroy(): void {
    if (this.#dropped) return
    this.#dropped = true
    clearTimeout(this.#dropTimer)
    try {
      this.#transport.destroy()
    } catch (error) {
      queueMicrotask(() => this.#closed(error as Error))
    }
  }

  /** A transport that throws is broken. The caller is in the middle of something: it is told a little later. */
  #break(error: unknown): void {
    queueMicrotask(() => {
      this.#closed(error as Error)
      this.destroy()
    })
  }

  #closed(error: Error | undefined): void {
    clearTimeout(this.#dropTimer)
    const onClose = this.#onClose
    this.#onClose = undefined
    onClose?.(error)
  }
}
