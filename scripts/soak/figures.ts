/** Owns what a soak measures, and whether it has come back to where it began. Knows nothing of what runs meanwhile. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Broker } from '../broker/broker.js'
import { SoakError } from './errors.js'

export interface Figures {
  /** Channels of the connection, by the broker's count; undefined where it cannot be asked. */
  readonly channels: number | undefined
  /** Bytes in use after a collection: objects, and buffers outside of the heap. */
  readonly heap: number
  readonly buffers: number
  /** What keeps the process alive: sockets, timers, pipes. */
  readonly handles: number
}

const MIB = 1_048_576
/** The figures may end so far above where they began. Code that gets hot, and the runtime's caches, need a little. */
export const TOLERANCE = { channels: 0, heap: 2 * MIB, buffers: MIB, handles: 0 } as const

/** Milliseconds after which the client has closed the channels that a burst needed and nobody uses any more. */
const REST = 1_500
/** The runtime frees buffers in the steps after a collection. */
const COLLECTIONS = 4

export async function measure(broker: Broker, connectionName: string): Promise<Figures> {
  await delay(REST)
  const channels = await channelsOf(broker, connectionName)
  for (let round = 0; round < COLLECTIONS; round++) {
    globalThis.gc?.()
    await delay(50)
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { channels, heap: heapUsed, buffers: arrayBuffers, handles: process.getActiveResourcesInfo().length }
}

async function channelsOf({ ctl }: Broker, connectionName: string): Promise<number | undefined> {
  if (ctl === undefined) return undefined
  const text = await ctl('-q', '--no-table-headers', 'list_connections', 'channels', 'client_properties')
  const line = text.split('\n').find(row => row.includes(`"${connectionName}"`))
  if (line === undefined) throw new SoakError('the broker knows nothing of the connection')
  return Number.parseInt(line, 10)
}

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(2)} MiB`

export function describe({ channels, heap, buffers, handles }: Figures): string {
  const ofChannels = channels === undefined ? 'channels not known' : `${channels} channels`
  return `${ofChannels}, heap ${mib(heap)}, buffers ${mib(buffers)}, ${handles} handles`
}

/** What has not come back; empty where all has. */
export function grown(before: Figures, after: Figures): string[] {
  const faults: string[] = []
  for (const figure of ['channels', 'heap', 'buffers', 'handles'] as const) {
    const [began, ended] = [before[figure], after[figure]]
    if (began === undefined || ended === undefined || ended - began <= TOLERANCE[figure]) continue
    const [from, to] = figure === 'heap' || figure === 'buffers' ? [mib(began), mib(ended)] : [began, ended]
    faults.push(`${figure}: from ${from} to ${to}`)
  }
  return faults
}
