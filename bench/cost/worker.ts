/** The worker of `bench:cost`: takes one figure of one client in this process (with --expose-gc), and prints it. */
import type { ClientName } from '../worker/job.js'
import type { CostClient } from './clients/client.js'

export interface CostJob {
  readonly client: ClientName
  readonly figure: 'import' | 'connect' | 'connections' | 'consumers'
  readonly library: string
  readonly url: string
  readonly count: number
}

/** Of a queue of this name the null peer delivers nothing. */
const QUEUE = 'empty'
const PACKAGES: Partial<Record<ClientName, string>> = {
  amqplib: 'amqplib',
  'rabbitmq-client': 'rabbitmq-client',
  cloudamqp: '@cloudamqp/amqp-client',
}

const job = JSON.parse(process.argv[2] ?? '{}') as CostJob

/** What is in use once everything is collected that can be. */
async function inUse(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise(resolve => setTimeout(resolve, 50))
    globalThis.gc?.()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function timeOf(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

async function loadClient(): Promise<CostClient> {
  const { open } = (await import(`./clients/${job.client}.js`)) as {
    open: (library: string) => Promise<CostClient>
  }
  return open(job.library)
}

async function take(): Promise<number[]> {
  if (job.figure === 'import') return [await timeOf(() => import(PACKAGES[job.client] ?? job.library))]
  const client = await loadClient()
  const held: unknown[] = []
  if (job.figure === 'connect') {
    const times: number[] = []
    for (let index = 0; index < job.count; index++) {
      times.push(await timeOf(async () => held.push(await client.connect(job.url))))
    }
    return times
  }
  // Whatever is made once for all is made before.
  held.push(await client.connect(job.url), await client.consume(job.url, QUEUE, 10))
  const before = await inUse()
  if (job.figure === 'consumers') held.push(await client.consume(job.url, QUEUE, job.count))
  else for (let index = 0; index < job.count; index++) held.push(await client.connect(job.url))
  const perUnit = ((await inUse()) - before) / job.count
  return held.length > 0 ? [perUnit] : []
}

const figures = await take()
process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0))
