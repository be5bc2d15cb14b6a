/**
 * Owns the main job: pieces go into a queue, confirmed, many at once, while a `for await` loop takes them out, each
 * once and in order, also where connections were lost and some came twice. Knows nothing of files, brokers, terminals.
 */
import { createHistogram, performance } from 'node:perf_hooks'
import type { Client, Message } from 'puka-amqp'
import { DemoError } from './errors.js'
import { Meter } from './meter.js'

/** So many publishes may be unconfirmed, and so many bytes of them. */
const IN_FLIGHT = 1000
const BYTES_IN_FLIGHT = 16_777_216
const PREFETCH = 500
/** The `type` of the message that says that no further piece follows. */
const END = 'end'
const SENT_AT = 'sent-at'
const NANOSECONDS_PER_MILLISECOND = 1e6

export class Transfer {
  readonly published = new Meter()
  readonly received = new Meter()
  /** Messages that came again, because a connection was lost before their confirm or their ack. */
  duplicates = 0
  /** Pieces that came before one that is due, by their numbers. */
  readonly #early = new Map<number, Buffer>()
  /** The number of the message that says that no further piece follows, once that is known. */
  #end = Number.POSITIVE_INFINITY
  readonly #latency = createHistogram()
  readonly #failure = new AbortController()
  readonly #client: Client
  readonly #queue: string

  constructor(client: Client, queue: string) {
    this.#client = client
    this.#queue = queue
  }

  /** The time from publish to consume that so many per cent of the messages did not exceed, in milliseconds. */
  latency(percentile: number): number {
    return this.#latency.percentile(percentile) / NANOSECONDS_PER_MILLISECOND
  }

  /** Resolves when every piece has been confirmed, taken out in its order, kept and acked. */
  async run(
    pieces: AsyncIterable<Buffer>,
    keep: (piece: Buffer) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const stop = AbortSignal.any([signal, this.#failure.signal])
    this.published.start()
    this.received.start()
    const sides = [this.#publishAll(pieces, stop), this.#consumeAll(keep, stop)]
    // Whichever side fails ends the other one, and the first error counts.
    for (const side of sides) side.catch(error => this.#failure.abort(error))
    // A broker that takes no messages for now must not keep us from ending.
    await Promise.race([Promise.allSettled(sides), aborted(stop)])
    stop.throwIfAborted()
  }

  async #publishAll(pieces: AsyncIterable<Buffer>, stop: AbortSignal): Promise<void> {
    const window: Promise<number>[] = []
    let bytes = 0
    let number = 0
    for await (const piece of pieces) {
      while (window.length >= IN_FLIGHT || bytes > BYTES_IN_FLIGHT) bytes -= (await window.shift()) ?? 0
      stop.throwIfAborted()
      window.push(this.#publish(piece, number++))
      bytes += piece.length
    }
    await Promise.all(window)
    stop.throwIfAborted()
    await this.#client.basicPublish('', this.#queue, '', { type: END, messageId: String(number) })
  }

  /** Resolves with the size of the piece. Never rejects: a publish that fails ends the transfer. */
  async #publish(piece: Buffer, number: number): Promise<number> {
    try {
      const options = { messageId: String(number), headers: { [SENT_AT]: performance.now() } }
      await this.#client.basicPublish('', this.#queue, piece, options)
      this.published.add(piece.length)
    } catch (error) {
      this.#failure.abort(error)
    }
    return piece.length
  }

  async #consumeAll(keep: (piece: Buffer) => Promise<void>, signal: AbortSignal): Promise<void> {
    for await (const message of this.#client.basicConsume(this.#queue, { prefetchCount: PREFETCH, signal })) {
      this.#take(message)
      for (let piece = this.#nextPiece(); piece !== undefined; piece = this.#nextPiece()) {
        await keep(piece)
        this.received.add(piece.length)
      }
      message.ack()
      if (this.received.messages >= this.#end) break
    }
  }

  /** Sorts a message in by its number, unless it came before. */
  #take({ properties, headers, body }: Message): void {
    const number = Number(properties.messageId)
    if (!Number.isSafeInteger(number)) throw new DemoError('a message came that is not ours')
    if (properties.type === END) {
      if (this.#end === number) this.duplicates++
      this.#end = number
    } else if (number < this.received.messages || this.#early.has(number)) {
      this.duplicates++
    } else {
      this.#early.set(number, body)
      const latency = performance.now() - Number(headers[SENT_AT])
      this.#latency.record(Math.max(1, Math.round(latency * NANOSECONDS_PER_MILLISECOND)))
    }
  }

  /** The piece that is due, if it is there. */
  #nextPiece(): Buffer | undefined {
    const number = this.received.messages
    const piece = this.#early.get(number)
    this.#early.delete(number)
    return piece
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve())
  })
}
