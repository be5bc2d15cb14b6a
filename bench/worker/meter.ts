/**
 * Owns the measuring: a client says `tick` for every message, and the meter leads it through warm-up, measurement and
 * the counting of allocations, each as long as its limits say.
 */
import { AllocationCount } from './allocation.js'
import type { Figures, Job, Latency, PhaseLimits } from './job.js'
import type { Ticker } from './ticker.js'

type Phase = 'warm-up' | 'measure' | 'allocation' | 'over'

/** The clocks and the count at one moment. */
interface Mark {
  readonly count: number
  /** Milliseconds. */
  readonly wall: number
  /** Microseconds. */
  readonly cpu: number
}

const LATENCY_WORKLOADS = new Set(['one-by-one', 'request'])
const MOST_LATENCIES = 1_000_000

export class Meter implements Ticker {
  readonly #job: Job
  readonly #step: number
  readonly #latencies: Float64Array | undefined
  #latencyCount = 0
  #lastTick = 0
  #phase: Phase = 'warm-up'
  #count = 0
  #nextCheck: number
  #start: Mark
  #measured: { from: Mark; to: Mark } | undefined
  #allocation: AllocationCount | undefined
  #figures: Figures | undefined

  constructor(job: Job) {
    this.#job = job
    this.#step = Math.min(stepOf(job), Math.ceil(job.allocation.count / 4))
    this.#nextCheck = this.#step
    if (LATENCY_WORKLOADS.has(job.workload)) this.#latencies = new Float64Array(MOST_LATENCIES)
    this.#start = this.#mark()
  }

  /** Counts a message. Returns true when it is enough. */
  tick(): boolean {
    if (this.#latencies !== undefined) this.#recordLatency()
    return ++this.#count >= this.#nextCheck && this.#check()
  }

  /** Counts several messages. Returns true when it is enough. */
  ticks(count: number): boolean {
    this.#count += count
    return this.#count >= this.#nextCheck && this.#check()
  }

  get figures(): Figures {
    if (this.#figures === undefined) throw new Error('the workload ended before its measurement did')
    return this.#figures
  }

  #check(): boolean {
    this.#nextCheck = this.#count + this.#step
    switch (this.#phase) {
      case 'warm-up':
        if (this.#reached(this.#job.warmUp)) {
          this.#phase = 'measure'
          this.#start = this.#mark()
        }
        return false
      case 'measure':
        if (this.#reached(this.#job.measure)) {
          this.#measured = { from: this.#start, to: this.#mark() }
          this.#phase = 'allocation'
          this.#allocation = new AllocationCount()
          this.#start = this.#mark()
        }
        return false
      case 'allocation':
        if (!this.#reached(this.#job.allocation)) return false
        this.#phase = 'over'
        this.#figures = this.#conclude()
        return true
      default:
        return true
    }
  }

  #reached({ cpu, wall, count }: PhaseLimits): boolean {
    const now = this.#mark()
    return (
      now.cpu - this.#start.cpu >= cpu * 1000 ||
      now.wall - this.#start.wall >= wall ||
      now.count - this.#start.count >= count
    )
  }

  #conclude(): Figures {
    const allocated = this.#allocation?.stop()
    const measured = this.#measured
    if (allocated === undefined || measured === undefined) throw new Error('nothing was measured')
    const messages = measured.to.count - measured.from.count
    const counted = this.#count - this.#start.count
    const latency = this.#latency()
    return {
      messages,
      rate: (messages * 1000) / (measured.to.wall - measured.from.wall),
      cpu: (measured.to.cpu - measured.from.cpu) / messages,
      peakRss: process.resourceUsage().maxRSS * 1024,
      allocated: allocated / counted,
      ...(latency === undefined ? {} : { latency }),
      total: this.#count,
    }
  }

  #recordLatency(): void {
    const now = performance.now()
    if (this.#phase === 'measure' && this.#latencies !== undefined && this.#latencyCount < MOST_LATENCIES) {
      this.#latencies[this.#latencyCount++] = now - this.#lastTick
    }
    this.#lastTick = now
  }

  #latency(): Latency | undefined {
    const sorted = this.#latencies?.subarray(0, this.#latencyCount).sort()
    if (sorted === undefined || sorted.length === 0) return undefined
    const quantile = (share: number): number => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 1000
    return { p50: quantile(0.5), p99: quantile(0.99) }
  }

  #mark(): Mark {
    const { user, system } = process.cpuUsage()
    return { count: this.#count, wall: performance.now(), cpu: user + system }
  }
}

/** How often the clocks are looked at: asking for the CPU time costs several microseconds. */
function stepOf({ workload, body }: Job): number {
  if (workload === 'declares') return 1
  if (LATENCY_WORKLOADS.has(workload)) return 32
  if (body >= 1_048_576) return 4
  return body >= 65_536 ? 32 : 2048
}
