/** Owns the way of a context through the headers of a message (W3C Trace Context, W3C Baggage). */
import {
  type Context,
  context,
  propagation,
  type TextMapGetter,
  type TextMapSetter,
} from '@opentelemetry/api'
import type { Message, Table } from '../index.js'

const setter: TextMapSetter<Table> = {
  set: (headers, key, value) => {
    headers[key] = value
  },
}

const getter: TextMapGetter<Table> = {
  keys: headers => Object.keys(headers),
  get: (headers, key) => {
    const value = Object.hasOwn(headers, key) ? headers[key] : undefined
    // Other clients send texts as bytes.
    if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
    return typeof value === 'string' ? value : undefined
  },
}

/** The headers, with the context added. */
export function withContext(headers: Table | undefined, sent: Context): Table {
  const carrier: Table = { ...headers }
  propagation.inject(sent, carrier, setter)
  return carrier
}

/**
 * The context that a message was published in, with its baggage, by the propagator that is registered. In a loop, run what
 * belongs to the message within it: `context.with(extractContext(message), work)`. For handlers of `forEach` that is done.
 *
 * @param message - the message that was received
 * @param base - the context to add it to. @default the active one
 */
export function extractContext(message: Message, base: Context = context.active()): Context {
  return propagation.extract(base, headersOf(message), getter)
}

/** Headers that cannot be decoded are the reader's trouble, not that of a trace. */
function headersOf(message: Message): Table {
  try {
    return message.headers
  } catch {
    return {}
  }
}
