/**
 * Owns the copies of small contents that a user may keep. A block of a few KiB is copied out of the incoming chunk at
 * once: a message that is kept does not keep the whole chunk, and one copy serves many messages. Knows nothing of frames.
 */
import { markShared } from '../util/shared-memory.js'

/** The size of a block: Node's own pool keeps as much for any small buffer. */
export const BLOCK = 4088
/** Blocks are cut from slabs of this size: not from Node's pool, which a user could take away from everybody (Node 22). */
const SLAB = 8192

const NOTHING: Buffer = Buffer.alloc(0)

export class ContentCopier {
  /** The block of the last copy. */
  block = NOTHING
  /** The chunk, and the range of it that the block is a copy of. */
  #chunk = NOTHING
  #from = 0
  #to = 0
  #slab = NOTHING
  /** Up to here the slab is in use. */
  #used = 0

  /**
   * Copies the bytes from `start` to `end`, at most as many as a block has room for; they are in `block` then. Returns
   * how much smaller their positions are there than in the chunk.
   */
  copy(chunk: Buffer, start: number, end: number): number {
    if (chunk !== this.#chunk || start < this.#from || end > this.#to) {
      this.#chunk = chunk
      this.#from = start
      this.#to = Math.min(start + BLOCK, chunk.length)
      this.block = this.#take(this.#to - start)
      chunk.copy(this.block, 0, start, this.#to)
    }
    return this.#from
  }

  /** Drops the references to chunk and block: the chunk has been parsed. */
  reset(): void {
    this.#chunk = NOTHING
    this.#from = 0
    this.#to = 0
    this.block = NOTHING
  }

  /** Where the runtime lets a user take a slab away, it has no length then, and another one follows. */
  #take(size: number): Buffer {
    if (this.#used + size > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB)
      markShared(this.#slab.buffer)
      this.#used = 0
    }
    const from = this.#used
    this.#used += size
    return this.#slab.subarray(from, this.#used)
  }
}
