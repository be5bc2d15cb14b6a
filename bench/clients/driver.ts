/**
 * Owns what a client has to offer to take part: one function for each workload, which connects and then runs until the
 * meter says that it is enough. Owns the loops too that are the same for several clients. They run what the client
 * passes to them once per message, and add neither a promise nor a new function to it.
 */
import type { TEN_HEADERS } from '../wire/sample.js'
import type { Job, Workload } from '../worker/job.js'
import type { Ticker } from '../worker/ticker.js'

/** What a workload is given. */
export interface Context {
  readonly job: Job
  readonly meter: Ticker
  readonly body: Buffer
  /** The options that all clients have in common: `headers`, if there are any. */
  readonly options: { readonly headers?: typeof TEN_HEADERS }
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

/** The URL, with that frame size as a parameter, for the clients that read it. */
export function urlFor({ url, body }: Job): string {
  const frameMax = frameMaxFor(body)
  return frameMax === 0 ? url : `${url}?frameMax=${frameMax}`
}

/** Runs one operation after the other until it is enough. */
export async function repeat({ meter }: Context, operation: () => Promise<unknown>): Promise<void> {
  do await operation()
  while (!meter.tick())
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

/**
 * Consumes until it is enough, with a client that calls back for each message. `subscribe` is given the function to be
 * called; amqplib calls it with null when the broker cancels the consumer.
 */
export function receive<M>(
  { meter }: Context,
  subscribe: (deliver: (message: M | null) => void) => Promise<unknown>,
  onMessage: (message: M) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const deliver = (message: M | null): void => {
      if (message === null) return
      onMessage(message)
      if (meter.tick()) resolve()
    }
    subscribe(deliver).catch(reject)
  })
}

/** Declares round after round of queues until it is enough, those of one round at once. */
export async function declareRounds(
  context: Context,
  declare: (name: string) => Promise<unknown>,
): Promise<void> {
  for (let round = 0; ; round++) {
    const names = namesFor(context, round)
    await Promise.all(names.map(declare))
    if (context.meter.ticks(names.length)) return
  }
}

/** The names for one round of `declares`. */
export function namesFor({ job }: Context, round: number): string[] {
  return Array.from({ length: 1000 }, (_, index) => `${job.queue}.${round}.${index}`)
}

/** Keeps what was read from being optimised away. */
export const sink = { bytes: 0 }
