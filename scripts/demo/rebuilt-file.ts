/**
 * Owns the file that is put together again from what came out of the broker: a temporary one, removed at the end. Knows
 * nothing of messages.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Pieces are gathered up to this size before they are written. */
const WRITE_AT = 262_144

export class RebuiltFile {
  readonly #folder: string
  readonly #file: FileHandle
  #pieces: Buffer[] = []
  #gathered = 0

  private constructor(folder: string, file: FileHandle) {
    this.#folder = folder
    this.#file = file
  }

  static async create(): Promise<RebuiltFile> {
    const folder = await mkdtemp(join(tmpdir(), 'puka-demo-'))
    return new RebuiltFile(folder, await open(join(folder, 'rebuilt'), 'w'))
  }

  async append(piece: Buffer): Promise<void> {
    this.#pieces.push(piece)
    this.#gathered += piece.length
    if (this.#gathered >= WRITE_AT) await this.#write()
  }

  /** The SHA-256 of what is on the disk. */
  async digest(): Promise<string> {
    await this.#write()
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(join(this.#folder, 'rebuilt'))) hash.update(chunk as Buffer)
    return hash.digest('hex')
  }

  async remove(): Promise<void> {
    await this.#file.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #write(): Promise<void> {
    const pieces = this.#pieces
    this.#pieces = []
    this.#gathered = 0
    if (pieces.length > 0) await this.#file.writeFile(Buffer.concat(pieces))
  }
}
