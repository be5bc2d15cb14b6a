/**
 * Owns the fields of basic.deliver as far as a subscription needs them at once: whether they are whole, the delivery tag,
 * and whose delivery it is. Everything else is decoded when somebody asks for it.
 */
import type { Content } from '../connection/content.js'
import { AmqpSyntaxError } from '../errors.js'

/** The delivery tag and the flag behind it. */
const FIXED_FIELDS = 9

/**
 * Where the delivery tag begins: behind the consumer tag. Throws {@link AmqpSyntaxError} if the fields are not whole: consumer-tag,
 * delivery-tag, redelivered, exchange, routing-key.
 */
export function deliveryTagAt({ methodBytes, methodAt, methodEnd }: Content): number {
  if (methodAt < methodEnd) {
    const at = methodAt + 1 + (methodBytes[methodAt] as number)
    const exchangeAt = at + FIXED_FIELDS
    if (exchangeAt < methodEnd) {
      const routingKeyAt = exchangeAt + 1 + (methodBytes[exchangeAt] as number)
      if (routingKeyAt < methodEnd && routingKeyAt + 1 + (methodBytes[routingKeyAt] as number) <= methodEnd) {
        return at
      }
    }
  }
  throw new AmqpSyntaxError('the fields of basic.deliver end early')
}

/** The number that stands there, 64 bits wide. */
export function readDeliveryTag(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)
}

/** Whether the same bytes stand there. */
export function isSame(wanted: Uint8Array, bytes: Buffer, at: number, end: number): boolean {
  if (end - at !== wanted.length) return false
  for (let index = 0; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false
  return true
}
