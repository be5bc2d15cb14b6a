/** Owns the messages that are sent to and fro: the same for every client, and for the null peer. */
import type { Extras } from '../null-peer/options.js'
import type { Table } from './bytes.js'
import type { Properties } from './frames.js'

export const TEN_HEADERS = {
  'x-request-id': '7d444840-9dc0-11d1-b245-5ffdce74fad2',
  'x-trace-id': '4bf92f3577b34da6a3ce929d0e0e4736',
  'x-tenant': 'acme',
  'x-source': 'orders',
  'x-schema': 'order.created.v2',
  'x-region': 'eu-central-1',
  'x-attempt': 3,
  'x-partition': 17,
  'x-ratio': 0.25,
  'x-sampled': true,
} as const satisfies Table

export const SOME_PROPERTIES = {
  contentType: 'application/octet-stream',
  correlationId: '1f0c5a9e',
  messageId: '01HZX3J5Q8Y4',
  timestamp: 1_750_000_000,
} as const satisfies Properties

export function sampleBody(size: number): Buffer {
  return Buffer.alloc(size, 'puka-amqp ')
}

/** Every message is persistent. */
export function sampleProperties(extras: Extras): Properties {
  return {
    ...(extras === 'all' ? SOME_PROPERTIES : {}),
    ...(extras === 'none' ? {} : { headers: TEN_HEADERS }),
    deliveryMode: 2,
  }
}
