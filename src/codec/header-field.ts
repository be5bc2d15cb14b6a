/**
 * Owns the reading of one header of a message: the other headers are stepped over, so that none of them can keep it from
 * being read. Knows nothing of what the header means.
 */
import type { FieldValue } from '../util/field-value.js'
import type { Reader } from '../wire/reader.js'
import { findField } from '../wire/table-reader.js'

const CONTENT_TYPE = 0x8000
const CONTENT_ENCODING = 0x4000
const HEADERS = 0x2000
const MORE_FLAGS = 0x0001

/** Reads a header; the reader stands at the property flags. Undefined if there is none of that name, or it is cut short. */
export function decodeBasicHeader(r: Reader, name: string): FieldValue {
  try {
    const flags = r.u16()
    if ((flags & HEADERS) === 0) return undefined
    for (let last = flags; (last & MORE_FLAGS) !== 0; ) last = r.u16()
    if ((flags & CONTENT_TYPE) !== 0) r.skipShortstr()
    if ((flags & CONTENT_ENCODING) !== 0) r.skipShortstr()
    return findField(r, name)
  } catch {
    // What cannot be decoded is the concern of whoever reads all headers.
    return undefined
  }
}
