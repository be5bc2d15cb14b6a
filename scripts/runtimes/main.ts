/**
 * Runs the suite on each runtime: `npm run test:runtimes [-- --only node@22]`. The package is packed and installed into an empty
 * folder, each runtime comes from npm, and stays in a cache. Prints a table; the exit status is 1 if anything failed.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startBroker } from '../broker/broker.js'

const run = promisify(execFile)
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const CACHE = join(PROJECT, 'node_modules/.cache/runtimes')
const MINUTES = 300_000

/** A runtime: the package of npm that it comes in, and how it runs a file. */
interface Runtime {
  readonly name: string
  readonly spec: string
  readonly bin: string
  readonly args: readonly string[]
}

const RUNTIMES: readonly Runtime[] = [
  ...['20.19', '22', '24', '26'].map(version => ({
    name: `Node.js ${version}`,
    spec: `node@${version}`,
    bin: 'node',
    args: [],
  })),
  { name: 'Bun', spec: 'bun', bin: 'bun', args: ['run'] },
  { name: 'Deno', spec: 'deno', bin: 'deno', args: ['run', '--allow-all', '--node-modules-dir=manual'] },
]

/** Installs a runtime, if it is not in the cache. Returns the path of its command. */
async function install({ spec, bin }: Runtime): Promise<string> {
  const folder = join(CACHE, spec.replace('@', '-'))
  const command = join(folder, 'node_modules/.bin', bin)
  if (existsSync(command)) return command
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  await run('npm', ['install', '--no-audit', '--no-fund', spec], {
    cwd: folder,
  })
  return command
}

/** A folder of a user, with the package in it. */
async function makeProject(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'puka-runtimes-'))
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: PROJECT,
  })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  await run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`], { cwd: folder })
  copyFileSync(join(PROJECT, 'scripts/runtimes/suite.mjs'), join(folder, 'suite.mjs'))
  return folder
}

interface Outcome {
  readonly version: string
  readonly passed: number
  readonly failed: readonly string[]
}

async function runSuite(runtime: Runtime, folder: string, url: string): Promise<Outcome> {
  const command = await install(runtime)
  const version = (await run(command, ['--version'])).stdout.split('\n')[0] ?? ''
  const env = { ...process.env, AMQP_URL: url }
  const options = { cwd: folder, env, timeout: MINUTES }
  const ended = await run(command, [...runtime.args, 'suite.mjs'], options).catch(
    (error: { stdout?: string; stderr?: string }) => error,
  )
  const lines = `${ended.stdout ?? ''}`.split('\n')
  const passed = lines.filter(line => line.startsWith('ok ')).length
  const failed = lines.filter(line => line.startsWith('failed '))
  return { version, passed, failed: passed + failed.length > 0 ? failed : [String(ended.stderr)] }
}

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const chosen = RUNTIMES.filter(({ spec }) => values.only === undefined || spec === values.only)
if (chosen.length === 0)
  throw new Error(`there is no ${values.only}: there are ${RUNTIMES.map(({ spec }) => spec).join(', ')}`)
const broker = await startBroker({ log: line => console.error(line) })
const folder = await makeProject()
const rows: Record<string, { version: string; passed: number; failed: number }> = {}
try {
  for (const runtime of chosen) {
    const { version, passed, failed } = await runSuite(runtime, folder, broker.url)
    rows[runtime.name] = { version, passed, failed: failed.length }
    for (const line of failed) console.error(`${runtime.name}: ${line}`)
    if (failed.length > 0) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true })
  await broker.stop()
}
console.table(rows)
