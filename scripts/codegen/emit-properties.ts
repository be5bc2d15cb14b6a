/** Owns the text of `src/codec/properties.gen.ts`: the content header of class basic. */
import { camelCase, hex } from './names.js'
import { CONTENT_CLASS, type FieldSpec, properties } from './spec.js'

const HEADERS = 'headers'

export function emitProperties(): string {
  return [
    preamble(),
    constants(),
    emitBag(),
    emitEncoder(),
    emitPropertiesDecoder(),
    emitHeadersDecoder(),
    helpers(),
  ].join('\n')
}

function preamble(): string {
  return `/**
 * Owns the payload of a content header frame. Knows nothing of frames, or of the method that the content belongs to.
 *
 *   class-id short (${CONTENT_CLASS}) | weight short (0) | body-size longlong | property-flags short | the properties whose flag is set
 *
${properties.map((field, index) => ` *   bit ${String(15 - index).padStart(2)} ${field.name} ${field.type}`).join('\n')}
 *   bit  0 another property-flags short follows
 */
import type { MessageProperties } from '../options.js'
import type { Table, Typed } from '../util/field-value.js'
import type { Reader } from '../wire/reader.js'
import { readTable } from '../wire/table-reader.js'
import { writeTable } from '../wire/table-writer.js'
import { readTimestamp, writeTimestamp } from '../wire/timestamp.js'
import type { Writer } from '../wire/writer.js'
`
}

function constants(): string {
  return `/** Class id and weight in one. */
const CLASS_AND_WEIGHT = ${hex(CONTENT_CLASS * 0x10000, 8)}
const MORE_FLAGS = 0x0001
`
}

function emitBag(): string {
  const own = properties.filter(({ name }) => name !== HEADERS)
  const fields = own.map(field => `  ${camelCase(field.name)}: ${tsType(field)} | undefined = undefined`)
  const cases = own.map(({ name }) => {
    const property = camelCase(name)
    return `      case '${property}':
        bag ??= new PropertyBag()
        bag.${property} = from.${property}
        break`
  })
  return `/** The properties with every name in place, so that the encoder meets objects of one shape only. */
export class PropertyBag {
${fields.join('\n')}
}

/** Puts the properties among an object's fields into a bag; undefined where there are none. */
export function collectProperties(from: MessageProperties): PropertyBag | undefined {
  let bag: PropertyBag | undefined
  for (const name in from) {
    switch (name) {
${cases.join('\n')}
    }
  }
  return bag
}
`
}

function emitEncoder(): string {
  const steps = properties.map((field, index) => {
    const flag = hex(flagOf(index), 4)
    if (field.name === HEADERS) {
      return `  if (headers !== undefined) {
    flags |= ${flag}
    writeTable(w, headers, 'headers')
  }`
    }
    const name = camelCase(field.name)
    return `  const { ${name} } = properties
  if (${name} !== undefined) {
    flags |= ${flag}
    ${writeCall(field, name)}
  }`
  })
  return `/** Writes the whole payload. Throws {@link ArgumentError}, naming the property, where AMQP cannot carry one. */
export function encodeBasicHeader(
  w: Writer,
  bodySize: number,
  properties: PropertyBag | MessageProperties,
  headers: Table | undefined,
): void {
  w.u32(CLASS_AND_WEIGHT, 'class-id')
  w.u64(bodySize, 'bodySize')
  const place = w.reserve(2)
  let flags = 0
${steps.join('\n')}
  const at = w.start + place
  w.buffer[at] = flags >>> 8
  w.buffer[at + 1] = flags
}
`
}

function emitPropertiesDecoder(): string {
  const steps = properties.map((field, index) => {
    const flag = hex(flagOf(index), 4)
    if (field.name === HEADERS) return `  if ((flags & ${flag}) !== 0) r.skipLongstr()`
    return `  if ((flags & ${flag}) !== 0) properties.${camelCase(field.name)} = ${readCall(field)}`
  })
  return `/** Reads the properties but for the headers; the reader stands at the property flags. What was not sent is absent. */
export function decodeBasicProperties(r: Reader): MessageProperties {
  const flags = readFlags(r)
  const properties: MessageProperties = {}
${steps.join('\n')}
  return properties
}
`
}

function emitHeadersDecoder(): string {
  const at = properties.findIndex(({ name }) => name === HEADERS)
  const skips = properties
    .slice(0, at)
    .map(
      (field, index) => `  if ((flags & ${hex(flagOf(index), 4)}) !== 0) ${skipCall(field)} // ${field.name}`,
    )
  return `/** Reads the headers only; the reader stands at the property flags. No headers give an empty table. */
export function decodeBasicHeaders(r: Reader): Table {
  const flags = readFlags(r)
  if ((flags & ${hex(flagOf(at), 4)}) === 0) return {}
${skips.join('\n')}
  return readTable(r)
}
`
}

function helpers(): string {
  return `/** Steps over the flags of properties that class basic does not have: their values would come last. */
function readFlags(r: Reader): number {
  const flags = r.u16()
  let last = flags
  while ((last & MORE_FLAGS) !== 0) last = r.u16()
  return flags
}
`
}

function flagOf(index: number): number {
  return 0x8000 >>> index
}

function tsType({ name, type }: FieldSpec): string {
  switch (type) {
    case 'shortstr':
      return 'string'
    case 'octet':
      return 'number'
    case 'timestamp':
      return 'Date | Typed'
    default:
      throw new Error(`no property of type ${type} was foreseen (${name})`)
  }
}

function writeCall({ name, type }: FieldSpec, variable: string): string {
  switch (type) {
    case 'shortstr':
      return `w.shortstr(${variable}, '${variable}')`
    case 'octet':
      return `w.u8(${variable}, '${variable}')`
    case 'timestamp':
      return `writeTimestamp(w, ${variable}, '${variable}')`
    default:
      throw new Error(`no property of type ${type} was foreseen (${name})`)
  }
}

function readCall({ name, type }: FieldSpec): string {
  switch (type) {
    case 'shortstr':
      return 'r.shortstr()'
    case 'octet':
      return 'r.u8()'
    case 'timestamp':
      return 'readTimestamp(r)'
    default:
      throw new Error(`no property of type ${type} was foreseen (${name})`)
  }
}

function skipCall({ name, type }: FieldSpec): string {
  if (type !== 'shortstr')
    throw new Error(`no property of type ${type} was foreseen before the headers (${name})`)
  return 'r.skipShortstr()'
}
