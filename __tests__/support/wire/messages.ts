/** Owns messages to encode, for tests of what lies below the facade; and the taking apart of frames by hand. */
import { collectProperties } from '../../../src/codec/properties.gen.js'
import type { MessageProperties } from '../../../src/options.js'
import type { OutgoingMessage } from '../../../src/publishing/message-envelope.js'

/** What a test says of a message; the properties as users write them. */
export type MessageParts = Partial<Omit<OutgoingMessage, 'properties'>> & {
  readonly properties?: MessageProperties | undefined
}

/** A message to exchange `e` with routing key `k`. */
export function messageOf(
  body: string | Uint8Array,
  { properties = {}, ...more }: MessageParts = {},
): OutgoingMessage {
  const route = { exchange: 'e', routingKey: 'k', mandatory: false }
  const options = {
    deliveryMode: 2,
    properties: collectProperties(properties),
    headers: undefined,
    retry: true,
  }
  return { ...route, ...options, body, ...more }
}

/** One frame of a stream. */
export interface Frame {
  readonly type: number
  readonly channel: number
  readonly payload: Buffer
}

/** The frames of a stream; throws where it is not made of whole frames. */
export function framesOf(stream: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < stream.length; ) {
    const end = at + 7 + stream.readUInt32BE(at + 3)
    if (stream[end] !== 0xce) throw new Error(`no frame ends at ${end}`)
    const [type, channel] = [stream.readUInt8(at), stream.readUInt16BE(at + 1)]
    frames.push({ type, channel, payload: stream.subarray(at + 7, end) })
    at = end + 1
  }
  return frames
}
