/**
 * Owns how bytes are written in finds: hexadecimal digits, spaces mean nothing, and `61*300` stands for 300 bytes of 0x61.
 */
import { FuzzError } from './errors.js'

/** From so many equal bytes on they are written as one and a count. */
const REPEATED_FROM = 12

export function formatBytes(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    let end = at + 1
    while (end < bytes.length && bytes[end] === bytes[at]) end++
    const digits = (bytes[at] as number).toString(16).padStart(2, '0')
    text += end - at < REPEATED_FROM ? digits.repeat(end - at) : ` ${digits}*${end - at} `
    at = end
  }
  return text.trim()
}

/** Throws {@link FuzzError} for anything else. */
export function parseBytes(text: string): Buffer {
  const parts: Buffer[] = []
  for (const word of text.split(/\s+/)) {
    const [digits = '', count] = word.split('*')
    if (!/^(?:[0-9a-f]{2})*$/i.test(digits) || (count !== undefined && !/^\d+$/.test(count))) {
      throw new FuzzError(`these are no bytes: ${word}`)
    }
    const bytes = Buffer.from(digits, 'hex')
    if (count === undefined) parts.push(bytes)
    else parts.push(bytes.subarray(0, -1), Buffer.alloc(Number(count), bytes.subarray(-1)))
  }
  return Buffer.concat(parts)
}
