/** Owns what a load measures: memory, handles, the delay of the event loop. Knows nothing of what runs meanwhile. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

const MIB = 1_048_576
const NANOSECONDS = 1_000_000
/** Milliseconds in which what has been closed is gone. */
const REST = 1_500
/** The runtime frees buffers in the steps after a collection. */
const COLLECTIONS = 4

export interface Figures {
  /** Bytes. */
  readonly heap: number
  readonly buffers: number
  readonly resident: number
  /** What keeps the process alive: sockets, timers, pipes. */
  readonly handles: number
}

/** As things are: without a collection, which would hold up everything that runs. */
export function figures(): Figures {
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  return {
    heap: heapUsed,
    buffers: arrayBuffers,
    resident: rss,
    handles: process.getActiveResourcesInfo().length,
  }
}

/** What is in use while nothing runs: after a rest, and after collections. */
export async function figuresAtRest(): Promise<Figures> {
  await delay(REST)
  for (let round = 0; round < COLLECTIONS; round++) {
    globalThis.gc?.()
    await delay(50)
  }
  return figures()
}

export function describeFigures({ heap, buffers, resident, handles }: Figures): string {
  const mib = (bytes: number): string => (bytes / MIB).toFixed(0)
  return `heap ${mib(heap)} MiB, buffers ${mib(buffers)} MiB, RSS ${mib(resident)} MiB, ${handles} handles`
}

/**
 * The delay of the event loop from now on: of the time since the last report and of all time. A sample is taken every millisecond,
 * and an idle loop has about that millisecond as its delay.
 */
export class LoopDelay {
  readonly #recent = monitorEventLoopDelay({ resolution: 1 })
  readonly #total = monitorEventLoopDelay({ resolution: 1 })

  constructor() {
    this.#recent.enable()
    this.#total.enable()
  }

  recent(): string {
    const text = describeDelay(this.#recent)
    this.#recent.reset()
    return text
  }

  /** Ends the measurement. */
  total(): string {
    this.#recent.disable()
    this.#total.disable()
    return describeDelay(this.#total)
  }
}

function describeDelay(histogram: IntervalHistogram): string {
  const milliseconds = (nanoseconds: number): string => (nanoseconds / NANOSECONDS).toFixed(1)
  const [p50, p99] = [histogram.percentile(50), histogram.percentile(99)].map(milliseconds)
  return `p50 ${p50} ms, p99 ${p99} ms, max ${milliseconds(histogram.max)} ms`
}
