/**
 * Whether memory stays flat: `npm run bench:flat [-- --messages n]` sends ten million messages, and receives as many,
 * and fails where more is in use after them than after the first hundred thousand.
 */
import { parseArgs } from 'node:util'
import type { MemorySample } from './flat/memory-series.js'
import type { FlatJob } from './flat/worker.js'
import { FLOOD_QUEUE } from './null-peer/options.js'
import { type Built, buildBench } from './runner/build.js'
import { runScript, startNullPeer } from './runner/processes.js'
import type { Workload } from './worker/job.js'

const { values } = parseArgs({ options: { messages: { type: 'string', default: '10000000' } } })
const MESSAGES = Number(values.messages)
const FIRST_SAMPLE = 100_000
const SAMPLES = 20
const BODY = 100
const MIB = 1_048_576
/** What is in use varies with what is in flight at the moment; what is resident, with V8's mood as well. */
const MOST_IN_USE = 2 * MIB
const MOST_RESIDENT = 32 * MIB
const NO_LIMITS = { cpu: 0, wall: 0, count: 0 }
const TIMEOUT = 30 * 60_000

async function seriesOf(built: Built, workload: Workload): Promise<MemorySample[]> {
  const peer = await startNullPeer(built.folder, { body: BODY, extras: 'none', channelMax: 2047 })
  const job: FlatJob = {
    client: 'puka',
    workload,
    url: peer.url,
    library: built.library,
    queue: FLOOD_QUEUE,
    body: BODY,
    extras: 'none',
    warmUp: NO_LIMITS,
    measure: NO_LIMITS,
    allocation: NO_LIMITS,
    messages: MESSAGES,
    firstSample: FIRST_SAMPLE,
    distance: Math.max(FIRST_SAMPLE, MESSAGES / SAMPLES),
  }
  try {
    return await runScript(`${built.folder}/flat/worker.js`, job, ['--expose-gc'], TIMEOUT)
  } finally {
    await peer.stop()
  }
}

/** What is wrong with a series; nothing, if it is flat. */
function verdict([first, ...others]: readonly MemorySample[]): string | undefined {
  if (first === undefined || others.length === 0) return 'there are too few samples'
  // The least of the second half: one sample may fall into a moment when much is in flight.
  const later = others.slice(Math.floor(others.length / 2))
  const inUse = Math.min(...later.map(sample => sample.inUse)) - first.inUse
  const resident = Math.min(...later.map(sample => sample.resident)) - first.resident
  if (inUse > MOST_IN_USE) return `${(inUse / MIB).toFixed(1)} MiB more are in use`
  if (resident > MOST_RESIDENT) return `${(resident / MIB).toFixed(1)} MiB more are resident`
  return undefined
}

const built = await buildBench()
for (const workload of ['publish', 'confirm', 'consume-ack'] as const) {
  const samples = await seriesOf(built, workload)
  console.log(`${workload}: messages, MiB in use after a collection, MiB resident`)
  for (const { messages, inUse, resident } of samples) {
    const columns = [messages.toLocaleString('en').padStart(12), (inUse / MIB).toFixed(2).padStart(8)]
    console.log(`${columns.join('  ')}  ${(resident / MIB).toFixed(1).padStart(7)}`)
  }
  const fault = verdict(samples)
  console.log(fault === undefined ? '  flat\n' : `  NOT FLAT: ${fault}\n`)
  if (fault !== undefined) process.exitCode = 1
}
