/** Owns the list of measurements, and how long each phase of one lasts. */
import type { Extras } from '../null-peer/options.js'
import type { Job, PhaseLimits, Workload } from '../worker/job.js'

export type PeerKind = 'null' | 'rabbitmq'

export interface Measurement {
  /** `peer:workload:body`, and `+headers` where there are any: what filters are matched with. */
  readonly name: string
  readonly peer: PeerKind
  readonly workload: Workload
  readonly body: number
  readonly extras: Extras
}

const KIB = 1024
const MIB = 1024 * KIB
const SIZES = [16, 100, KIB, 64 * KIB, MIB]

export const PLAN: readonly Measurement[] = [
  ...series('null', 'publish', SIZES),
  ...series('null', 'publish', [100, KIB], 'headers'),
  ...series('null', 'confirm', SIZES),
  ...series('null', 'confirm', [100], 'headers'),
  ...series('null', 'one-by-one', [100]),
  ...series('null', 'consume', SIZES),
  ...series('null', 'consume', [100, KIB], 'headers'),
  ...series('null', 'consume-read', [100], 'all'),
  ...series('null', 'consume-ack', SIZES),
  ...series('null', 'consume-ack', [100], 'headers'),
  ...series('null', 'for-each', [100]),
  ...series('null', 'request', [0]),
  ...series('null', 'declares', [0]),
  ...series('rabbitmq', 'publish', [100, KIB, 64 * KIB]),
  ...series('rabbitmq', 'publish', [100], 'headers'),
  ...series('rabbitmq', 'confirm', [100, KIB, 64 * KIB, MIB]),
  ...series('rabbitmq', 'one-by-one', [100]),
  ...series('rabbitmq', 'consume', [100, KIB, 64 * KIB]),
  ...series('rabbitmq', 'consume-read', [100], 'all'),
  ...series('rabbitmq', 'consume-ack', [100, KIB, 64 * KIB, MIB]),
  ...series('rabbitmq', 'for-each', [100]),
  ...series('rabbitmq', 'request', [0]),
  ...series('rabbitmq', 'declares', [0]),
]

function series(
  peer: PeerKind,
  workload: Workload,
  sizes: readonly number[],
  extras: Extras = 'none',
): Measurement[] {
  return sizes.map(body => ({
    name: [peer, workload, ...(body === 0 ? [] : [sizeName(body) + suffix(extras)])].join(':'),
    peer,
    workload,
    body,
    extras,
  }))
}

function suffix(extras: Extras): string {
  return extras === 'none' ? '' : '+headers'
}

function sizeName(bytes: number): string {
  if (bytes >= MIB) return `${bytes / MIB}MiB`
  return bytes >= KIB ? `${bytes / KIB}KiB` : `${bytes}B`
}

/** Those whose name contains every one of the words. */
export function select(words: readonly string[]): Measurement[] {
  return PLAN.filter(({ name }) => words.every(word => name.includes(word)))
}

type Phases = Pick<Job, 'warmUp' | 'measure' | 'allocation'>

const ANY = Number.MAX_SAFE_INTEGER
/**
 * A quarter of what is measured with the real broker, where that is not 10,000: fewer where each waits for the last,
 * more where nothing but full buffers holds a client back.
 */
const MESSAGES: Partial<Record<Workload, number>> = { request: 3000, 'one-by-one': 2000, publish: 30_000 }
/** Of large bodies it is fewer, in bytes no more than this; a consumer's queue has to be filled with them first. */
const MOST_BYTES = { published: 128 * MIB, consumed: 32 * MIB }

/** Where each message waits for the last, half a second of CPU time (the default) is too few of them to have all compiled. */
const WARM_UP: Partial<Record<Workload, number>> = { request: 2000, 'one-by-one': 2000 }

/** Against the null peer CPU time is what counts; the real broker is given as many messages for each client. */
export function phasesOf({ peer, workload, body }: Measurement, quick: boolean): Phases {
  const scale = quick ? 0.5 : 1
  if (peer === 'null') {
    const limit = (cpu: number): PhaseLimits => ({ cpu: cpu * scale, wall: 5 * cpu * scale, count: ANY })
    return { warmUp: limit(WARM_UP[workload] ?? 500), measure: limit(1000), allocation: limit(300) }
  }
  const limit = (count: number): PhaseLimits => ({ cpu: ANY, wall: 30_000, count: Math.ceil(count * scale) })
  if (workload === 'declares') return { warmUp: limit(1), measure: limit(1), allocation: limit(1) }
  const bytes = /^(?:consume|for-each)/.test(workload) ? MOST_BYTES.consumed : MOST_BYTES.published
  const unit = Math.min(MESSAGES[workload] ?? 10_000, Math.floor(bytes / Math.max(1, body)))
  // After fewer the compiler is still at it, and what it takes would be counted.
  return { warmUp: limit(3 * unit), measure: limit(4 * unit), allocation: limit(unit) }
}

/** How many messages a consumer takes in all, at most: phases end a little late. */
export function messagesNeeded({ warmUp, measure, allocation }: Phases): number {
  return Math.ceil(1.2 * (warmUp.count + measure.count + allocation.count)) + 20
}
