/**
 * Owns what `publishDefaults` of a client adds to a message: the options are checked when the client is made, and filled in
 * where a publish gives no value of its own.
 */
import { randomUUID } from 'node:crypto'
import type { PublishDefaultOptions } from '../client-options.js'
import { PropertyBag } from '../codec/properties.gen.js'
import { ArgumentError } from '../errors.js'
import type { PublishOptions } from '../options.js'
import type { OutgoingMessage } from '../publishing/message-envelope.js'
import { checkFlag, checkText } from '../util/check.js'
import { checkNames, namesOf } from '../util/option-names.js'
import { PERSISTENT, TRANSIENT } from './publish-options.js'

const NAMES = namesOf<PublishDefaultOptions>({
  messageId: true,
  timestamp: true,
  appId: true,
  persistent: true,
})
/** The longest short string of AMQP, in bytes. */
const LONGEST_TEXT = 255

/** Fills in what a publish leaves open. */
export type PublishDefaults = (message: OutgoingMessage, own: PublishOptions | undefined) => OutgoingMessage

/** Throws {@link ArgumentError} if an option is invalid. Undefined means that there is nothing to fill in. */
export function readPublishDefaults(options: PublishDefaultOptions | undefined): PublishDefaults | undefined {
  if (options === undefined) return undefined
  if (typeof options !== 'object' || options === null) {
    throw new ArgumentError('publishDefaults must be an object with options')
  }
  checkNames(options, NAMES, { path: 'publishDefaults.' })
  const { messageId, timestamp = false, appId, persistent = true } = options
  if (messageId !== undefined && messageId !== 'uuid') {
    throw new ArgumentError("publishDefaults.messageId must be 'uuid'")
  }
  checkFlag('publishDefaults.timestamp', timestamp)
  checkFlag('publishDefaults.persistent', persistent)
  if (appId !== undefined) checkAppId(appId)
  const hasProperties = messageId !== undefined || timestamp || appId !== undefined
  if (!hasProperties && persistent) return undefined
  return (message, own) => {
    const deliveryMode = deliveryModeOf(own, persistent)
    if (!hasProperties && message.properties === undefined) return { ...message, deliveryMode }
    const properties = message.properties ?? new PropertyBag()
    properties.deliveryMode = deliveryMode
    // Not null: that is a mistake, which the encoding finds.
    if (messageId !== undefined && properties.messageId === undefined) properties.messageId = randomUUID()
    if (timestamp && properties.timestamp === undefined) properties.timestamp = new Date()
    if (appId !== undefined && properties.appId === undefined) properties.appId = appId
    return { ...message, deliveryMode, properties }
  }
}

function deliveryModeOf(own: PublishOptions | undefined, persistent: boolean): number {
  return own?.deliveryMode ?? ((own?.persistent ?? persistent) ? PERSISTENT : TRANSIENT)
}

function checkAppId(appId: unknown): void {
  checkText('publishDefaults.appId', appId)
  if (Buffer.byteLength(appId) > LONGEST_TEXT) {
    throw new ArgumentError(`publishDefaults.appId must be at most ${LONGEST_TEXT} bytes of UTF-8`)
  }
}
