/** Owns the reading of what a user passes to `basicPublish`: defaults filled in, combinations checked. */
import { collectProperties } from '../codec/properties.gen.js'
import { ArgumentError } from '../errors.js'
import type { PublishOptions } from '../options.js'
import type { OutgoingMessage } from '../publishing/message-envelope.js'
import { checkFlag } from '../util/check.js'

const TRANSIENT = 1
const PERSISTENT = 2

/** Throws {@link ArgumentError} if an option is invalid. */
export function readPublish(
  exchange: string,
  routingKey: string,
  body: string | Uint8Array,
  options: PublishOptions | undefined,
): OutgoingMessage {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new ArgumentError('the body must be a string, a Buffer or a Uint8Array')
  }
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
  if (typeof options !== 'object' || options === null)
    throw new ArgumentError('the options must be an object')
  const { mandatory = false, confirm = true, persistent = true, retry = true, headers } = options
  checkFlag('mandatory', mandatory)
  checkFlag('confirm', confirm)
  checkFlag('persistent', persistent)
  checkFlag('retry', retry)
  const properties = collectProperties(options)
  const deliveryMode = persistent ? PERSISTENT : TRANSIENT
  if (properties !== undefined) properties.deliveryMode ??= deliveryMode
  return { exchange, routingKey, mandatory, deliveryMode, properties, headers, body, retry }
}
