/**
 * Owns the changes to an encoded message that another connection or channel asks for. With a lower limit on frames its
 * body is cut anew: the method and the properties stay as they are. On another channel its frames have that number.
 */
import { ArgumentError } from '../errors.js'
import { FRAME_BODY, FRAME_HEADER_SIZE, FRAME_OVERHEAD } from '../frame/constants.js'
import { beginFrame, endFrame } from '../frame/writer.js'
import { Writer } from '../wire/writer.js'
import type { EncodedMessage } from './message-encoder.js'

/** Where a frame says which channel it belongs to. */
const CHANNEL_AT = 1
const FRAME_END_SIZE = 1

/** The same message in frames of `frameMax` bytes at most. Throws {@link ArgumentError} if its headers do not fit. */
export function reframe(encoded: EncodedMessage, frameMax: number): EncodedMessage {
  const bytes =
    encoded.pieces === undefined
      ? encoded.slab.subarray(encoded.from, encoded.to)
      : Buffer.concat(encoded.pieces)
  const header = endOfFrame(bytes, 0)
  const envelope = envelopeSize(bytes)
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

/** The same message on another channel: a copy, since the bytes may be on their way on the former one. */
export function onChannel(encoded: EncodedMessage, channel: number): EncodedMessage {
  if (encoded.slab.readUInt16BE(encoded.from + CHANNEL_AT) === channel) return encoded
  if (encoded.pieces === undefined) {
    const slab = Buffer.from(encoded.slab.subarray(encoded.from, encoded.to))
    for (let at = 0; at < slab.length; at = endOfFrame(slab, at)) slab.writeUInt16BE(channel, at + CHANNEL_AT)
    return { slab, from: 0, to: slab.length, pieces: undefined, size: encoded.size }
  }
  // Method, properties and the header of the first body frame; then by turns bytes of the body, and what is in between.
  const pieces = encoded.pieces.map((piece, index) => (index % 2 === 0 ? Buffer.from(piece) : piece))
  const first = pieces[0] as Buffer
  for (let at = 0; at < first.length; ) {
    first.writeUInt16BE(channel, at + CHANNEL_AT)
    const isBody = first.readUInt8(at) === FRAME_BODY
    at = isBody ? first.length : endOfFrame(first, at)
  }
  for (const [index, piece] of pieces.entries()) {
    if (index === 0 || index % 2 !== 0 || piece.length === FRAME_END_SIZE) continue
    ;(piece as Buffer).writeUInt16BE(channel, FRAME_END_SIZE + CHANNEL_AT)
  }
  return { ...encoded, slab: first, from: 0, to: first.length, pieces }
}

/** How many bytes stand before the body: the frames of the method and of the properties. */
export function envelopeSize(bytes: Buffer): number {
  return bytes.length === 0 ? 0 : endOfFrame(bytes, endOfFrame(bytes, 0))
}

function endOfFrame(bytes: Buffer, at: number): number {
  return at + FRAME_OVERHEAD + bytes.readUInt32BE(at + 3)
}
