/** Owns the arithmetic on the samples of a measurement: medians, and ratios of samples of the same round. */
import { type ClientName, type Figures, type Latency, PEERS } from '../worker/job.js'

/** What the clients did in one round; a client that failed is missing. */
export type Round = Partial<Record<ClientName, Figures>>

export interface ClientSummary extends Omit<Figures, 'total' | 'messages'> {
  /** CPU time per message in each round. */
  readonly samples: readonly number[]
}

export interface Summary {
  readonly clients: Partial<Record<ClientName, ClientSummary>>
  /** How many times less CPU time ours takes than the best peer of the same round: the median. */
  readonly cpuGain: number | undefined
  /** How many times faster ours is than the fastest peer of the same round. */
  readonly rateGain: number | undefined
  /** How many times lower its median latency is. */
  readonly latencyGain: number | undefined
  /** How many times the CPU time of `raw` ours takes. */
  readonly overRaw: number | undefined
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function summarize(rounds: readonly Round[], clients: readonly ClientName[]): Summary {
  return {
    clients: Object.fromEntries(
      clients.flatMap(client => {
        const figures = rounds.flatMap(round => round[client] ?? [])
        return figures.length === 0 ? [] : [[client, medians(figures)]]
      }),
    ),
    cpuGain: ratio(rounds, ({ puka, ...others }) => lowest(others, f => f.cpu) / (puka?.cpu ?? Number.NaN)),
    rateGain: ratio(
      rounds,
      ({ puka, ...others }) => (puka?.rate ?? Number.NaN) / -lowest(others, f => -f.rate),
    ),
    latencyGain: ratio(
      rounds,
      ({ puka, ...others }) =>
        lowest(others, f => f.latency?.p50 ?? Number.NaN) / (puka?.latency?.p50 ?? Number.NaN),
    ),
    overRaw: ratio(rounds, ({ puka, raw }) => (puka?.cpu ?? Number.NaN) / (raw?.cpu ?? Number.NaN)),
  }
}

function medians(figures: readonly Figures[]): ClientSummary {
  const of = (read: (figures: Figures) => number): number => median(figures.map(read))
  const latencies = figures.flatMap(({ latency }) => latency ?? [])
  const latency: Latency = {
    p50: median(latencies.map(({ p50 }) => p50)),
    p99: median(latencies.map(({ p99 }) => p99)),
  }
  return {
    rate: of(f => f.rate),
    cpu: of(f => f.cpu),
    peakRss: of(f => f.peakRss),
    allocated: of(f => f.allocated),
    ...(latencies.length === 0 ? {} : { latency }),
    samples: figures.map(({ cpu }) => cpu),
  }
}

/** The median over the rounds in which there is such a ratio. */
function ratio(rounds: readonly Round[], of: (round: Round) => number): number | undefined {
  const ratios = rounds.map(of).filter(Number.isFinite)
  return ratios.length === 0 ? undefined : median(ratios)
}

function lowest(round: Round, of: (figures: Figures) => number): number {
  return Math.min(...PEERS.flatMap(peer => (round[peer] === undefined ? [] : of(round[peer]))))
}
