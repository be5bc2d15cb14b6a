/** Owns the target `table-reader`: tables from bytes. Every table that is read can be written, and read again as the same. */
import { isDeepStrictEqual } from 'node:util'
import { ArgumentError } from '../../../src/errors.js'
import type { FieldValue, Table } from '../../../src/util/field-value.js'
import { findField, readTable } from '../../../src/wire/table-reader.js'
import { writeTable } from '../../../src/wire/table-writer.js'
import { Writer } from '../../../src/wire/writer.js'
import { attempt, kindOf } from '../attempt.js'
import { demand } from '../errors.js'
import { chunks } from '../forms.js'
import { nested, table } from '../grammar.js'
import { allocatedBy, CountingReader } from '../meter.js'
import { mutateBytes } from '../mutation.js'
import type { Target } from '../target.js'

export const tableReader: Target<readonly Buffer[]> = {
  name: 'table-reader',
  form: chunks,
  generate: random =>
    random.chance(3) ? [nested(random.below(80), random.pick(['A', 'F']))] : [table(random)],
  mutate: (input, random) => [mutateBytes(Buffer.concat(input), random)],
  run(input) {
    const bytes = Buffer.concat(input)
    const reader = new CountingReader(bytes)
    let read = attempt(() => ({}) as Table)
    const allocated = allocatedBy(() => {
      read = attempt(() => readTable(reader))
    })
    demand(reader.reads <= 2 * bytes.length + 8, `${reader.reads} reads in ${bytes.length} bytes`)
    demand(allocated <= 2 * bytes.length, `${allocated} bytes set aside for ${bytes.length}`)
    if (read.value === undefined) return kindOf(read.error)
    demand(reader.offset === 4 + bytes.readUInt32BE(0), 'the table does not end where it says')
    checkFound(bytes, read.value)
    // Whatever was read shares no memory with what it was read from.
    bytes.fill(0xaa)
    return kindOf(checkRoundTrip(read.value))
  },
}

/** Writes a table and reads it again; returns the error of what cannot be written. */
export function checkRoundTrip(read: Table): Error | undefined {
  const writer = new Writer(64)
  const written = attempt(() => writeTable(writer, read, 'table'))
  if (written.error !== undefined) {
    demand(written.error instanceof ArgumentError, `writing failed with ${written.error.name}`)
    demand(holdsNoNumber(read), `what was read cannot be written: ${written.error.message}`)
    return written.error
  }
  const again = attempt(() => readTable(new CountingReader(Buffer.from(writer.unit()))))
  demand(again.error === undefined, () => `what was written cannot be read: ${again.error?.message}`)
  demand(isDeepStrictEqual(again.value, read), 'what was written is read as something else')
  return undefined
}

/** Each field is found by its name: the first of that name; where all differ, the one in the table. */
function checkFound(bytes: Buffer, read: Table): void {
  const names = Object.keys(read)
  for (const name of names.slice(0, 4)) {
    const found = attempt(() => findField(new CountingReader(bytes), name))
    demand(found.error === undefined, () => `a field of a good table is not found: ${found.error?.message}`)
  }
}

/** Numbers that RabbitMQ cannot read are refused. */
function holdsNoNumber(value: FieldValue): boolean {
  if (typeof value === 'number') return !Number.isFinite(value)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  return Object.values(value).some(holdsNoNumber)
}
