/**
 * Owns the check of what a consumer says of a stream. RabbitMQ ends the connection over what it cannot read there, with an
 * error that says nothing of it (541).
 */
import { ArgumentError } from '../errors.js'
import { STREAM_OFFSET } from '../session/queue-consumer.js'
import { shown } from '../util/check.js'
import { type FieldValue, type Table, Typed } from '../util/field-value.js'

/** What a consumer of a stream asks for by the filter of its messages (RabbitMQ, "Stream Filtering"). */
const STREAM_FILTER = 'x-stream-filter'
const PLACES = /^(?:first|last|next)$/
/** The age of the first message: years, months, days, hours, minutes or seconds. */
const INTERVAL = /^0*[1-9]\d*[YMDhms]$/
const FRACTIONS: readonly string[] = ['float', 'double']

/** Throws {@link ArgumentError} if the broker could not read it. */
export function checkStreamArguments({ [STREAM_OFFSET]: offset, [STREAM_FILTER]: filter }: Table): void {
  if (offset !== undefined && !isOffset(offset)) {
    throw new ArgumentError(
      `arguments['${STREAM_OFFSET}'] must be 'first', 'last', 'next', an offset, a Date, or an interval such as '7D', '1h' or '30s', got ${shown(offset)}`,
    )
  }
  if (filter !== undefined && !isFilter(filter)) {
    throw new ArgumentError(`arguments['${STREAM_FILTER}'] must be a string, or an array of strings`)
  }
}

function isOffset(offset: FieldValue): boolean {
  if (offset instanceof Typed) return !FRACTIONS.includes(offset.type)
  if (offset instanceof Uint8Array) return isOffset(Buffer.from(offset).toString('latin1'))
  if (typeof offset === 'string') return PLACES.test(offset) || INTERVAL.test(offset)
  return typeof offset === 'bigint' || Number.isSafeInteger(offset) || offset instanceof Date
}

function isFilter(filter: FieldValue): boolean {
  return (Array.isArray(filter) ? filter : [filter]).every(each => typeof each === 'string')
}
