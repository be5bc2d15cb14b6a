/** The worker: runs one workload on one client in this process, and prints its figures. */
import type { Job } from './job.js'
import { Meter } from './meter.js'
import { runWorkload } from './workload.js'

const job = JSON.parse(process.argv[2] ?? '{}') as Job
const meter = new Meter(job)
await runWorkload(job, meter)
// The connection is simply dropped: how clients close is not what is measured.
process.stdout.write(`${JSON.stringify(meter.figures)}\n`, () => process.exit(0))
