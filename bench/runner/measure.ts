/** Owns a measurement: every client in turn, each in a process of its own, against a peer of its own, several times. */
import { FLOOD_QUEUE } from '../null-peer/options.js'
import type { ClientName, Figures } from '../worker/job.js'
import type { Built } from './build.js'
import { type Measurement, phasesOf } from './plan.js'
import { runWorker, startNullPeer } from './processes.js'
import type { RealBroker } from './real-broker.js'
import { type Round, type Summary, summarize } from './summary.js'

export interface Setting {
  readonly built: Built
  readonly quick: boolean
  /** None where only the null peer is needed. */
  readonly broker: RealBroker | undefined
  readonly interrupted?: AbortSignal
  onFailure(what: string): void
}

const CHANNEL_MAX = 2047

export async function measure(
  setting: Setting,
  measurement: Measurement,
  clients: readonly ClientName[],
  rounds: number,
): Promise<Summary> {
  const done: Round[] = []
  for (let round = 0; round < rounds; round++) {
    // Whoever goes first in one round goes last in the next: no client has always the same neighbour.
    const first = round % clients.length
    done.push(await runRound(setting, measurement, [...clients.slice(first), ...clients.slice(0, first)]))
  }
  return summarize(done, clients)
}

async function runRound(
  setting: Setting,
  measurement: Measurement,
  clients: readonly ClientName[],
): Promise<Round> {
  const round: Round = {}
  for (const client of clients) {
    if (setting.interrupted?.aborted === true) break
    try {
      round[client] = await runOne(setting, measurement, client)
    } catch (error) {
      setting.onFailure(`${measurement.name}, ${client}: ${reason(error)}`)
    }
  }
  return round
}

function runOne(setting: Setting, measurement: Measurement, client: ClientName): Promise<Figures> {
  return measurement.peer === 'null'
    ? againstNullPeer(setting, measurement, client)
    : againstBroker(setting, measurement, client)
}

function jobOf(
  { quick, built }: Setting,
  measurement: Measurement,
  client: ClientName,
  url: string,
  queue: string,
) {
  const { workload, body, extras } = measurement
  return {
    client,
    workload,
    body,
    extras,
    url,
    queue,
    library: built.library,
    ...phasesOf(measurement, quick),
  }
}

async function againstNullPeer(
  setting: Setting,
  measurement: Measurement,
  client: ClientName,
): Promise<Figures> {
  const { body, extras } = measurement
  const peer = await startNullPeer(setting.built.folder, { body, extras, channelMax: CHANNEL_MAX })
  let figures: Figures | undefined
  try {
    figures = await runWorker(
      setting.built.folder,
      jobOf(setting, measurement, client, peer.url, FLOOD_QUEUE),
    )
  } finally {
    const { published, delivered } = await peer.stop()
    if (figures !== undefined) checkTotals(measurement, figures.total, published, delivered)
  }
  return figures
}

/** A client that claims more than its peer has seen has measured something else. */
function checkTotals({ workload }: Measurement, total: number, published: number, delivered: number): void {
  const seen = /^consume|^for-each/.test(workload) ? delivered : published
  // What a client has handed over without a confirm may still be in its buffers when it is killed.
  const slack = workload === 'publish' ? 50_000 : 0
  if (!/^request|^declares/.test(workload) && seen + slack < total) {
    throw new Error(`it counted ${total} messages, its peer ${seen}`)
  }
}

async function againstBroker(
  setting: Setting,
  measurement: Measurement,
  client: ClientName,
): Promise<Figures> {
  const { broker, built } = setting
  if (broker === undefined) throw new Error('there is no broker')
  return broker.withQueue(measurement, phasesOf(measurement, setting.quick), queue =>
    runWorker(built.folder, jobOf(setting, measurement, client, broker.url, queue)),
  )
}

function reason(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'stderr' in error && error.stderr !== '') {
    return String(error.stderr).trim().split('\n').slice(0, 8).join('\n    ')
  }
  return error instanceof Error ? error.message : String(error)
}
