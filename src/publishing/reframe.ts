/**
 * Owns the cutting of an encoded message into frames anew, for a connection with a lower limit on frames than the one
 * it was encoded for. The method and the properties stay as they are: only the body's frames are cut by the limit.
 */
import { ArgumentError } from '../errors.js'
import { FRAME_BODY, FRAME_HEADER_SIZE, FRAME_OVERHEAD } from '../frame/constants.js'
import { beginFrame, endFrame } from '../frame/writer.js'
import { Writer } from '../wire/writer.js'
import type { EncodedMessage } from './message-encoder.js'

/** The same message in frames of `frameMax` bytes at most. Throws {@link ArgumentError} if its headers do not fit. */
export function reframe(encoded: EncodedMessage, frameMax: number): EncodedMessage {
  const bytes =
    encoded.pieces === undefined
      ? encoded.slab.subarray(encoded.from, encoded.to)
      : Buffer.concat(encoded.pieces)
  const header = endOfFrame(bytes, 0)
  const envelope = endOfFrame(bytes, header)
  if (Math.max(header, envelope - header) > frameMax) {
    throw new ArgumentError(
      `the properties and headers take ${Math.max(header, envelope - header)} bytes, but must fit one frame of ${frameMax}`,
    )
  }
  const room = frameMax - FRAME_OVERHEAD
  const writer = new Writer(bytes.length + FRAME_OVERHEAD * (1 + Math.ceil(bytes.length / room)))
  writer.bytes(bytes.subarray(0, envelope))
  const channel = bytes.readUInt16BE(1)
  for (let at = envelope; at < bytes.length; at = endOfFrame(bytes, at)) {
    const body = bytes.subarray(at + FRAME_HEADER_SIZE, endOfFrame(bytes, at) - 1)
    for (let from = 0; from < body.length; from += room) {
      const place = beginFrame(writer, FRAME_BODY, channel)
      writer.bytes(body.subarray(from, from + room))
      endFrame(writer, place, frameMax)
    }
  }
  return { slab: writer.buffer, from: 0, to: writer.offset, pieces: undefined, size: writer.offset }
}

function endOfFrame(bytes: Buffer, at: number): number {
  return at + FRAME_OVERHEAD + bytes.readUInt32BE(at + 3)
}
