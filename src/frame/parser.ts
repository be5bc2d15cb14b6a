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
import { FrameError, type ProtocolError } from '../errors.js'
import {
  FRAME_BODY,
  FRAME_END,
  FRAME_HEADER,
  FRAME_HEADER_SIZE,
  FRAME_HEARTBEAT,
  FRAME_METHOD,
  FRAME_OVERHEAD,
} from './constants.js'
import { judgeOpening } from './opening.js'

/** So much is set aside at once for a frame of which only a part has come: an announced size alone costs no more. */
const AT_ONCE = 131_072
/** A body frame that does not come whole is not put together from here on: its parts are handed out as they come. */
const IN_PARTS_FROM = 16_384

/**
 * Takes the frames. The payload is `buffer` from `start` to `end`; it is not changed afterwards. A large body frame may
 * come in parts, each as if it were a frame: what they carry is a matter of bytes, not of frames. The last part comes
 * only with the frame's end; with the others, `rest` says how many bytes of the frame are still to come.
 */
export interface FrameEvents {
  onFrame(type: number, channel: number, buffer: Buffer, start: number, end: number, rest: number): void
  /**
   * Where the rest of a large body frame, of so many bytes, is best put: it is passed to `onFrame` from there. There may be
   * more room than that; what comes to lie in it behind the rest is of no account when `onFrame` is called next.
   */
  roomFor?(channel: number, bytes: number): Buffer | undefined
}

export class FrameParser {
  readonly #events: FrameEvents
  #maxPayload: number
  /** A frame of which only a part has come: its bytes so far, in a buffer that may have room for more. */
  #partial: Buffer | undefined
  #filled = 0
  /** How many bytes it will have, once its header is known. */
  #whole = 0
  /** A body frame that is handed out in parts: how much of its payload is still to be handed out. */
  #bodyLeft = 0
  #bodyChannel = 0
  /** The last byte of its payload, where the frame's end has not come with it. */
  #lastByte: Buffer | undefined
  /** The peer's first bytes, until there are enough of them to tell AMQP from something else. */
  #opening: Buffer | undefined = Buffer.alloc(0)
  #stopped = false

  /** `frameMax` counts the whole frame, as AMQP's frame_max does; 0 means no limit. */
  constructor(events: FrameEvents, frameMax: number) {
    this.#events = events
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
    this.#bodyLeft = 0
    this.#lastByte = undefined
  }

  /** Nothing has come so far. */
  get isUntouched(): boolean {
    return this.#opening?.length === 0
  }

  /** The error of a peer that says no more, if what it has said is not AMQP. */
  verdictAtEnd(): ProtocolError | undefined {
    return this.#opening && judgeOpening(this.#opening, true)
  }

