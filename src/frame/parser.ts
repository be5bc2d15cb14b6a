/**
 * Owns the way from bytes to frames, sans-I/O: whatever way the bytes are split, the same frames come out.
 *
 *     0      1         3             7                 size+7   size+8
 *     +------+---------+-------------+ +-------------+ +-----------+
 *     | type | channel |     size    | |   payload   | | frame-end |
 *     +------+---------+-------------+ +-------------+ +-----------+
 *
 * Knows nothing of what a payload means.
 */
import { FrameError, ProtocolError } from '../errors.js'
import {
  FRAME_BODY,
  FRAME_END,
  FRAME_HEADER,
  FRAME_HEADER_SIZE,
  FRAME_HEARTBEAT,
  FRAME_METHOD,
  FRAME_OVERHEAD,
} from './constants.js'

/** Takes the frames. The payload is `buffer` from `start` to `end`; it is not changed afterwards. */
export interface FrameSink {
  onFrame(type: number, channel: number, buffer: Buffer, start: number, end: number): void
}

export class FrameParser {
  readonly #sink: FrameSink
  #maxPayload: number
  /** A frame of which only a part has come: its bytes so far, in a buffer that has room for all that is known of it. */
  #partial: Buffer | undefined
  #filled = 0
  /** The peer's first bytes, until there are enough of them to tell AMQP from something else. */
  #opening: Buffer | undefined = Buffer.alloc(0)
  #stopped = false

  /** `frameMax` counts the whole frame, as AMQP's frame_max does; 0 means no limit. */
  constructor(sink: FrameSink, frameMax: number) {
    this.#sink = sink
    this.#maxPayload = payloadLimit(frameMax)
  }

  /** Sets the limit that was negotiated; 0 means none. */
  set frameMax(bytes: number) {
    this.#maxPayload = payloadLimit(bytes)
  }

  /** Hands out nothing more, also of the chunk being walked. */
  stop(): void {
    this.#stopped = true
    this.#partial = undefined
  }

  /** Takes the next bytes; calls the sink for every frame that they complete. */
  push(chunk: Buffer): void {
    if (this.#opening !== undefined) {
      this.#begin(this.#opening, chunk)
      return
    }
    let at = 0
    if (this.#partial !== undefined) at = this.#complete(this.#partial, chunk)
    const { length } = chunk
    while (!this.#stopped && length - at >= FRAME_HEADER_SIZE) {
      const size = this.#checkHeader(chunk, at)
      const end = at + FRAME_HEADER_SIZE + size
      if (end >= length) break
      this.#emit(chunk, at, end)
      at = end + 1
    }
    if (at < length && !this.#stopped) this.#keep(chunk, at)
  }

  /** Fills the partial frame from the chunk; returns how much of the chunk that took. */
  #complete(partial: Buffer, chunk: Buffer): number {
    let at = 0
    let frame = partial
    if (this.#filled < FRAME_HEADER_SIZE) {
      at = chunk.copy(frame, this.#filled, 0, FRAME_HEADER_SIZE - this.#filled)
      this.#filled += at
      if (this.#filled < FRAME_HEADER_SIZE) return at
      const whole = Buffer.allocUnsafe(this.#checkHeader(frame, 0) + FRAME_OVERHEAD)
      frame.copy(whole, 0, 0, FRAME_HEADER_SIZE)
      frame = whole
      this.#partial = frame
    }
    const taken = chunk.copy(frame, this.#filled, at)
    this.#filled += taken
    if (this.#filled === frame.length) {
      this.#partial = undefined
      this.#emit(frame, 0, frame.length - 1)
    }
    return at + taken
  }

  /** Keeps the beginning of a frame until the rest comes. */
  #keep(chunk: Buffer, at: number): void {
    const available = chunk.length - at
    const size =
      available < FRAME_HEADER_SIZE ? FRAME_HEADER_SIZE : this.#checkHeader(chunk, at) + FRAME_OVERHEAD
    const partial = Buffer.allocUnsafe(size)
    chunk.copy(partial, 0, at)
    this.#partial = partial
    this.#filled = available
  }

  /** Returns the size of the payload. */
  #checkHeader(buffer: Buffer, at: number): number {
    const type = buffer[at]
    if (type !== FRAME_METHOD && type !== FRAME_HEADER && type !== FRAME_BODY && type !== FRAME_HEARTBEAT) {
      throw new FrameError(`a frame of the unknown type ${type} came in`)
    }
    const size =
      (buffer[at + 3] as number) * 0x1_00_00_00 +
      ((buffer[at + 4] as number) << 16) +
      ((buffer[at + 5] as number) << 8) +
      (buffer[at + 6] as number)
    if (size > this.#maxPayload) {
      throw new FrameError(
        `a frame of ${size + FRAME_OVERHEAD} bytes came in, beyond the limit of ${this.#maxPayload + FRAME_OVERHEAD}`,
      )
    }
    return size
  }

  /** A broker begins with a method frame; anything else is another protocol, or another version of this one. */
  #begin(before: Buffer, chunk: Buffer): void {
    if (this.#stopped) return
    const bytes = before.length === 0 ? chunk : Buffer.concat([before, chunk])
    const [first = FRAME_METHOD] = bytes
    // Text is worth quoting as soon as there is enough of it; a TLS alert, say, is all that comes and no text.
    const text = first >= 0x20 && first < 0x7f
    if (first !== FRAME_METHOD && !text) {
      throw new ProtocolError(
        `the server does not speak AMQP: it began with the byte ${first} (is it a TLS port?)`,
      )
    }
    if (bytes.length < FRAME_OVERHEAD) {
      this.#opening = bytes
      return
    }
    if (bytes.toString('latin1', 0, 4) === 'AMQP') {
      throw new ProtocolError(`the server speaks AMQP ${[...bytes.subarray(5, 8)].join('-')}, not 0-9-1`)
    }
    if (text) {
      const beginning = bytes.toString('latin1', 0, FRAME_OVERHEAD)
      throw new ProtocolError(`the server does not speak AMQP: it began with ${JSON.stringify(beginning)}`)
    }
    this.#opening = undefined
    this.push(bytes)
  }

  #emit(buffer: Buffer, at: number, end: number): void {
    if (buffer[end] !== FRAME_END) {
      throw new FrameError(`a frame ended with ${buffer[end]} instead of ${FRAME_END}`)
    }
    const channel = ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number)
    this.#sink.onFrame(buffer[at] as number, channel, buffer, at + FRAME_HEADER_SIZE, end)
  }
}

function payloadLimit(frameMax: number): number {
  return frameMax === 0 ? Number.POSITIVE_INFINITY : frameMax - FRAME_OVERHEAD
}
