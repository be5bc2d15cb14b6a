/**
 * Owns what a connection may rely on with a transport of the user's own: once started, no method throws; nothing is told
 * while a method runs; `onClose` is called once, and nothing comes behind it; and a transport that breaks, or does not end
 * by itself, is dropped. Knows nothing of AMQP.
 */
import { ArgumentError } from '../errors.js'
import { END_TIMEOUT } from '../transport/stream.js'
import type { Transport, TransportEvents } from '../transport-types.js'

const METHODS = ['start', 'write', 'end', 'destroy'] as const

export class GuardedTransport implements Transport {
  readonly #transport: Transport
  /** Who is told; undefined before the start, and when it has closed. */
  #events: TransportEvents | undefined
  /** A method of the transport is running: who called it is in the middle of something. */
  #inCall = false
  /** What the transport told meanwhile, and what came behind that, in order. */
  #untold: (() => void)[] = []
  #dropTimer: NodeJS.Timeout | undefined
  #dropped = false

  /** Throws {@link ArgumentError} if it is no transport. */
  constructor(transport: Transport) {
    if (!METHODS.every(name => typeof transport?.[name] === 'function')) {
      throw new ArgumentError(`connect: the option transport gave none: it must have ${METHODS.join(', ')}`, {
        operation: 'connect',
      })
    }
    this.#transport = transport
  }

  start(events: TransportEvents): void {
    this.#events = events
    try {
      this.#call(() =>
        this.#transport.start({
          onData: chunk => this.#tell(() => this.#onData(chunk)),
          room: () => this.#events?.room?.(),
          onDrain: () => this.#tell(() => this.#events?.onDrain()),
          onClose: error => this.#tell(() => this.#closed(error)),
        }),
      )
    } catch (error) {
      this.#events = undefined
      throw error
    }
  }

  write(pieces: readonly Uint8Array[]): boolean {
    try {
      return this.#call(() => this.#transport.write(pieces)) !== false
    } catch (error) {
      this.#break(error)
      return false
    }
  }

  end(): void {
    this.#dropTimer = setTimeout(() => this.destroy(), END_TIMEOUT)
    this.#dropTimer.unref()
    try {
      this.#call(() => this.#transport.end())
    } catch (error) {
      this.#break(error)
    }
  }

  destroy(): void {
    if (this.#dropped) return
    this.#dropped = true
    clearTimeout(this.#dropTimer)
    try {
      this.#call(() => this.#transport.destroy())
    } catch (error) {
      this.#break(error)
    }
  }

  /** Calls a method. An asynchronous one, as a user may well write it, can fail later. */
  #call(method: () => unknown): unknown {
    const outer = this.#inCall
    this.#inCall = true
    try {
      const result = method()
      if (result instanceof Promise) result.catch(error => this.#break(error))
      return result
    } finally {
      this.#inCall = outer
    }
  }

  /** Tells at once, or as soon as whoever called a method of the transport is done. */
  #tell(event: () => void): void {
    if (!this.#inCall && this.#untold.length === 0) event()
    else if (this.#untold.push(event) === 1) queueMicrotask(() => this.#tellRest())
  }

  #tellRest(): void {
    // What is added meanwhile belongs to the same round.
    for (const event of this.#untold) event()
    this.#untold = []
  }

  #onData(chunk: Uint8Array): void {
    if (Buffer.isBuffer(chunk)) this.#events?.onData(chunk)
    else if (chunk instanceof Uint8Array)
      this.#events?.onData(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    else this.#break(new ArgumentError(`transport: onData was called with no Buffer, but ${typeof chunk}`))
  }

  /** A transport that throws is broken. The caller is in the middle of something: it is told a little later. */
  #break(error: unknown): void {
    queueMicrotask(() => {
      this.#tell(() => this.#closed(error))
      this.destroy()
    })
  }

  /** `null` is what Node's callbacks say where there is no error. */
  #closed(error: unknown): void {
    clearTimeout(this.#dropTimer)
    const events = this.#events
    this.#events = undefined
    events?.onClose((error ?? undefined) as Error | undefined)
  }
}
