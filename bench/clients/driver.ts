/** Owns what a client has to offer to take part: one function for each workload, which connects and then runs for ever. */
import type { TEN_HEADERS } from '../wire/sample.js'
import type { Job, Workload } from '../worker/job.js'
import type { Ticker } from '../worker/ticker.js'

/** What a workload is given. */
export interface Context {
  readonly job: Job
  readonly meter: Ticker
  readonly body: Buffer
  readonly headers: typeof TEN_HEADERS | undefined
}

/** Runs until the meter says that it is enough. */
export type Run = (context: Context) => Promise<void>

export type Driver = Readonly<Record<Workload, Run>>

export const PREFETCH = 200
export const CONCURRENCY = 10

/** How many publishes are in flight with `confirm`: 1,000, but no more than 16 MiB. */
export function inFlightFor(body: number): number {
  return Math.min(1000, Math.max(1, Math.floor(16_777_216 / Math.max(1, body))))
}

/** A frame size that suits the body: some clients allocate buffers of that size. 0: the client's own choice. */
export function frameMaxFor(body: number): number {
  return body >= 16_384 ? 131_072 : 0
}

/** Keeps so many publishes in flight until it is enough; `publish` has to call back once for each confirm. */
export function keepInFlight(
  { job, meter }: Context,
  publish: (onConfirm: () => void) => void,
): Promise<void> {
  const most = inFlightFor(job.body)
  return new Promise(resolve => {
    let inFlight = 0
    let waiting = true
    let enough = false
    const onConfirm = (): void => {
      inFlight--
      if (meter.tick()) enough = true
      if (waiting) return
      waiting = true
      // After all those that were confirmed at the same moment.
      setImmediate(fill)
    }
    const fill = (): void => {
      waiting = false
      if (enough) {
        if (inFlight === 0) resolve()
        return
      }
      while (inFlight < most) {
        inFlight++
        publish(onConfirm)
      }
    }
    fill()
  })
}

/** The names for one round of `declares`. */
export function namesFor({ job }: Context, round: number): string[] {
  return Array.from({ length: 1000 }, (_, index) => `${job.queue}.${round}.${index}`)
}

/** Keeps what was read from being optimised away. */
export const sink = { bytes: 0 }
