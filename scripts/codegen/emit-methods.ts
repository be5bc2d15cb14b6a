/** Owns the text of `src/codec/methods.gen.ts`: ids, argument types and the table of methods. */
import { emitDecoder, emitEncoder, grammar } from './emit-codec.js'
import { type NamedMethod, namedMethods } from './named-method.js'
import { camelCase, constantCase, hex } from './names.js'
import type { FieldSpec } from './spec.js'

const all = namedMethods()

export function emitMethods(): string {
  return [
    preamble(),
    ...all.map(({ constant, id }) => `export const ${constant} = ${hex(id, 8)}`),
    '',
    ...all.flatMap(method => [grammar(method), emitType(method), emitEncoder(method), emitDecoder(method)]),
    emitMaps(),
    emitTable(),
    emitDecodeMethod(),
    helpers(),
  ].join('\n')
}

function preamble(): string {
  return `/**
 * Owns the payloads of method frames: class id, method id and fields. An encoder writes all three, a decoder reads the
 * fields. Consecutive bits share an octet, the lowest bit first. Bytes behind the last field are not looked at. Knows
 * nothing of frames and channels.
 */
import { ArgumentError, CommandInvalidError } from '../errors.js'
import type { Table } from '../util/field-value.js'
import type { Reader } from '../wire/reader.js'
import { readTable } from '../wire/table-reader.js'
import { writeTable } from '../wire/table-writer.js'
import type { Writer } from '../wire/writer.js'

/** What an encoder takes: a long string may be text or any bytes. */
export type Encodable<A> = { readonly [K in keyof A]: A[K] extends Buffer ? Uint8Array | string : A[K] }
`
}

function emitType({ type, spec }: NamedMethod): string {
  const fields = spec.fields.filter(field => !field.reserved)
  if (fields.length === 0) return `export type ${type} = Record<string, never>\n`
  const lines = fields.map(field => `  readonly ${camelCase(field.name)}: ${typeOf(field)}`)
  return `export interface ${type} {\n${lines.join('\n')}\n}\n`
}

function typeOf({ name, type }: FieldSpec): string {
  switch (type) {
    case 'bit':
      return 'boolean'
    case 'octet':
    case 'short':
    case 'long':
    case 'longlong':
      return 'number'
    case 'shortstr':
      return 'string'
    case 'longstr':
      return 'Buffer'
    case 'table':
      return 'Table'
    case 'timestamp':
      throw new Error(`no method field of type ${type} was foreseen (${name})`)
  }
}

function emitMaps(): string {
  const requests = all.filter(({ spec }) => spec.replies.length > 0)
  return `/** The arguments of every method. */
export interface MethodMap {
${all.map(({ name, type }) => `  '${name}': ${type}`).join('\n')}
}

export type MethodName = keyof MethodMap

export type ArgsOf<N extends MethodName> = MethodMap[N]

/** A decoded method. */
export type Method = {
  [N in MethodName]: { readonly id: number; readonly name: N; readonly args: MethodMap[N] }
}[MethodName]

/** What answers a method that wants an answer. */
interface ReplyMap {
${requests.map(({ name, className, spec }) => `  '${name}': ${spec.replies.map(reply => `'${className}.${reply}'`).join(' | ')}`).join('\n')}
}

/** The methods that want an answer. */
export type SynchronousName = keyof ReplyMap

export type ReplyName<N extends SynchronousName> = ReplyMap[N]

export type ReplyOf<N extends SynchronousName> = Extract<Method, { name: ReplyName<N> }>
`
}

function emitTable(): string {
  const entries = all.map(({ name, className, constant, type, spec }) => {
    const replies = spec.replies.map(reply => constantCase(className, reply))
    return `  '${name}': {
    id: ${constant},
    name: '${name}',
    content: ${spec.content},
    replies: [${replies.join(', ')}],
    encode: encode${type},
    decode: decode${type},
  },`
  })
  return `export interface MethodCodec<N extends MethodName = MethodName> {
  /** class << 16 | method */
  readonly id: number
  readonly name: N
  /** A content header and a body follow it. */
  readonly content: boolean
  /** The ids of the methods that may answer it. */
  readonly replies: readonly number[]
  encode(w: Writer, args: MethodMap[N]): void
  decode(r: Reader): MethodMap[N]
}

export const methods: { readonly [N in MethodName]: MethodCodec<N> } = {
${entries.join('\n')}
}
`
}

function emitDecodeMethod(): string {
  const cases = all.map(
    ({ name, constant, type }) => `    case ${constant}:
      return { id, name: '${name}', args: decode${type}(r) }`,
  )
  return `/** Reads a method from its class id on. Throws {@link CommandInvalidError} for one that AMQP does not have. */
export function decodeMethod(r: Reader): Method {
  const id = r.u32()
  switch (id) {
${cases.join('\n')}
    default:
      throw new CommandInvalidError(\`there is no method \${id >>> 16}.\${id & 0xffff}\`)
  }
}
`
}

function helpers(): string {
  return `const nameById: ReadonlyMap<number, MethodName> = new Map(Object.values(methods).map(({ id, name }) => [id, name]))

/** The method's name for a message; numbers where AMQP has no such method. */
export function methodName(id: number): string {
  return nameById.get(id) ?? \`\${id >>> 16}.\${id & 0xffff}\`
}

function bit(value: boolean, mask: number, field: string): number {
  if (value === true) return mask
  if (value === false) return 0
  throw new ArgumentError(\`\${field} must be true or false, got \${typeof value}\`)
}
`
}
