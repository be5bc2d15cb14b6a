/**
 * Owns the walk over incoming frames, as cheaply as it can be done: no object per frame, bodies are skipped, and only a
 * method or header frame that straddles two chunks is copied.
 */
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD } from './frames.js'

/** Hears of frames; `at` and `end` bound the payload. */
export interface FrameSink {
  onMethod(channel: number, bytes: Buffer, at: number, end: number): void
  onHeader(channel: number, bytes: Buffer, at: number, end: number): void
  /** A body frame has come in whole. */
  onBody(channel: number, size: number): void
}

const HEAD = 7

export function readU16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

export function readU32(bytes: Buffer, at: number): number {
  return (((bytes[at] as number) << 24) >>> 0) + (((bytes[at + 1] as number) << 16) | readU16(bytes, at + 2))
}

export class FrameWalker {
  readonly #sink: FrameSink
  /** What is still to come of a body frame, its end octet included. */
  #skip = 0
  #skipChannel = 0
  #skipSize = 0
  /** The beginning of a frame whose rest is in the next chunk. */
  #partial: Buffer | undefined

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  walk(chunk: Buffer): void {
    const sink = this.#sink
    const end = chunk.length
    let at = this.#resume(chunk)
    while (end - at >= HEAD) {
      const type = chunk[at] as number
      const channel = readU16(chunk, at + 1)
      const size = readU32(chunk, at + 3)
      const next = at + HEAD + size + 1
      if (type === FRAME_BODY) {
        if (next > end) {
          this.#skipBody(channel, size, next - end)
          return
        }
        sink.onBody(channel, size)
      } else {
        if (next > end) break
        if (type === FRAME_METHOD) sink.onMethod(channel, chunk, at + HEAD, next - 1)
        else if (type === FRAME_HEADER) sink.onHeader(channel, chunk, at + HEAD, next - 1)
      }
      at = next
    }
    if (at < end) this.#partial = Buffer.from(chunk.subarray(at))
  }

  #skipBody(channel: number, size: number, left: number): void {
    this.#skip = left
    this.#skipChannel = channel
    this.#skipSize = size
  }

  /** Ends the frame that the last chunk left open. Returns where the next one begins. */
  #resume(chunk: Buffer): number {
    if (this.#skip > chunk.length) {
      this.#skip -= chunk.length
      return chunk.length
    }
    const at = this.#skip
    if (at > 0) {
      this.#skip = 0
      this.#sink.onBody(this.#skipChannel, this.#skipSize)
    }
    const partial = this.#partial
    return partial === undefined ? at : this.#complete(partial, chunk, at)
  }

  #complete(partial: Buffer, chunk: Buffer, from: number): number {
    this.#partial = undefined
    const head =
      partial.length < HEAD
        ? Buffer.concat([partial, chunk.subarray(from, from + HEAD - partial.length)])
        : partial
    if (head.length < HEAD) {
      this.#partial = head
      return chunk.length
    }
    const channel = readU16(head, 1)
    const size = readU32(head, 3)
    const begun = from + head.length - partial.length
    const next = begun + HEAD + size + 1 - head.length
    if (head[0] === FRAME_BODY) {
      if (next > chunk.length) {
        this.#skipBody(channel, size, next - chunk.length)
        return chunk.length
      }
      this.#sink.onBody(channel, size)
      return next
    }
    const whole = Buffer.concat([head, chunk.subarray(begun, next)])
    if (whole.length < HEAD + size + 1) {
      this.#partial = whole
      return chunk.length
    }
    if (head[0] === FRAME_METHOD) this.#sink.onMethod(channel, whole, HEAD, HEAD + size)
    else if (head[0] === FRAME_HEADER) this.#sink.onHeader(channel, whole, HEAD, HEAD + size)
    return next
  }
}
