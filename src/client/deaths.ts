/** Owns the reading of what a broker says of a message that was dead-lettered (RabbitMQ, "Dead Letter Exchanges"). */
import type { FieldValue, Table } from '../util/field-value.js'

/** A queue that a message was dead-lettered from, for one reason (an entry of the header `x-death`). */
export interface Death {
  /** The queue that it was in. */
  readonly queue: string
  /** Why: `rejected`, `expired`, `maxlen` or `delivery_limit`. */
  readonly reason: string
  /** How often, in this queue for this reason. */
  readonly count: number
  /** The exchange that it had been published to. */
  readonly exchange: string
  /** The routing keys that it had been published with. */
  readonly routingKeys: readonly string[]
  /** When it was dead-lettered first; undefined if the broker does not say. */
  readonly time: Date | undefined
  /** The `expiration` that it had, in milliseconds, as text, if it was removed as it expired. */
  readonly originalExpiration: string | undefined
}

export function readDeaths(header: FieldValue): readonly Death[] {
  if (!Array.isArray(header)) return []
  return header.flatMap((entry: FieldValue) => (isTable(entry) ? (readDeath(entry) ?? []) : []))
}

function readDeath(entry: Table): Death | undefined {
  const { queue, reason, count, exchange, time } = entry
  const keys = entry['routing-keys']
  const expiration = entry['original-expiration']
  if (typeof queue !== 'string' || typeof reason !== 'string') return undefined
  return {
    queue,
    reason,
    count: Number.isSafeInteger(count) && (count as number) > 0 ? (count as number) : 1,
    exchange: typeof exchange === 'string' ? exchange : '',
    routingKeys: Array.isArray(keys) ? keys.filter((key: FieldValue) => typeof key === 'string') : [],
    time: time instanceof Date ? time : undefined,
    originalExpiration: typeof expiration === 'string' ? expiration : undefined,
  }
}

function isTable(value: FieldValue): value is Table {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
