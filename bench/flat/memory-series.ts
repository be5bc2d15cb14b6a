/** Owns the watching of memory over a long run: samples at even distances, each after a collection. */
import type { Ticker } from '../worker/ticker.js'

export interface MemorySample {
  readonly messages: number
  /** Bytes: on the heap and outside of it, after a collection. */
  readonly inUse: number
  /** Bytes: what the process occupies. */
  readonly resident: number
}

export class MemorySeries implements Ticker {
  readonly samples: MemorySample[] = []
  readonly #total: number
  readonly #distance: number
  #count = 0
  #next: number
  #over = false

  /** The first sample is taken at `first`. */
  constructor(total: number, first: number, distance: number) {
    this.#total = total
    this.#distance = distance
    this.#next = first
  }

  tick(): boolean {
    return ++this.#count >= this.#next && this.#sample()
  }

  ticks(count: number): boolean {
    this.#count += count
    return this.#count >= this.#next && this.#sample()
  }

  #sample(): boolean {
    if (this.#over) return true
    globalThis.gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    this.samples.push({ messages: this.#count, inUse: heapUsed + external, resident: rss })
    this.#next = Math.min(this.#total, (Math.floor(this.#count / this.#distance) + 1) * this.#distance)
    this.#over = this.#count >= this.#total
    return this.#over
  }
}
