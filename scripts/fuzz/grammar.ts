/**
 * Owns bytes as a peer may send them: values, tables, properties, methods, frames, contents. Most are valid; a few lie
 * about a length, or have a tag that there is not. Methods and properties come from the table of the code generator.
 */
import { classes, type FieldSpec, type MethodSpec, properties } from '../codegen/spec.js'
import type { Random } from './random.js'

const TAGS = 'ABDFILSTVbdfilstux'
const METHOD = 1
const HEADER = 2
const BODY = 3
const HEARTBEAT = 8
const CLASS_BASIC = 60
const NAMES = [
  '',
  'a',
  'q',
  'x-death',
  'x-stream-offset',
  '__proto__',
  'constructor',
  '0',
  'count',
  'queue',
  'reason',
]

/** Every method of AMQP, with the id of its class. */
export const allMethods: readonly (MethodSpec & { readonly classId: number })[] = classes.flatMap(
  ({ id, methods }) => methods.map(method => ({ ...method, classId: id })),
)
const contentMethods = allMethods.filter(({ content }) => content)

export function octets(...values: number[]): Buffer {
  return Buffer.from(values)
}

export function long(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** Bytes with their length in front, which may be a lie. */
function withLength(bytes: Buffer, random: Random): Buffer {
  const length = random.chance(2) ? bytes.length + random.pick([-1, 1, 0x7fffffff]) : bytes.length
  return Buffer.concat([long(length), bytes])
}

function shortText(random: Random): Buffer {
  const text = random.chance(50)
    ? Buffer.from(random.pick(NAMES))
    : random.chance(50)
      ? random.bytes(random.size(255))
      : Buffer.alloc(random.size(255), random.pick(['a', 'é', '€', '😀', '\ufffd']))
  return Buffer.concat([octets(text.length), text])
}

function fieldValue(random: Random, depth: number): Buffer {
  const tag = random.chance(2) ? random.below(256) : TAGS.charCodeAt(random.below(TAGS.length))
  return Buffer.concat([octets(tag), contentOf(String.fromCharCode(tag), random, depth)])
}

function contentOf(tag: string, random: Random, depth: number): Buffer {
  switch (tag) {
    case 'F':
      return depth > 0 ? table(random, depth - 1) : long(0)
    case 'A':
      return withLength(
        Buffer.concat(
          Array.from({ length: depth > 0 ? random.size(6) : 0 }, () => fieldValue(random, depth - 1)),
        ),
        random,
      )
    case 'S':
    case 'x':
      return withLength(
        random.chance(70)
          ? Buffer.alloc(random.size(300), random.pick(['a', 'é', '😀']))
          : random.bytes(random.size(40)),
        random,
      )
    case 'V':
      return Buffer.alloc(0)
    case 't':
    case 'b':
    case 'B':
      return random.bytes(1)
    case 's':
    case 'u':
      return random.bytes(2)
    case 'I':
    case 'i':
    case 'f':
      return random.bytes(4)
    case 'D':
      return random.bytes(5)
    default:
      return random.chance(50) ? random.bytes(8) : Buffer.concat([long(0), random.bytes(4)])
  }
}

/** A table with its length. */
export function table(random: Random, depth = 4): Buffer {
  const fields = Array.from({ length: random.size(8) }, () =>
    Buffer.concat([shortText(random), fieldValue(random, depth)]),
  )
  return withLength(Buffer.concat(fields), random)
}

/** Tables and arrays within one another, so often. */
export function nested(levels: number, tag: 'A' | 'F'): Buffer {
  let inner = long(0)
  for (let level = 1; level < levels; level++) {
    const parts = tag === 'A' ? [octets(0x41), inner] : [octets(1, 0x61, 0x46), inner]
    const bytes = Buffer.concat(parts)
    inner = Buffer.concat([long(bytes.length), bytes])
  }
  return tag === 'A' ? Buffer.concat([long(inner.length + 3), octets(1, 0x61, 0x41), inner]) : inner
}

function field({ type }: FieldSpec, random: Random): Buffer {
  switch (type) {
    case 'bit':
    case 'octet':
      return random.bytes(1)
    case 'short':
      return random.chance(50) ? octets(0, random.below(20)) : random.bytes(2)
    case 'long':
      return random.chance(50) ? long(random.below(100)) : random.bytes(4)
    case 'longlong':
    case 'timestamp':
      return Buffer.concat([random.chance(90) ? long(0) : random.bytes(4), long(random.below(200))])
    case 'shortstr':
      return shortText(random)
    case 'longstr':
      return withLength(random.bytes(random.size(300)), random)
    case 'table':
      return table(random, 2)
  }
}

/** The fields of a method; neighbouring bits share an octet. */
function fields(list: readonly FieldSpec[], random: Random): Buffer {
  const last = (at: number): boolean => list[at]?.type === 'bit' && list[at + 1]?.type === 'bit'
  return Buffer.concat(list.flatMap((spec, at) => (last(at) ? [] : [field(spec, random)])))
}

/** The payload of a method. */
export function methodPayload(spec: MethodSpec & { readonly classId: number }, random: Random): Buffer {
  return Buffer.concat([
    octets(spec.classId >> 8, spec.classId, spec.id >> 8, spec.id),
    fields(spec.fields, random),
  ])
}

export function anyMethod(random: Random): Buffer {
  return methodPayload(random.pick(allMethods), random)
}

/** Property flags and properties. */
export function propertyList(random: Random): Buffer {
  const chosen = properties.map(() => random.chance(30))
  let flags = 0
  for (const [index, isSet] of chosen.entries()) if (isSet) flags |= 0x8000 >>> index
  if (random.chance(3)) flags |= random.below(4)
  const more = (flags & 1) === 1 ? [octets(0, random.below(2))] : []
  const values = properties.flatMap((spec, index) => (chosen[index] ? [field(spec, random)] : []))
  return Buffer.concat([octets(flags >> 8, flags), ...more, ...values])
}

/** The payload of a content header. */
export function contentHeader(size: number, random: Random): Buffer {
  const high = Math.floor(size / 0x1_0000_0000)
  return Buffer.concat([octets(0, CLASS_BASIC, 0, 0), long(high), long(size), propertyList(random)])
}

/** A frame; its size or its end may be a lie. */
export function frame(type: number, channel: number, payload: Buffer, random: Random): Buffer {
  const size = random.chance(1)
    ? random.pick([payload.length + 1, payload.length - 1, 0x7fffffff])
    : payload.length
  const end = random.chance(1) ? random.below(256) : 0xce
  return Buffer.concat([octets(type, channel >> 8, channel), long(size), payload, octets(end)])
}

/** The frames of a content, its body cut somehow; the size announced may be a lie. */
export function content(channel: number, random: Random): Buffer[] {
  const body = Buffer.alloc(random.chance(15) ? random.below(50_000) : random.size(200), random.below(256))
  const size = random.chance(4)
    ? random.pick([0, body.length + 1, Math.max(0, body.length - 1), 2 ** 27, 2 ** 32, 2 ** 53, 2 ** 63])
    : body.length
  const parts = [
    frame(METHOD, channel, methodPayload(random.pick(contentMethods), random), random),
    frame(HEADER, channel, contentHeader(size, random), random),
  ]
  const room = random.pick([1, 100, 4088, 16_384, 131_064])
  for (let at = 0; at < body.length && parts.length < 40; ) {
    const end = parts.length === 39 ? body.length : at + Math.max(1, random.below(room + 1))
    parts.push(frame(BODY, channel, body.subarray(at, end), random))
    at = end
  }
  return parts
}

/** A frame of any kind, or the frames of a content. */
export function frames(channel: number, random: Random): Buffer[] {
  switch (random.below(8)) {
    case 0:
    case 1:
      return content(channel, random)
    case 2:
      return [frame(HEARTBEAT, random.chance(80) ? 0 : channel, Buffer.alloc(0), random)]
    case 3:
      return [frame(random.below(10), channel, random.bytes(random.size(100)), random)]
    case 4:
      return [frame(BODY, channel, Buffer.alloc(random.below(40_000), random.below(256)), random)]
    default:
      return [frame(METHOD, channel, anyMethod(random), random)]
  }
}
