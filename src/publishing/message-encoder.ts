/**
 * Owns the encoding of a message: its method, header and body frames in one pass into one slab. A large body is not
 * copied: the frames are cut into pieces with the body's bytes in between. Knows nothing of confirms.
 */
import { FRAME_BODY, FRAME_END, FRAME_OVERHEAD } from '../frame/constants.js'
import { beginFrame, endFrame } from '../frame/writer.js'
import type { Writer } from '../wire/writer.js'
import { type EnvelopeCache, encodeEnvelope, type OutgoingMessage } from './message-envelope.js'

/** Where the encoded bytes lie: in `pieces`, in order, or all in one range of a slab. */
export interface EncodedMessage {
  readonly slab: Buffer
  readonly from: number
  readonly to: number
  readonly pieces: readonly Uint8Array[] | undefined
  /** All bytes. */
  readonly size: number
}

/** A body from this size on is sent by reference. */
export const BY_REFERENCE_FROM = 32_768

/**
 * Encodes a message as the writer's current unit, which the caller commits. Throws {@link ArgumentError} if AMQP
 * cannot carry it, with nothing written.
 */
export function encodeMessage(
  writer: Writer,
  channel: number,
  message: OutgoingMessage,
  frameMax: number,
  memory: EnvelopeCache,
): EncodedMessage {
  const { body } = message
  try {
    if (typeof body !== 'string') {
      return body.length >= BY_REFERENCE_FROM
        ? encodeLarge(writer, channel, message, body, frameMax, memory)
        : encodeSmall(writer, channel, message, body, frameMax, memory)
    }
    const most = body.length * 3
    if (most >= BY_REFERENCE_FROM) {
      return encodeLarge(writer, channel, message, Buffer.from(body), frameMax, memory)
    }
    return frameMax !== 0 && most + FRAME_OVERHEAD > frameMax
      ? encodeSmall(writer, channel, message, Buffer.from(body), frameMax, memory)
      : encodeText(writer, channel, message, body, frameMax, memory)
  } catch (error) {
    writer.rollback()
    throw error
  }
}

/** Text goes straight into the slab; how many bytes it took is known only then. */
function encodeText(
  w: Writer,
  channel: number,
  message: OutgoingMessage,
  body: string,
  frameMax: number,
  memory: EnvelopeCache,
): EncodedMessage {
  const sizeAt = encodeEnvelope(w, channel, message, 0, frameMax, memory)
  if (body.length > 0) {
    const place = beginFrame(w, FRAME_BODY, channel)
    const size = w.text(body)
    endFrame(w, place, 0)
    w.buffer.writeUInt32BE(size, w.start + sizeAt)
  }
  return unitOf(w)
}

function encodeSmall(
  w: Writer,
  channel: number,
  message: OutgoingMessage,
  body: Uint8Array,
  frameMax: number,
  memory: EnvelopeCache,
): EncodedMessage {
  encodeEnvelope(w, channel, message, body.length, frameMax, memory)
  const room = frameMax === 0 ? body.length : frameMax - FRAME_OVERHEAD
  for (let at = 0; at < body.length; at += room) {
    const place = beginFrame(w, FRAME_BODY, channel)
    w.bytes(at === 0 && body.length <= room ? body : body.subarray(at, at + room))
    endFrame(w, place, 0)
  }
  return unitOf(w)
}

/** The body's frames lie around slices of the body: header | slice | end, header | slice | ... | end. */
function encodeLarge(
  w: Writer,
  channel: number,
  message: OutgoingMessage,
  body: Uint8Array,
  frameMax: number,
  memory: EnvelopeCache,
): EncodedMessage {
  encodeEnvelope(w, channel, message, body.length, frameMax, memory)
  const room = frameMax === 0 ? body.length : frameMax - FRAME_OVERHEAD
  const cuts: number[] = []
  const slices: Uint8Array[] = []
  for (let at = 0; at < body.length; at += room) {
    const slice = body.subarray(at, at + room)
    const place = beginFrame(w, FRAME_BODY, channel)
    w.buffer.writeUInt32BE(slice.length, w.start + place + 3)
    cuts.push(w.offset - w.start)
    slices.push(slice)
    w.u8(FRAME_END, 'frame-end')
  }
  const unit = w.unit()
  const pieces: Uint8Array[] = []
  let from = 0
  for (const [index, cut] of cuts.entries()) {
    pieces.push(unit.subarray(from, cut), slices[index] as Uint8Array)
    from = cut
  }
  pieces.push(unit.subarray(from))
  return { slab: w.buffer, from: w.start, to: w.offset, pieces, size: unit.length + body.length }
}

function unitOf(w: Writer): EncodedMessage {
  return { slab: w.buffer, from: w.start, to: w.offset, pieces: undefined, size: w.offset - w.start }
}
