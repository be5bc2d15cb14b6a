/**
 * Builds the package into dist. `--report check` also compares the API with its committed report in scripts/api, and
 * `--report write` writes that.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { buildCode } from './code.js'
import { PROJECT, readEntries } from './entries.js'
import { emitTypes, type Report, removeSeparateTypes, rollUpTypes, setMainEntryApart } from './types.js'

const { values } = parseArgs({ options: { report: { type: 'string', default: 'leave' } } })
const report = values.report as Report

const { peerDependencies } = JSON.parse(readFileSync(`${PROJECT}/package.json`, 'utf8')) as {
  peerDependencies: Readonly<Record<string, string>>
}

rmSync(`${PROJECT}/dist`, { recursive: true, force: true })
mkdirSync(`${PROJECT}/dist`)
const entries = readEntries()
await Promise.all(entries.map(entry => buildCode(entry, ['debug', ...Object.keys(peerDependencies)])))
emitTypes()
const [main, ...others] = entries
if (main === undefined) throw new Error('package.json has no exports')
const isAsReported = [rollUpTypes(main, report)]
setMainEntryApart(others)
isAsReported.push(...others.map(entry => rollUpTypes(entry, report)))
removeSeparateTypes()
if (isAsReported.includes(false)) {
  console.error('The API is not the one in scripts/api: run `npm run api`, and commit what it writes.')
  process.exitCode = 1
}
