/**
 * Owns the command `npm run test:brokers`: the integration or the outage tests on each release of RabbitMQ that they have to
 * pass on, one after another. Knows nothing of how Jest finds the broker, but for the variables by which it is chosen.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { requireInstallation } from './installation.js'
import { ownFolder } from './own-folder.js'
import { BrokerError, run } from './processes.js'

const USAGE = `Usage: npm run test:brokers [-- [--only RELEASE]... [--outage] [FILE]...]

Runs the integration tests, with --outage the outage tests, or those of the files, on each of these in turn:

  installed  the rabbitmq-server of this machine, which is installed with apt-get where it is missing and that is possible
  4.0, 4.3   installed by scripts/broker/rabbitmq.sh where they are missing: as root, on Debian or Ubuntu. They are kept in
             the temporary folder of the system, or in the folders that PUKA_RABBITMQ_4_0 and PUKA_RABBITMQ_4_3 name.`

const PROJECT = fileURLToPath(new URL('../../', import.meta.url))
const INSTALLED = 'installed'
/** By the name of the release: the variable that names its folder. */
const FOLDERS = new Map([
  ['4.0', 'PUKA_RABBITMQ_4_0'],
  ['4.3', 'PUKA_RABBITMQ_4_3'],
])
const RELEASES = [INSTALLED, ...FOLDERS.keys()]

const note = (line: string): void => console.error(`test:brokers: ${line}`)

/** A command whose output is for the user. Its exit status; that of a command which cannot be run is 127. */
async function show(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(file, args, { cwd: PROJECT, env, stdio: ['ignore', 2, 2] })
  try {
    const [status] = await once(child, 'exit')
    return typeof status === 'number' ? status : 1
  } catch {
    return 127
  }
}

/** What the tests run on. */
interface Tested {
  readonly release: string
  readonly version: string
  /** The value of PUKA_RABBITMQ_SERVER; empty for the machine's own. */
  readonly server: string
}

/** Whatever the caller has chosen to test on does not count here. */
const environment = (server: string): NodeJS.ProcessEnv => ({
  ...process.env,
  AMQP_URL: '',
  PUKA_BROKER: 'node',
  PUKA_RABBITMQ_SERVER: server,
})

async function install(release: string, variable: string): Promise<string> {
  const chosen = process.env[variable] ?? ''
  const folder = chosen === '' ? join(ownFolder('puka-amqp-rabbitmq'), release) : resolve(chosen)
  const script = join(PROJECT, 'scripts/broker/rabbitmq.sh')
  if ((await show('bash', [script, release, folder], process.env)) !== 0) {
    throw new BrokerError(
      `RabbitMQ ${release} cannot be installed in ${folder}; --only chooses other releases`,
    )
  }
  return join(folder, 'puka', 'rabbitmq-server')
}

async function prepare(release: string): Promise<Tested> {
  const variable = FOLDERS.get(release)
  const server = variable === undefined ? '' : await install(release, variable)
  const env = environment(server)
  const { ctl } = await requireInstallation(note, env)
  const { code, stdout, stderr } = await run(ctl, ['version'], { env, timeout: 60_000 })
  if (code !== 0) throw new BrokerError(`${ctl} does not run`, stderr.trim())
  return { release, server, version: stdout.trim() }
}

interface Outcome {
  readonly ok: boolean
  readonly line: string
}

interface JestResults {
  readonly numPassedTests: number
  readonly numFailedTests: number
  /** Files that could not be run at all. */
  readonly numRuntimeErrorTestSuites: number
}

async function test(
  { release, version, server }: Tested,
  project: 'integration' | 'outage',
  files: readonly string[],
): Promise<Outcome> {
  note(`the ${project} tests on RabbitMQ ${version} (${release})`)
  const scratch = mkdtempSync(join(tmpdir(), 'puka-test-brokers-'))
  const results = join(scratch, 'results.json')
  try {
    // The files come first: Jest takes what follows --selectProjects for projects.
    const jest = ['jest', '--', ...files, '--json', `--outputFile=${results}`, '--selectProjects', project]
    const status = await show('npm', ['run', '--silent', ...jest], environment(server))
    return { ok: status === 0, line: `RabbitMQ ${version} (${release}): ${counts(results, status)}` }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function counts(file: string, status: number): string {
  const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = readResults(file)
  const failed = numFailedTests + numRuntimeErrorTestSuites
  if (numPassedTests + failed === 0) return `no test could be run (exit status ${status})`
  const text = `${numPassedTests} passed, ${failed} failed`
  return status === 0 ? text : `${text} (exit status ${status})`
}

/** Where there is no test to run, Jest may end before it has written its results. */
function readResults(file: string): JestResults {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as JestResults
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: 0 }
  }
}

function parse(args: string[]) {
  return parseArgs({
    args,
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true },
      outage: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
}

class UsageError extends BrokerError {}

async function main(args: string[]): Promise<void> {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  if (values.help === true) return console.log(USAGE)
  const only = values.only ?? RELEASES
  const unknown = only.find(release => !RELEASES.includes(release))
  if (unknown !== undefined) throw new UsageError(`--only takes ${RELEASES.join(', ')}, not "${unknown}"`)

  // All of them first: what cannot be installed is better known before the tests than after them.
  const tested: Tested[] = []
  for (const release of only) tested.push(await prepare(release))
  const outcomes: Outcome[] = []
  const project = values.outage ? 'outage' : 'integration'
  for (const each of tested) outcomes.push(await test(each, project, positionals))
  for (const { line } of outcomes) console.log(line)
  if (outcomes.some(({ ok }) => !ok)) process.exitCode = 1
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof BrokerError)) throw error
  note(error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
