/** Owns the text of one method's encoder and decoder, and the wire grammar above them. */
import type { NamedMethod } from './named-method.js'
import { camelCase } from './names.js'
import type { FieldSpec } from './spec.js'

/** What lies next to each other on the wire: one field, or up to eight bits in an octet. */
type Unit =
  | { readonly kind: 'bits'; readonly bits: readonly FieldSpec[] }
  | { readonly kind: 'field'; readonly field: FieldSpec }

const BITS_IN_OCTET = 8
/** Longer lines are broken. */
const LINE = 108
const senders = { client: 'client to server', server: 'server to client', both: 'either way' }

/** The comment above a method's type and codec. */
export function grammar({ name, classId, spec }: NamedMethod): string {
  const notes = [senders[spec.sender], ...(spec.content ? ['carries content'] : [])]
  if (spec.replies.length > 0) notes.push(`answered by ${spec.replies.join(' or ')}`)
  const lines = wrap(unitsOf(spec.fields).map(unitGrammar))
  const body = lines.length === 0 ? ' *   (no fields)' : lines.map(line => ` *   ${line}`).join('\n')
  return `/**\n * ${name} (${classId}.${spec.id}), ${notes.join(', ')}\n *\n${body}\n */`
}

export function emitEncoder({ type, constant, spec }: NamedMethod): string {
  const bare = spec.fields.every(field => field.reserved)
  const text = spec.fields.some(field => field.type === 'longstr' && !field.reserved)
  const args = bare ? '' : `, args: ${text ? `Encodable<${type}>` : type}`
  const steps = [`w.u32(${constant}, 'method-id')`, ...unitsOf(spec.fields).flatMap(encodeUnit)]
  return `export function encode${type}(w: Writer${args}): void {\n${indent(steps)}\n}\n`
}

export function emitDecoder({ type, spec }: NamedMethod): string {
  const units = unitsOf(spec.fields)
  if (units.length === 0) return `export function decode${type}(_r: Reader): ${type} {\n  return {}\n}\n`
  const steps: string[] = []
  const result: string[] = []
  for (const [index, unit] of units.entries()) {
    if (unit.kind === 'field') decodeField(unit.field, steps, result)
    else decodeBits(unit.bits, index, steps, result)
  }
  steps.push(...returnOf(result))
  return `export function decode${type}(r: Reader): ${type} {\n${indent(steps)}\n}\n`
}

function unitsOf(fields: readonly FieldSpec[]): Unit[] {
  const units: Unit[] = []
  let bits: FieldSpec[] = []
  for (const field of fields) {
    if (field.type !== 'bit') {
      units.push({ kind: 'field', field })
      bits = []
      continue
    }
    if (bits.length === 0 || bits.length === BITS_IN_OCTET) {
      bits = []
      units.push({ kind: 'bits', bits })
    }
    bits.push(field)
  }
  return units
}

function unitGrammar(unit: Unit): string {
  if (unit.kind === 'field') return `${unit.field.name} ${unit.field.type}`
  return `octet { ${unit.bits.map(({ name }, index) => `bit ${index} ${name}`).join(', ')} }`
}

/** Joins the parts with bars, breaking lines between them. */
function wrap(parts: readonly string[]): string[] {
  const lines: string[] = []
  for (const [index, part] of parts.entries()) {
    const text = index < parts.length - 1 ? `${part} |` : part
    const last = lines.at(-1)
    if (last !== undefined && last.length + text.length < LINE) lines[lines.length - 1] = `${last} ${text}`
    else lines.push(text)
  }
  return lines
}

function encodeUnit(unit: Unit): string[] {
  if (unit.kind === 'bits') return [encodeBits(unit.bits)]
  const { name, type, reserved } = unit.field
  const field = camelCase(name)
  const value = `args.${field}, '${field}'`
  switch (type) {
    case 'octet':
      return [reserved ? `w.u8(0, '${name}')` : `w.u8(${value})`]
    case 'short':
      return [reserved ? `w.u16(0, '${name}')` : `w.u16(${value})`]
    case 'long':
      return [reserved ? `w.u32(0, '${name}')` : `w.u32(${value})`]
    case 'longlong':
      return [reserved ? `w.u64(0, '${name}')` : `w.u64(${value})`]
    case 'shortstr':
      return [reserved ? `w.u8(0, '${name}')` : `w.shortstr(${value})`]
    case 'longstr':
      return [reserved ? `w.u32(0, '${name}')` : `w.longstr(${value})`]
    case 'table':
      return [reserved ? `w.u32(0, '${name}')` : `writeTable(w, ${value})`]
    default:
      throw new Error(`no method field of type ${type} was foreseen (${name})`)
  }
}

function encodeBits(bits: readonly FieldSpec[]): string {
  const terms = bits.flatMap(({ name, reserved }, index) =>
    reserved ? [] : [`bit(args.${camelCase(name)}, ${1 << index}, '${camelCase(name)}')`],
  )
  const line = `w.u8(${terms.length === 0 ? '0' : terms.join(' | ')}, 'bits')`
  if (line.length < LINE) return line
  return `w.u8(\n    ${terms.join(' |\n      ')},\n    'bits',\n  )`
}

function decodeField({ name, type, reserved }: FieldSpec, steps: string[], result: string[]): void {
  if (reserved) {
    steps.push(`${skipCall(name, type)} // ${name}`)
    return
  }
  const field = camelCase(name)
  // Strict code may not have a variable of this name.
  const variable = field === 'arguments' ? 'table' : field
  steps.push(`const ${variable} = ${readCall(name, type)}`)
  result.push(variable === field ? field : `${field}: ${variable}`)
}

function decodeBits(bits: readonly FieldSpec[], index: number, steps: string[], result: string[]): void {
  if (bits.every(field => field.reserved)) {
    steps.push(`r.skip(1) // ${bits.map(({ name }) => name).join(', ')}`)
    return
  }
  const variable = `bits${index}`
  steps.push(`const ${variable} = r.u8()`)
  for (const [position, { name, reserved }] of bits.entries()) {
    if (!reserved) result.push(`${camelCase(name)}: (${variable} & ${1 << position}) !== 0`)
  }
}

function returnOf(result: readonly string[]): string[] {
  if (result.length === 0) return ['return {}']
  const line = `return { ${result.join(', ')} }`
  if (line.length < LINE) return [line]
  return ['return {', ...result.map(entry => `  ${entry},`), '}']
}

function readCall(name: string, type: FieldSpec['type']): string {
  switch (type) {
    case 'octet':
      return 'r.u8()'
    case 'short':
      return 'r.u16()'
    case 'long':
      return 'r.u32()'
    case 'longlong':
      return 'r.u64()'
    case 'shortstr':
      return 'r.shortstr()'
    case 'longstr':
      return 'r.longstr()'
    case 'table':
      return 'readTable(r)'
    default:
      throw new Error(`no method field of type ${type} was foreseen (${name})`)
  }
}

function skipCall(name: string, type: FieldSpec['type']): string {
  switch (type) {
    case 'short':
      return 'r.skip(2)'
    case 'shortstr':
      return 'r.skipShortstr()'
    case 'longstr':
      return 'r.skipLongstr()'
    default:
      throw new Error(`no reserved field of type ${type} was foreseen (${name})`)
  }
}

function indent(lines: readonly string[]): string {
  return lines.map(line => `  ${line}`).join('\n')
}
