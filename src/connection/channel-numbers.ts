/** Owns the numbers of channels: one that was used before comes first, and reserved ones are never given out. */

export class ChannelNumbers {
  /** The highest number that may be given out. */
  max = 0
  readonly #reserved: number
  readonly #free: number[] = []
  #last: number

  /** The numbers from 1 to `reserved` belong to whoever asks for them by name. */
  constructor(reserved: number) {
    this.#reserved = reserved
    this.#last = reserved
  }

  /** A free number, or undefined where there is none. */
  take(): number | undefined {
    return this.#free.pop() ?? (this.#last < this.max ? ++this.#last : undefined)
  }

  /** Whether there has ever been a channel of this number. */
  wasUsed(number: number): boolean {
    return number <= this.#last
  }

  /** The number may be given out again. */
  release(number: number): void {
    if (number > this.#reserved) this.#free.push(number)
  }
}
