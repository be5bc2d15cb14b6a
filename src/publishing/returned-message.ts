/** Owns the reading of a message that the broker returned (basic.return). */
import { decodeBasicReturn } from '../codec/methods.gen.js'
import { decodeBasicHeaders, decodeBasicProperties } from '../codec/properties.gen.js'
import type { Content } from '../connection/content.js'
import type { ReturnedMessage } from '../errors.js'
import { cleanText } from '../util/clean-text.js'
import { ownCopy } from '../util/shared-memory.js'
import { Reader } from '../wire/reader.js'

/** A message that came back, and why. */
export interface Returned {
  readonly replyCode: number
  readonly replyText: string
  readonly message: ReturnedMessage
}

/** Copies the message: it outlives the chunk that it lies in. */
export function readReturned(content: Content): Returned {
  const { headerBytes, headerAt, headerEnd, bodyBytes, bodyAt, bodyEnd } = content
  const reader = new Reader(content.methodBytes, content.methodAt, content.methodEnd)
  const { replyCode, replyText, exchange, routingKey } = decodeBasicReturn(reader)
  const properties = decodeBasicProperties(reader.reset(headerBytes, headerAt, headerEnd))
  const headers = decodeBasicHeaders(reader.reset(headerBytes, headerAt, headerEnd))
  const body = ownCopy(bodyBytes.subarray(bodyAt, bodyEnd))
  return { replyCode, replyText, message: { exchange, routingKey, body, properties, headers } }
}

/** Says why a message came back, and where it went. */
export function noRouteText({ replyCode, replyText, message }: Returned): string {
  const text = `${replyText}: '${message.routingKey}' at exchange '${message.exchange}'`
  return `${cleanText(text)} (${replyCode})`
}
