/**
 * Owns the encoding of AMQP's types for what the benchmark sends ahead of time: the null peer's replies and floods, and
 * the raw client's publishes. It is no part of what is measured, and shares no code with it.
 */

export type TableValue = string | number | boolean | { readonly [name: string]: TableValue }
export type Table = Readonly<Record<string, TableValue>>

export function u8(value: number): Buffer {
  return Buffer.from([value])
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

export function shortString(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([u8(bytes.length), bytes])
}

export function longString(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([u32(bytes.length), bytes])
}

export function table(entries: Table): Buffer {
  const fields = Object.entries(entries).map(([name, value]) =>
    Buffer.concat([shortString(name), tableValue(value)]),
  )
  const bytes = Buffer.concat(fields)
  return Buffer.concat([u32(bytes.length), bytes])
}

function tableValue(value: TableValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from('S'), longString(value)])
  if (typeof value === 'boolean') return Buffer.concat([Buffer.from('t'), u8(value ? 1 : 0)])
  if (typeof value !== 'number') return Buffer.concat([Buffer.from('F'), table(value)])
  if (Number.isInteger(value)) return Buffer.concat([Buffer.from('I'), u32(value)])
  const bytes = Buffer.alloc(9)
  bytes.write('d')
  bytes.writeDoubleBE(value, 1)
  return bytes
}
