/** Owns the two forms of inputs: chunks of bytes, and steps, which are lines of words. */
import { formatBytes, parseBytes } from './notation.js'
import type { Form } from './target.js'

/** One chunk on each line. */
export const chunks: Form<readonly Buffer[]> = {
  format: input => input.map(chunk => formatBytes(chunk)).join('\n'),
  parse: text => lines(text).map(parseBytes),
  *smaller(input) {
    yield* shorter(input)
    for (let at = 0; at + 1 < input.length; at++) {
      const merged = Buffer.concat(input.slice(at, at + 2))
      yield [...input.slice(0, at), merged, ...input.slice(at + 2)]
    }
    for (const [at, chunk] of input.entries()) {
      for (const less of lessBytes(chunk)) yield input.with(at, less)
    }
  },
}

/** One step on each line; words of hexadecimal digits can be made shorter. */
export const steps: Form<readonly string[]> = {
  format: input => input.join('\n'),
  parse: lines,
  *smaller(input) {
    yield* shorter(input)
    for (const [at, step] of input.entries()) {
      const [verb, ...words] = step.split(' ')
      if (verb !== 'raw') continue
      for (const less of lessBytes(parseBytes(words.join(' ')))) {
        if (less.length > 0) yield input.with(at, `raw ${formatBytes(less)}`)
      }
    }
  },
}

/** The lines that say something; what stands behind a `#` is a comment. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(line => line !== '')
}

/** The list without a part of it, large parts first. */
function* shorter<T>(list: readonly T[]): Iterable<T[]> {
  for (let size = list.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < list.length; at += size) yield [...list.slice(0, at), ...list.slice(at + size)]
  }
}

function* lessBytes(bytes: Buffer): Iterable<Buffer> {
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < bytes.length; at += size) {
      yield Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)])
    }
  }
}
