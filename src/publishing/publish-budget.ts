/** Owns how much all pending publishes of a client may take up, and when there is room for more, or when there are none. */
import { ResourceError } from '../errors.js'
import { type Deferred, defer } from '../util/promise.js'

export class PublishBudget {
  readonly #maxCount: number
  readonly #maxBytes: number
  #count = 0
  #bytes = 0
  #empty: Deferred<void> | undefined
  #room: Deferred<void> | undefined

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount
    this.#maxBytes = maxBytes
  }

  get pending(): { readonly count: number; readonly bytes: number } {
    return { count: this.#count, bytes: this.#bytes }
  }

  /** No more publishes may be pending. */
  get full(): boolean {
    return this.#count >= this.#maxCount || this.#bytes >= this.#maxBytes
  }

  /** Throws {@link ResourceError} if no more publishes may be pending. */
  check(): void {
    if (this.#count >= this.#maxCount) {
      throw new ResourceError(`${this.#count} publishes are pending already (maxPendingPublishes)`)
    }
    if (this.#bytes >= this.#maxBytes) {
      throw new ResourceError(
        `${this.#bytes} bytes of publishes are pending already (maxPendingPublishBytes)`,
      )
    }
  }

  /** A publish of so many bytes is pending. */
  add(bytes: number): void {
    this.#count++
    this.#bytes += bytes
  }

  /** A publish that is pending takes so many bytes more. */
  grow(bytes: number): void {
    this.#bytes += bytes
  }

  /** A publish of so many bytes is settled. */
  remove(bytes: number): void {
    this.#count--
    this.#bytes -= bytes
    if (this.#room !== undefined && !this.full) {
      this.#room.resolve()
      this.#room = undefined
    }
    if (this.#count === 0 && this.#empty !== undefined) {
      this.#empty.resolve()
      this.#empty = undefined
    }
  }

  /** Resolves when no publish is pending, whatever became of them. */
  empty(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    this.#empty ??= defer<void>()
    return this.#empty.promise
  }

  /** Resolves when another publish may be pending. */
  room(): Promise<void> {
    if (!this.full) return Promise.resolve()
    this.#room ??= defer<void>()
    return this.#room.promise
  }
}
