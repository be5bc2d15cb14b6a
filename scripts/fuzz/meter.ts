/** Owns counts in place of measured memory and time: bytes of buffers that were asked for, steps of a reader. */
import { Reader } from '../../src/wire/reader.js'

const KINDS = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const

/** Runs a call; returns how many bytes of buffers it asked the runtime for. */
export function allocatedBy(call: () => void): number {
  let bytes = 0
  const originals = KINDS.map(kind => Buffer[kind])
  for (const [index, kind] of KINDS.entries()) {
    Buffer[kind] = (size: number, ...rest: []) => {
      bytes += size
      return (originals[index] as typeof Buffer.alloc)(size, ...rest)
    }
  }
  try {
    call()
  } finally {
    for (const [index, kind] of KINDS.entries()) Buffer[kind] = originals[index] as typeof Buffer.alloc
  }
  return bytes
}

/** A reader that counts how often something was read. */
export class CountingReader extends Reader {
  reads = 0

  override skip(bytes: number): number {
    this.reads++
    return super.skip(bytes)
  }
}
