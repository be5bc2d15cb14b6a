/** Owns the file of results: what was measured, when and on what, by the name of each measurement. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { CostFigures } from '../cost/figures.js'
import type { Measurement } from '../runner/plan.js'
import type { Summary } from '../runner/summary.js'
import type { ClientName } from '../worker/job.js'

export interface Result extends Summary, Omit<Measurement, 'name'> {
  /** The day. */
  readonly date: string
  readonly node: string
  readonly machine: string
  /** The version of the real broker. */
  readonly broker?: string
  readonly rounds: number
}

export interface Results {
  readonly measurements: Record<string, Result>
  readonly cost?: Partial<Record<ClientName, CostFigures>>
}

/** What is shown in the repository. */
export const PUBLISHED = fileURLToPath(new URL('../../docs/performance.json', import.meta.url))

export function resultOf(
  { name: _, ...measurement }: Measurement,
  summary: Summary,
  rounds: number,
  broker?: string,
): Result {
  return {
    ...measurement,
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    ...(broker === undefined || measurement.peer === 'null' ? {} : { broker: `RabbitMQ ${broker}` }),
    rounds,
    ...summary,
  }
}

export function readResults(file: string): Results {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { measurements: {} }
    throw error
  }
}

export function writeResults(file: string, results: Results): void {
  // Rates of nine digits say nothing that five do not.
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
  writeFileSync(file, `${JSON.stringify(results, rounded, 2)}\n`)
}

/** What was measured anew takes the place of what was known; the rest stays. */
export function merge(known: Results, added: Results): Results {
  return { ...known, ...added, measurements: { ...known.measurements, ...added.measurements } }
}
