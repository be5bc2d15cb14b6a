/** Owns choices out of the bytes of an input: where a value is the input, its bytes say how to make it. */
import { Random } from './random.js'

export class Choices extends Random {
  readonly #bytes: Buffer
  #at = 0

  /** When the bytes are used up, every choice is the first one. */
  constructor(bytes: Buffer) {
    super(0)
    this.#bytes = bytes
  }

  override next(): number {
    let value = 0
    for (let count = 0; count < 4; count++) value = ((value << 8) | this.#octet()) >>> 0
    return value
  }

  override below(limit: number): number {
    if (limit <= 1) return 0
    return limit <= 256 ? this.#octet() % limit : this.next() % limit
  }

  #octet(): number {
    return this.#bytes[this.#at++] ?? 0
  }
}
