/** Owns the envelope of outgoing frames: what stands before and after a payload. Knows nothing of payloads. */
import { ArgumentError } from '../errors.js'
import type { Writer } from '../wire/writer.js'
import { FRAME_END, FRAME_HEADER_SIZE, FRAME_OVERHEAD } from './constants.js'

/** Begins a frame; returns its place, to be given to {@link endFrame}. */
export function beginFrame(writer: Writer, type: number, channel: number): number {
  writer.ensure(FRAME_HEADER_SIZE)
  const { buffer } = writer
  const at = writer.offset
  buffer[at] = type
  buffer[at + 1] = channel >>> 8
  buffer[at + 2] = channel
  writer.offset = at + FRAME_HEADER_SIZE
  return at - writer.start
}

/** Ends a frame: fills in its size. Throws {@link ArgumentError} if the whole frame is larger than `frameMax`. */
export function endFrame(writer: Writer, place: number, frameMax: number): void {
  writer.ensure(1)
  const at = writer.start + place
  const size = writer.offset - at - FRAME_HEADER_SIZE
  if (frameMax !== 0 && size + FRAME_OVERHEAD > frameMax) {
    throw new ArgumentError(
      `the names, properties, headers or arguments take ${size + FRAME_OVERHEAD} bytes, but must fit one frame of ${frameMax}`,
    )
  }
  writer.buffer.writeUInt32BE(size, at + 3)
  writer.buffer[writer.offset++] = FRAME_END
}
