/**
 * Owns how many may be at work at once: p-queue gives the places, and decides who is next where somebody waits. A place
 * that nobody waits for is kept for the next one, who has it without a word to p-queue. Knows nothing of the work.
 */
import PQueue from 'p-queue'
import { ignore } from './promise.js'

/** Takes a place; calls `leave` once, when it is done. Must not throw. */
export type Task = (leave: () => void) => void

export class Slots {
  readonly #queue: PQueue
  /** Slots that p-queue has given and nobody uses, each as what gives it back: only while nobody waits. */
  readonly #free: (() => void)[] = []

  /** There are so many places; `Infinity` for no limit. */
  constructor(count: number) {
    this.#queue = new PQueue({ concurrency: count })
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#queue.size
  }

  /** How many have a place. */
  get taken(): number {
    return this.#queue.pending - this.#free.length
  }

  /** Whether a task that comes now begins at once. */
  get anyFree(): boolean {
    return this.#free.length > 0 || this.#queue.pending < this.#queue.concurrency
  }

  /** Begins a task when its turn comes: at once, where there is a place. */
  take(task: Task): void {
    const free = this.#free.pop()
    if (free !== undefined) this.#begin(task, free)
    else this.#queue.add(() => new Promise<void>(giveUp => this.#begin(task, giveUp))).catch(ignore)
  }

  #begin(task: Task, giveUp: () => void): void {
    task(() => {
      if (this.#queue.size > 0) giveUp()
      else this.#free.push(giveUp)
    })
  }
}
