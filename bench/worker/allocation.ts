/**
 * Owns the counting of allocated bytes: between two collections the heap grows by what is allocated and by nothing else,
 * so the sum of these growths is what was allocated. V8 tells the sizes before and after every collection. What buffers
 * take outside of the heap is not counted: V8 gives that back at moments of its own.
 */
import { GCProfiler, getHeapStatistics } from 'node:v8'

export class AllocationCount {
  readonly #profiler = new GCProfiler()
  readonly #atStart: number

  constructor() {
    this.#atStart = getHeapStatistics().used_heap_size
    this.#profiler.start()
  }

  /** Returns the bytes that were allocated on the heap. */
  stop(): number {
    const atEnd = getHeapStatistics().used_heap_size
    let allocated = 0
    let before = this.#atStart
    for (const { beforeGC, afterGC } of this.#profiler.stop().statistics) {
      allocated += Math.max(0, beforeGC.heapStatistics.usedHeapSize - before)
      before = afterGC.heapStatistics.usedHeapSize
    }
    return allocated + Math.max(0, atEnd - before)
  }
}
