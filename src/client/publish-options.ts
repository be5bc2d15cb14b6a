/** Owns the reading of what a user passes to `basicPublish`: defaults filled in, combinations checked. */
import { collectProperties } from '../codec/properties.gen.js'
import { ArgumentError } from '../errors.js'
import type { PublishOptions } from '../options.js'
import type { OutgoingMessage } from '../publishing/message-envelope.js'
import { checkFlag, checkText, shown } from '../util/check.js'

/** The delivery modes of AMQP. */
export const TRANSIENT = 1
export const PERSISTENT = 2

/** The longest time to live that RabbitMQ takes, in milliseconds. */
const MAX_EXPIRATION = 4_294_967_295
/** Headers that name more routing keys (RabbitMQ, "Sender-selected Distribution"). */
const ROUTING_HEADERS = ['CC', 'BCC'] as const
/** What a stream filters by (RabbitMQ, "Stream Filtering"). */
const STREAM_FILTER = 'x-stream-filter-value'
/** The pseudo-queue of RabbitMQ's direct reply-to. */
const DIRECT_REPLY_TO = 'amq.rabbitmq.reply-to'

/** Throws {@link ArgumentError} if an option is invalid. */
export function readPublish(
  exchange: string,
  routingKey: string,
  body: string | Uint8Array,
  options: PublishOptions | undefined,
): OutgoingMessage {
  // Its risk is judged before it is encoded.
  checkText('exchange', exchange)
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) throw new ArgumentError(wrongBody(body))
  if (options === undefined) {
    return {
      exchange,
      routingKey,
      mandatory: false,
      deliveryMode: PERSISTENT,
      properties: undefined,
      headers: undefined,
      body,
      retry: true,
    }
  }
  const { mandatory = false, confirm = true, persistent = true, retry = true, headers } = options
  checkFlag('mandatory', mandatory)
  checkFlag('confirm', confirm)
  checkFlag('persistent', persistent)
  checkFlag('retry', retry)
  checkBrokerRules(options)
  const properties = collectProperties(options)
  const deliveryMode = persistent ? PERSISTENT : TRANSIENT
  if (properties !== undefined) properties.deliveryMode ??= deliveryMode
  return { exchange, routingKey, mandatory, deliveryMode, properties, headers, body, retry }
}

/** What is wrong with a body, and what was most likely meant: JSON, or other arguments. */
function wrongBody(body: unknown): string {
  const order =
    "the arguments are exchange, routing key, body, options; for a queue: '', queue, body, options"
  if (body === undefined) return `the body is missing: ${order}`
  const expected = `the body must be a string, a Buffer or a Uint8Array, got ${shown(body)}`
  if (typeof body !== 'object' || body === null) return expected
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    return `${expected}: pass a Uint8Array of its bytes`
  }
  return `${expected}: for JSON, pass JSON.stringify(body). And ${order}`
}

/** What RabbitMQ answers by closing the channel, with other publishes in flight on it, is refused before it is sent. */
function checkBrokerRules({ expiration, deliveryMode, replyTo, headers }: PublishOptions): void {
  if (
    typeof expiration === 'string' &&
    !(/^\+?\d+$/.test(expiration) && Number(expiration) <= MAX_EXPIRATION)
  ) {
    throw new ArgumentError(
      `expiration must be a whole number of milliseconds up to ${MAX_EXPIRATION}, as a string, got '${expiration}'`,
    )
  }
  if (typeof deliveryMode === 'number' && deliveryMode !== TRANSIENT && deliveryMode !== PERSISTENT) {
    throw new ArgumentError(`deliveryMode must be 1 (transient) or 2 (persistent), got ${deliveryMode}`)
  }
  if (replyTo === DIRECT_REPLY_TO) {
    throw new ArgumentError(`replyTo: direct reply-to ('${DIRECT_REPLY_TO}') is not supported`)
  }
  if (typeof headers !== 'object' || headers === null) return
  for (const name of ROUTING_HEADERS) {
    const value = headers[name]
    if (value !== undefined && !Array.isArray(value)) {
      throw new ArgumentError(`headers.${name} must be an array of routing keys`)
    }
  }
  const filter = headers[STREAM_FILTER]
  if (filter !== undefined && typeof filter !== 'string') {
    throw new ArgumentError(`headers['${STREAM_FILTER}'] must be a string`)
  }
}
