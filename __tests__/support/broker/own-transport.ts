/**
 * Owns a transport as a user might write it, over a socket, with a count of what is asked of it. Knows nothing of AMQP.
 */
import { connect, type Socket } from 'node:net'
import type { Transport, TransportEvents } from '../../../src/index.js'
import { brokerUrl } from './broker.js'

export class OwnTransport implements Transport {
  readonly calls = { start: 0, write: 0, end: 0, destroy: 0 }
  /** `write` throws. */
  failing = false
  /** `write` asks for a pause, until {@link drain}. */
  full = false
  /** Hears of every chunk, after the connection has. */
  onChunk: (chunk: Buffer) => void = () => undefined

  #onDrain: () => void = () => undefined

  constructor(readonly socket: Socket) {}

  start(events: TransportEvents): void {
    this.calls.start++
    this.socket.on('data', chunk => {
      events.onData(chunk)
      this.onChunk(chunk)
    })
    this.#onDrain = events.onDrain
    this.socket.on('drain', () => {
      if (!this.full) events.onDrain()
    })
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => events.onClose())
  }

  write(pieces: readonly Uint8Array[]): boolean {
    this.calls.write++
    if (this.failing) throw new Error('the wire was cut')
    return this.socket.write(Buffer.concat(pieces)) && !this.full
  }

  /** There is room again. */
  drain(): void {
    this.full = false
    this.#onDrain()
  }

  end(): void {
    this.calls.end++
    this.socket.end()
  }

  destroy(): void {
    this.calls.destroy++
    this.socket.destroy()
  }
}

/** A transport to the shared broker. */
export function reachBroker(): Promise<OwnTransport> {
  const { hostname, port } = new URL(brokerUrl())
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.once('error', reject)
    socket.once('connect', () => resolve(new OwnTransport(socket)))
  })
}
