/** Owns the making of what a workload is given, from its job. */
import type { Context, Driver } from '../clients/driver.js'
import { sampleBody, TEN_HEADERS } from '../wire/sample.js'
import type { Job } from './job.js'
import type { Ticker } from './ticker.js'

/** Runs the job's workload to its end; only the client that is measured is loaded. */
export async function runWorkload(job: Job, meter: Ticker): Promise<void> {
  const { driver } = (await import(`../clients/${job.client}.js`)) as { driver: Driver }
  const context: Context = {
    job,
    meter,
    body: sampleBody(job.body),
    options: job.extras === 'none' ? {} : { headers: TEN_HEADERS },
  }
  await driver[job.workload](context)
}
