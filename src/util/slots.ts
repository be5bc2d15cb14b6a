/**
 * Owns how many tasks may run at once: p-queue gives out the slots, and decides who is next when somebody waits. A slot
 * that nobody waits for is kept for the next task, which then needs no call of p-queue. Knows nothing of the tasks.
 */
import PQueue from 'p-queue'
import { ignore } from './promise.js'

/** Has a slot, and calls `leave` once, when it is done. Must not throw. */
export type Task = (leave: () => void) => void

export class Slots {
  readonly #queue: PQueue
  /** Slots of p-queue that no task uses, each as the function that gives it back: only while nobody waits. */
  readonly #free: (() => void)[] = []

  /** There are so many slots; `Infinity` for no limit. */
  constructor(count: number) {
    this.#queue = new PQueue({ concurrency: count })
  }

  /** How many tasks wait for a slot. */
  get waiting(): number {
    return this.#queue.size
  }

  /** How many tasks run. */
  get running(): number {
    return this.#queue.pending - this.#free.length
  }

  /** Whether a task that comes now begins at once. */
  get anyFree(): boolean {
    return this.#free.length > 0 || this.#queue.pending < this.#queue.concurrency
  }

  /** Begins a task when its turn comes: at once if there is a slot. */
  run(task: Task): void {
    const free = this.#free.pop()
    if (free !== undefined) this.#begin(task, free)
    else this.#queue.add(() => new Promise<void>(giveBack => this.#begin(task, giveBack))).catch(ignore)
  }

  #begin(task: Task, giveBack: () => void): void {
    task(() => {
      if (this.#queue.size > 0) giveBack()
      else this.#free.push(giveBack)
    })
  }
}
