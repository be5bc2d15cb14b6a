/**
 * Owns an in-memory pair of transports: what one side writes, the other receives, in a later turn of the microtask
 * queue. It is for tests of everything above a transport, byte by byte.
 */
import type { Transport, TransportEvents } from '../../../src/transport-types.js'

/** Two transports, each the other's peer. */
export function memoryPair(): [Transport, Transport] {
  const left = new MemoryTransport()
  const right = new MemoryTransport()
  left.connect(right)
  right.connect(left)
  return [left, right]
}

class MemoryTransport implements Transport {
  #peer: MemoryTransport | undefined
  #events: TransportEvents | undefined
  /** What came and is not delivered yet, in order; null is the end. */
  readonly #inbox: (Buffer | null)[] = []
  #delivering = false
  #closed = false

  connect(peer: MemoryTransport): void {
    this.#peer = peer
  }

  start(events: TransportEvents): void {
    this.#events = events
    this.#deliverSoon()
  }

  write(pieces: readonly Uint8Array[]): boolean {
    // Copied, as a socket would: the receiver may keep what it gets.
    const chunk = Buffer.concat(pieces)
    if (!this.#closed && chunk.length > 0) this.#peer?.receive(chunk)
    return true
  }

  end(): void {
    this.#peer?.receive(null)
    this.receive(null)
  }

  destroy(): void {
    this.#peer?.receive(null)
    this.#inbox.length = 0
    this.receive(null)
  }

  /** The peer's bytes, or its end. */
  receive(item: Buffer | null): void {
    this.#inbox.push(item)
    this.#deliverSoon()
  }

  #deliverSoon(): void {
    if (this.#delivering || this.#events === undefined) return
    this.#delivering = true
    queueMicrotask(() => this.#deliver(this.#events))
  }

  #deliver(events: TransportEvents | undefined): void {
    this.#delivering = false
    const item = this.#inbox.shift()
    if (item === undefined || this.#closed) return
    if (this.#inbox.length > 0) this.#deliverSoon()
    if (item === null) {
      this.#closed = true
      events?.onClose()
    } else {
      events?.onData(item)
    }
  }
}
