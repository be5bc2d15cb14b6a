/** Owns the bringing of results into docs/: the JSON, the chart, and the tables of docs/performance.md. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chartOf } from './chart.js'
import { withFigures } from './markdown.js'
import { merge, PUBLISHED, type Results, readResults, writeResults } from './results.js'

const FORMATTER = fileURLToPath(new URL('../../node_modules/@biomejs/biome/bin/biome', import.meta.url))
const CHART = fileURLToPath(new URL('../../docs/performance.svg', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))

export function publish(added: Results): void {
  const results = merge(readResults(PUBLISHED), added)
  writeResults(PUBLISHED, results)
  const chart = chartOf(results)
  if (chart !== undefined) writeFileSync(CHART, `${chart}\n`)
  writeFileSync(DOCUMENT, withFigures(readFileSync(DOCUMENT, 'utf8'), results))
  // They are held to the same style as every other file.
  execFileSync(process.execPath, [FORMATTER, 'format', '--write', PUBLISHED, DOCUMENT])
}
