/** What a client costs outside of the hot path: `npm run bench:cost [-- --publish]`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { CostFigures } from './cost/figures.js'
import { sizesOf } from './cost/size.js'
import type { CostJob } from './cost/worker.js'
import { publish } from './report/publish.js'
import { type Built, buildBench } from './runner/build.js'
import { runScript, startNullPeer } from './runner/processes.js'
import { median } from './runner/summary.js'
import type { ClientName } from './worker/job.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PACKAGES: readonly (readonly [client: ClientName, folder: string])[] = [
  ['puka', ROOT],
  ['amqplib', `${ROOT}node_modules/amqplib`],
  ['rabbitmq-client', `${ROOT}node_modules/rabbitmq-client`],
  ['cloudamqp', `${ROOT}node_modules/@cloudamqp/amqp-client`],
]
const IMPORTS = 7
const CONNECTS = 50
const IDLE_CONNECTIONS = 500
const CONSUMERS = 10_000
const CHANNEL_MAX = 65_535

async function take(built: Built, job: Omit<CostJob, 'library' | 'url'>): Promise<number[]> {
  const peer = await startNullPeer(built.folder, { body: 0, extras: 'none', channelMax: CHANNEL_MAX })
  try {
    const full: CostJob = { ...job, library: built.library, url: peer.url.replace('//', '//guest:guest@') }
    return await runScript<number[]>(`${built.folder}/cost/worker.js`, full, ['--expose-gc'])
  } finally {
    await peer.stop()
  }
}

async function costOf(built: Built, client: ClientName, folder: string): Promise<CostFigures> {
  const imports: number[] = []
  const firsts: number[] = []
  const connects: number[] = []
  for (let round = 0; round < IMPORTS; round++) {
    imports.push(...(await take(built, { client, figure: 'import', count: 1 })))
    const [first = Number.NaN, ...others] = await take(built, { client, figure: 'connect', count: CONNECTS })
    firsts.push(first)
    connects.push(median(others))
  }
  const [perConnection = Number.NaN] = await take(built, {
    client,
    figure: 'connections',
    count: IDLE_CONNECTIONS,
  })
  const [perConsumer = Number.NaN] = await take(built, { client, figure: 'consumers', count: CONSUMERS })
  const { version } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string }
  return {
    version,
    importTime: median(imports),
    firstConnect: median(firsts),
    connect: median(connects),
    perConnection,
    perConsumer,
    ...(await sizesOf(folder, client === 'puka' ? `${ROOT}dist/index.js` : folder)),
  }
}

const { values } = parseArgs({ options: { publish: { type: 'boolean', default: false } } })
const built = await buildBench()
const cost: Partial<Record<ClientName, CostFigures>> = {}
for (const [client, folder] of PACKAGES) {
  cost[client] = await costOf(built, client, folder)
  console.log(client, cost[client])
}
if (values.publish) publish({ measurements: {}, cost })
