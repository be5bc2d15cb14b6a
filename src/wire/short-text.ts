/**
 * Owns the text of short strings that are not UTF-8, such as the bare bytes of a UUID as a correlation-id. AMQP calls a
 * short string UTF-8 (AMQP 0-9-1, section 4.2.5.3 "Strings"), but brokers check it nowhere. Each byte that is not UTF-8
 * becomes a lone surrogate, U+DC80 to U+DCFF, which no valid text holds, and is written as that byte again: what was
 * received can be sent on as it was.
 */
import { isUtf8 } from 'node:buffer'

/** A byte that is not UTF-8 is 0x80 or more; its surrogate is this and the byte. */
const ESCAPE = 0xdc00

/** Text of bytes that may be no UTF-8. */
export function readShortText(buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('utf8', start, end)
  // Only a text that holds the replacement character can be one that is not UTF-8.
  if (!text.includes('\ufffd') || isUtf8(buffer.subarray(start, end))) return text
  let escaped = ''
  for (let at = start; at < end; ) {
    const next = characterEnd(buffer, at, end)
    escaped +=
      next === undefined
        ? String.fromCharCode(ESCAPE | (buffer[at] as number))
        : buffer.toString('utf8', at, next)
    at = next ?? at + 1
  }
  return escaped
}

/** Writes a text with lone surrogates, for which there is room; returns how many bytes it took. */
export function writeEscaped(buffer: Buffer, text: string, start: number): number {
  let at = start
  for (const character of text) {
    const byte = escapedByte(character)
    if (byte === undefined) at += buffer.write(character, at, 'utf8')
    else buffer[at++] = byte
  }
  return at - start
}

/** How many bytes a short string takes. */
export function shortTextLength(text: string): number {
  if (text.isWellFormed()) return Buffer.byteLength(text)
  let length = 0
  for (const character of text) {
    length += escapedByte(character) === undefined ? Buffer.byteLength(character) : 1
  }
  return length
}

function escapedByte(character: string): number | undefined {
  const code = character.charCodeAt(0)
  return code >= 0xdc80 && code <= 0xdcff ? code & 0xff : undefined
}

/** Where the character at `at` ends; undefined if the byte there begins none. */
function characterEnd(buffer: Buffer, at: number, end: number): number | undefined {
  const last = Math.min(at + 4, end)
  for (let next = at + 1; next <= last; next++) if (isUtf8(buffer.subarray(at, next))) return next
  return undefined
}
