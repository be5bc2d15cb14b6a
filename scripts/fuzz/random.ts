/** Owns chance that can be repeated: the same seed gives the same numbers. Knows nothing of what they are for. */

export class Random {
  #state: number

  /** Any number; its lowest 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 to 2^32 - 1 (the generator "mulberry32"). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * limit)
  }

  /** True so often out of a hundred times. */
  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  /** One of a list, which is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** A size: mostly small, now and then up to `limit`. */
  size(limit: number): number {
    return this.below(this.chance(80) ? Math.min(limit, 16) + 1 : limit + 1)
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at++) bytes[at] = this.next()
    return bytes
  }
}
