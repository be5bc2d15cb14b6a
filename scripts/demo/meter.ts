/** Owns how much has gone past one point of the transfer, and how fast. Knows nothing of who shows it. */
import { performance } from 'node:perf_hooks'

export class Meter {
  #started = performance.now()
  #last = this.#started
  #messages = 0
  #bytes = 0

  get messages(): number {
    return this.#messages
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Messages per second, from the start to the last message. */
  get rate(): number {
    const seconds = (this.#last - this.#started) / 1000
    return seconds > 0 ? this.#messages / seconds : 0
  }

  start(): void {
    this.#started = performance.now()
    this.#last = this.#started
  }

  add(bytes: number): void {
    this.#messages++
    this.#bytes += bytes
    this.#last = performance.now()
  }
}
