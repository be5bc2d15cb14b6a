/** Owns the notation of byte vectors that are written by hand: hexadecimal, quoted text, comments. */

/**
 * Bytes from a vector: hexadecimal digits, `"text"` for its bytes as UTF-8, comments from `//` to the end of the line.
 * Spaces and line breaks mean nothing.
 */
export function bytes(vector: string): Buffer {
  const digits = vector
    .replace(/\/\/.*$/gm, '')
    .replace(/"([^"]*)"/g, (_, text: string) => Buffer.from(text).toString('hex'))
    .replace(/\s+/g, '')
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) throw new Error(`not a byte vector: ${digits}`)
  return Buffer.from(digits, 'hex')
}

/** Cuts bytes at the given offsets. */
export function cut(whole: Buffer, offsets: readonly number[]): Buffer[] {
  const bounds = [0, ...new Set(offsets), whole.length].sort((a, b) => a - b)
  return bounds.slice(1).map((end, index) => whole.subarray(bounds[index], end))
}
