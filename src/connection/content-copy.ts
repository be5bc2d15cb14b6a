/**
 * Owns where small contents stay that somebody may keep: in blocks of a few KiB that are copied out of the incoming
 * chunk, so that one message that is kept does not keep the whole chunk, and one copy serves many messages. Knows
 * nothing of frames.
 */

/** What is kept keeps no more than this, and of Node's own pool as much as any small buffer does. */
export const BLOCK = 4088

const NOTHING: Buffer = Buffer.alloc(0)

export class ContentCopier {
  /** Where the bytes are that were kept last. */
  block = NOTHING
  /** The bytes that the block is a copy of. */
  #chunk = NOTHING
  #from = 0
  #to = 0

  /**
   * Keeps the bytes from `start` to `end`, at most as many as a block holds: they are in `block` then. Returns by how
   * much their positions there are less than those in the chunk.
   */
  keep(chunk: Buffer, start: number, end: number): number {
    if (chunk !== this.#chunk || start < this.#from || end > this.#to) {
      this.#chunk = chunk
      this.#from = start
      this.#to = Math.min(start + BLOCK, chunk.length)
      this.block = Buffer.allocUnsafe(this.#to - start)
      chunk.copy(this.block, 0, start, this.#to)
    }
    return this.#from
  }

  /** Lets go of the chunk: nothing more comes out of it. */
  release(): void {
    this.#chunk = NOTHING
    this.#from = 0
    this.#to = 0
    this.block = NOTHING
  }
}
