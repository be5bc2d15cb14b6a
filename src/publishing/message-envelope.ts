/**
 * Owns what stands before the body of a published message: the frames of its method and of its properties. Most
 * publishes repeat those of the publish before, so their bytes are remembered. Knows nothing of bodies.
 */
import { encodeBasicPublish } from '../codec/methods.gen.js'
import { encodeBasicHeader, type PropertyBag } from '../codec/properties.gen.js'
import { FRAME_HEADER, FRAME_HEADER_SIZE, FRAME_METHOD } from '../frame/constants.js'
import { beginFrame, endFrame } from '../frame/writer.js'
import type { Table } from '../util/field-value.js'
import type { Writer } from '../wire/writer.js'

/** A message that is to be published. */
export interface OutgoingMessage {
  readonly exchange: string
  readonly routingKey: string
  readonly mandatory: boolean
  /** 1: transient, 2: persistent; counts where there are no other properties. */
  readonly deliveryMode: number
  /** All properties, the delivery mode among them; undefined if that is the only one. */
  readonly properties: PropertyBag | undefined
  readonly headers: Table | undefined
  readonly body: string | Uint8Array
  /** It may be sent again where its outcome is not known. */
  readonly retry: boolean
}

/** The body's size has eight bytes behind class and weight; sizes that need the upper four are none of ours. */
const SIZE_AT = FRAME_HEADER_SIZE + 8
/** From the size's lower half to the end of a header frame with the delivery mode alone: flags, mode, end octet. */
const SIZE_FROM_END = 8

/**
 * What stands before the body of a message without headers and special properties, as bytes: most publishes repeat that
 * of the publish before. Of two alternating routes nothing is remembered, so that nothing is copied in vain.
 */
export class EnvelopeCache {
  #exchange = ''
  #routingKey = ''
  #deliveryMode = 0
  #mandatory = false
  #bytes: Uint8Array | undefined

  /** The bytes, where this is the route of the message before. */
  recall({ exchange, routingKey, deliveryMode, mandatory }: OutgoingMessage): Uint8Array | undefined {
    if (
      routingKey === this.#routingKey &&
      exchange === this.#exchange &&
      deliveryMode === this.#deliveryMode &&
      mandatory === this.#mandatory
    ) {
      return this.#bytes
    }
    return undefined
  }

  /** Takes note of a message that was encoded: the second one of a route is worth its bytes. */
  note({ exchange, routingKey, deliveryMode, mandatory }: OutgoingMessage, envelope: Uint8Array): void {
    const again =
      routingKey === this.#routingKey &&
      exchange === this.#exchange &&
      deliveryMode === this.#deliveryMode &&
      mandatory === this.#mandatory
    this.#exchange = exchange
    this.#routingKey = routingKey
    this.#deliveryMode = deliveryMode
    this.#mandatory = mandatory
    this.#bytes = again ? Uint8Array.from(envelope) : undefined
  }
}

/**
 * Encodes method and header; returns where the lower half of the body's size stands, relative to the unit's start.
 * Throws {@link ArgumentError} if AMQP cannot carry something, or a frame not all of it.
 */
export function encodeEnvelope(
  w: Writer,
  channel: number,
  message: OutgoingMessage,
  bodySize: number,
  frameMax: number,
  memory: EnvelopeCache,
): number {
  const { deliveryMode, properties, headers } = message
  const plain = properties === undefined && headers === undefined
  const known = plain ? memory.recall(message) : undefined
  if (known !== undefined) {
    w.bytes(known)
    const sizeAt = w.offset - SIZE_FROM_END
    w.buffer.writeUInt32BE(bodySize, sizeAt)
    return sizeAt - w.start
  }
  const { exchange, routingKey, mandatory } = message
  const method = beginFrame(w, FRAME_METHOD, channel)
  encodeBasicPublish(w, { exchange, routingKey, mandatory, immediate: false })
  endFrame(w, method, frameMax)
  const header = beginFrame(w, FRAME_HEADER, channel)
  encodeBasicHeader(w, bodySize, properties ?? { deliveryMode }, headers)
  endFrame(w, header, frameMax)
  if (plain) memory.note(message, w.unit())
  return header + SIZE_AT
}
