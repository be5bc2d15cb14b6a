/**
 * Owns what keeps one part of a piece of memory from being taken away with another: a user who transfers the buffer of a
 * message to a worker would take along whatever else lies in it. Memory that is marked cannot be transferred; Node's own
 * pool is marked likewise.
 *
 *   Node 20       a transfer copies what is marked
 *   Node 22, Bun  a transfer throws, but `ArrayBuffer.prototype.transfer` does not heed the mark
 *   Node 24, Deno both throw
 */
import * as workers from 'node:worker_threads'

/** Marks memory as untransferable, where the runtime can. It costs next to nothing where it is marked already. */
export function markShared(memory: ArrayBufferLike): void {
  try {
    workers.markAsUntransferable(memory)
  } catch {
    // Another runtime than Node may not have it: then users have to know what they transfer.
  }
}

/** Nothing takes marked memory away, in no way that there is. */
export const marksHold: boolean = tryMarks()

/** A copy in memory of its own: not in Node's pool, which others share. */
export function ownCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

function tryMarks(): boolean {
  const memory: ArrayBuffer & { transfer?: () => ArrayBuffer } = new ArrayBuffer(8)
  try {
    workers.markAsUntransferable(memory)
  } catch {
    return false
  }
  try {
    memory.transfer?.()
  } catch {
    // It heeds the mark.
  }
  return memory.byteLength > 0
}
