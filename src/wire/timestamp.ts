/** Owns timestamps: whole seconds since 1970 on the wire, a Date where one can hold them, else as a wrapped number. */
import { types } from 'node:util'
import { ArgumentError } from '../errors.js'
import { Typed } from '../util/field-value.js'
import type { Reader } from './reader.js'
import type { Writer } from './writer.js'

/** The last second that a Date can hold. */
const MAX_DATE_SECONDS = 8_640_000_000_000

/** Reads a timestamp; one beyond what a Date can hold can be written again as it is. */
export function readTimestamp(r: Reader): Date | Typed {
  const seconds = r.u64exact()
  return seconds <= MAX_DATE_SECONDS ? new Date(Number(seconds) * 1000) : new Typed('timestamp', seconds)
}

/** Writes a timestamp. Throws {@link ArgumentError}, naming the field, where it is none. */
export function writeTimestamp(w: Writer, value: Date | Typed, field: string): void {
  if (value instanceof Typed && value.type === 'timestamp') w.u64(value.value, field)
  else w.u64(secondsOf(value) ?? invalid(field, ', or timestamp(seconds)'), field)
}

/** Writes a timestamp that is a Date; `path` is asked for only where it is none that AMQP can carry. */
export function writeDate(w: Writer, value: Date, path: () => string): void {
  w.u64(secondsOf(value) ?? invalid(path(), ''), '')
}

function secondsOf(value: unknown): number | undefined {
  const seconds = types.isDate(value) ? Math.floor(value.getTime() / 1000) : Number.NaN
  return seconds >= 0 ? seconds : undefined
}

function invalid(field: string, alternative: string): never {
  throw new ArgumentError(`${field} must be a valid Date, not before 1970${alternative}`)
}
