/** Owns copies of field tables: what is kept of a declaration does not change with the objects that the user passed. */
import { Decimal, type FieldValue, type Table, Typed } from './field-value.js'

/** A deep copy of a table that can be encoded: its depth is bounded, and nothing in it contains itself. */
export function copyTable(table: Table): Table {
  const copy: Table = {}
  for (const [name, value] of Object.entries(table)) {
    // Not an assignment: a name may be __proto__.
    Object.defineProperty(copy, name, {
      value: copyValue(value),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return copy
}

function copyValue(value: FieldValue): FieldValue {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Typed || value instanceof Decimal) return value
  if (value instanceof Date) return new Date(value)
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (Array.isArray(value)) return value.map(copyValue)
  return copyTable(value as Table)
}