  /** Where the next bytes are best put, so that they need not be copied; undefined if that is all the same. */
  room(): Buffer | undefined {
    if (this.#bodyLeft === 0 || this.#lastByte !== undefined) return undefined
    return this.#events.roomFor?.(this.#bodyChannel, this.#bodyLeft)
  }

  /** Takes the next bytes; calls the sink for every frame that they complete. */
  push(chunk: Buffer): void {
    if (this.#opening !== undefined) {
      this.#begin(this.#opening, chunk)
      return
    }
    let at = 0
    if (this.#bodyLeft > 0) at = this.#takeBody(chunk, 0)
    else if (this.#partial !== undefined) at = this.#complete(this.#partial, chunk)
    const { length } = chunk
    while (!this.#stopped && length - at >= FRAME_HEADER_SIZE) {
      const size = this.#checkHeader(chunk, at)
      const end = at + FRAME_HEADER_SIZE + size
      if (end >= length) break
      this.#emit(chunk, at, end)
      at = end + 1
    }
    if (at < length && !this.#stopped) this.#begun(chunk, at)
  }

  /** Fills the partial frame from the chunk; returns how much of the chunk that took. */
  #complete(partial: Buffer, chunk: Buffer): number {
    let at = 0
    let frame = partial
    if (this.#filled < FRAME_HEADER_SIZE) {
      at = chunk.copy(frame, this.#filled, 0, FRAME_HEADER_SIZE - this.#filled)
      this.#filled += at
      if (this.#filled < FRAME_HEADER_SIZE) return at
      const size = this.#checkHeader(frame, 0)
      if (this.#beginBody(frame, 0, size)) {
        this.#partial = undefined
        return this.#takeBody(chunk, at)
      }
      this.#whole = size + FRAME_OVERHEAD
    }
    const taken = Math.min(this.#whole - this.#filled, chunk.length - at)
    if (this.#filled + taken > frame.length) {
      frame = this.#grown(frame, this.#filled + taken)
      this.#partial = frame
    }
    chunk.copy(frame, this.#filled, at, at + taken)
    this.#filled += taken
    if (this.#filled === this.#whole) {
      this.#partial = undefined
      this.#emit(frame, 0, this.#whole - 1)
    }
    return at + taken
  }

  /** A frame has begun: its parts are handed out, or it is kept until the rest comes. */
  #begun(chunk: Buffer, at: number): void {
    const available = chunk.length - at
    let room = FRAME_HEADER_SIZE
    if (available >= FRAME_HEADER_SIZE) {
      const size = this.#checkHeader(chunk, at)
      if (this.#beginBody(chunk, at, size)) {
        this.#takeBody(chunk, at + FRAME_HEADER_SIZE)
        return
      }
      this.#whole = size + FRAME_OVERHEAD
      room = Math.min(this.#whole, Math.max(available, AT_ONCE))
    }
    const partial = Buffer.allocUnsafe(room)
    chunk.copy(partial, 0, at)
    this.#partial = partial
    this.#filled = available
  }

  /** The partial frame, with room for so many bytes, and some more. */
  #grown(frame: Buffer, bytes: number): Buffer {
    const grown = Buffer.allocUnsafe(Math.min(this.#whole, Math.max(bytes, 2 * frame.length, AT_ONCE)))
    frame.copy(grown, 0, 0, this.#filled)
    return grown
  }

  /** Whether a frame with this header is handed out in parts; if so, they follow. */
  #beginBody(buffer: Buffer, at: number, size: number): boolean {
    if (size < IN_PARTS_FROM || buffer[at] !== FRAME_BODY) return false
    this.#bodyLeft = size
    this.#bodyChannel = channelAt(buffer, at)
    return true
  }

  /** Hands out what a chunk holds of the body frame; returns where in the chunk that ends. */
  #takeBody(chunk: Buffer, at: number): number {
    const { length } = chunk
    if (this.#lastByte !== undefined) {
      if (length > 0) this.#endBody(chunk, 0, this.#lastByte, 0, 1)
      return Math.min(1, length)
    }
    const end = Math.min(length, at + this.#bodyLeft)
    if (end < length) {
      this.#endBody(chunk, end, chunk, at, end)
      return end + 1
    }
    const isAll = end - at === this.#bodyLeft
    const until = isAll ? end - 1 : end
    if (isAll) this.#lastByte = chunk.subarray(until)
    this.#bodyLeft -= until - at
    if (until > at) this.#events.onFrame(FRAME_BODY, this.#bodyChannel, chunk, at, until, this.#bodyLeft)
    return end
  }

  /** The byte at `at` has to be the frame's end; the last part is in `last`. */
  #endBody(chunk: Buffer, at: number, last: Buffer, start: number, end: number): void {
    checkEnd(chunk[at])
    this.#bodyLeft = 0
    this.#lastByte = undefined
    this.#events.onFrame(FRAME_BODY, this.#bodyChannel, last, start, end, 0)
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
    this.#opening = bytes
    const verdict = judgeOpening(bytes, false)
    if (verdict !== undefined) throw verdict
    if (bytes.length < FRAME_OVERHEAD) return
    this.#opening = undefined
    this.push(bytes)
  }

  #emit(buffer: Buffer, at: number, end: number): void {
    checkEnd(buffer[end])
    this.#events.onFrame(buffer[at] as number, channelAt(buffer, at), buffer, at + FRAME_HEADER_SIZE, end, 0)
  }
}

function channelAt(buffer: Buffer, at: number): number {
  return ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number)
}

function checkEnd(octet: number | undefined): void {
  if (octet !== FRAME_END) throw new FrameError(`a frame ended with ${octet} instead of ${FRAME_END}`)
}

function payloadLimit(frameMax: number): number {
  return frameMax === 0 ? Number.POSITIVE_INFINITY : frameMax - FRAME_OVERHEAD
}
