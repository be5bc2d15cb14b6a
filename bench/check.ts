/**
 * Whether something has become slower: `npm run bench:check [-- --update]` compares how many times less CPU time
 * puka-amqp takes than amqplib with what bench/baseline.json says. Timings differ from machine to machine, ratios
 * hardly do. `--update` stores what was measured.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { tableOf } from './report/table.js'
import { buildBench } from './runner/build.js'
import { measure, type Setting } from './runner/measure.js'
import { type Measurement, PLAN } from './runner/plan.js'

interface Baseline {
  /** The share of a ratio that may be lost. */
  readonly tolerance: number
  /** By the name of a measurement. */
  readonly ratios: Readonly<Record<string, number>>
}

const FILE = new URL('./baseline.json', import.meta.url)
const ROUNDS = 3
/** A ratio that is too low is measured once more, with more rounds: it may have been noise. */
const SECOND_ROUNDS = 7

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } })
const baseline = JSON.parse(readFileSync(FILE, 'utf8')) as Baseline
const setting: Setting = {
  built: await buildBench(),
  quick: true,
  broker: undefined,
  onFailure: what => console.error(what),
}

async function ratioOf(measurement: Measurement, rounds: number): Promise<number> {
  const summary = await measure(setting, measurement, ['puka', 'amqplib'], rounds)
  console.log(tableOf(measurement.name, summary))
  return summary.cpuGain ?? 0
}

const measured: Record<string, number> = {}
const slower: string[] = []
for (const [name, expected] of Object.entries(baseline.ratios)) {
  const measurement = PLAN.find(candidate => candidate.name === name)
  if (measurement === undefined) throw new Error(`bench/baseline.json: there is no measurement ${name}`)
  const least = expected * (1 - baseline.tolerance)
  let ratio = await ratioOf(measurement, values.update ? SECOND_ROUNDS : ROUNDS)
  if (!values.update && ratio < least) ratio = await ratioOf(measurement, SECOND_ROUNDS)
  measured[name] = Number(ratio.toFixed(2))
  if (ratio < least) slower.push(`${name}: ${ratio.toFixed(2)}x, expected ${expected}x`)
}

if (values.update) {
  writeFileSync(FILE, `${JSON.stringify({ ...baseline, ratios: measured }, undefined, 2)}\n`)
} else if (slower.length > 0) {
  console.error(`slower than the baseline by more than ${baseline.tolerance * 100} %:\n${slower.join('\n')}`)
  process.exitCode = 1
} else {
  console.log('no slower than the baseline')
}
