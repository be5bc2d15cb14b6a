/**
 * The benchmark: `npm run bench [-- words of a name] [--quick] [--clients a,b] [--rounds n] [--json file] [--publish]`.
 * It prints a table for each measurement whose name has all the words in it; `--json` writes the results to a file,
 * `--publish` into docs/, with the chart.
 */
import { parseArgs } from 'node:util'
import { publish } from './report/publish.js'
import { type Results, resultOf, writeResults } from './report/results.js'
import { tableOf } from './report/table.js'
import { buildBench } from './runner/build.js'
import { measure, type Setting } from './runner/measure.js'
import { select } from './runner/plan.js'
import { startRealBroker } from './runner/real-broker.js'
import { CLIENTS, type ClientName } from './worker/job.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    clients: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
})

function clientsOf(list: string | undefined): ClientName[] {
  return list === undefined ? [...CLIENTS] : CLIENTS.filter(client => list.split(',').includes(client))
}

const measurements = select(positionals)
if (measurements.length === 0) throw new Error(`no measurement has all of: ${positionals.join(', ')}`)
const clients = clientsOf(values.clients)
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5))
const results: Results = { measurements: {} }
const built = await buildBench()
const broker = measurements.some(({ peer }) => peer === 'rabbitmq') ? await startRealBroker() : undefined
// The workers hear of it as well and end: what is under way is cleaned up, and nothing more begins.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
const setting: Setting = {
  built,
  quick: values.quick,
  broker,
  interrupted: interrupted.signal,
  onFailure: what => {
    process.exitCode = 1
    console.error(what)
  },
}
try {
  for (const measurement of measurements) {
    const summary = await measure(setting, measurement, clients, rounds)
    if (interrupted.signal.aborted) break
    results.measurements[measurement.name] = resultOf(measurement, summary, rounds, broker?.version)
    console.log(tableOf(measurement.name, summary))
    // As they come: a run of an hour that is cut short has not been for nothing.
    if (values.json !== undefined) writeResults(values.json, results)
    if (values.publish) publish(results)
  }
} finally {
  await broker?.stop()
}
