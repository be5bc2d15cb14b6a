/** The worker of `bench:flat`: runs a workload for very many messages (with --expose-gc), and prints how memory went. */
import type { Job } from '../worker/job.js'
import { runWorkload } from '../worker/workload.js'
import { MemorySeries } from './memory-series.js'

export interface FlatJob extends Job {
  readonly messages: number
  readonly firstSample: number
  readonly distance: number
}

const job = JSON.parse(process.argv[2] ?? '{}') as FlatJob
const series = new MemorySeries(job.messages, job.firstSample, job.distance)
await runWorkload(job, series)
process.stdout.write(`${JSON.stringify(series.samples)}\n`, () => process.exit(0))
