/**
 * Owns where RabbitMQ is on this machine, and getting it there: by apt-get, as root, on Debian and its relatives. Knows
 * nothing of what is done with it afterwards.
 */
import { accessSync, constants, existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { BrokerError, run } from './processes.js'

export interface Installation {
  readonly server: string
  readonly ctl: string
}

// A bare PATH (cron, a container, a non-login shell) may lack the sbin folders.
const USUAL_FOLDERS = [
  '/usr/lib/rabbitmq/bin',
  '/usr/local/sbin',
  '/usr/sbin',
  '/opt/homebrew/sbin',
  '/opt/homebrew/opt/rabbitmq/sbin',
  '/opt/rabbitmq/sbin',
]

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function installationAt(folder: string): Installation | undefined {
  const server = join(folder, 'rabbitmq-server')
  const ctl = join(folder, 'rabbitmqctl')
  return isExecutable(server) && isExecutable(ctl) ? { server, ctl } : undefined
}

/**
 * Debian and the RPM packages put a wrapper in /usr/sbin which changes to the user "rabbitmq" (or refuses) and
 * writes to the system-wide log folder: of no use for a private node. The real scripts lie in the lib folder.
 */
function isSystemWrapper(installation: Installation): boolean {
  try {
    return readFileSync(realpathSync(installation.server), 'latin1').includes('Only root or rabbitmq')
  } catch {
    return false
  }
}

/** The installation to use, or undefined when RabbitMQ is not installed here. */
export function findInstallation(env: NodeJS.ProcessEnv = process.env): Installation | undefined {
  const chosen = env.PUKA_RABBITMQ_SERVER
  if (chosen !== undefined && chosen !== '') {
    const server = resolve(chosen)
    const ctl = join(dirname(server), 'rabbitmqctl')
    if (!isExecutable(server))
      throw new BrokerError(`PUKA_RABBITMQ_SERVER: ${server} is not an executable file`)
    if (!isExecutable(ctl))
      throw new BrokerError(`PUKA_RABBITMQ_SERVER: no executable ${ctl} beside the server`)
    return { server, ctl }
  }
  const folders = [...(env.PATH ?? '').split(delimiter).filter(folder => folder !== ''), ...USUAL_FOLDERS]
  for (const folder of folders) {
    const installation = installationAt(folder)
    if (installation !== undefined && !isSystemWrapper(installation)) return installation
  }
  return undefined
}

export type Log = (line: string) => void

const ADVICE =
  'no RabbitMQ here: set AMQP_URL to a running broker, or start a Docker engine with compose, ' +
  'or install rabbitmq-server (Debian, Ubuntu: sudo apt-get install rabbitmq-server; macOS: brew install rabbitmq)'

function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get')
}

async function apt(...args: string[]): Promise<void> {
  const result = await run('/usr/bin/apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    // RUNLEVEL=1 makes sysvinit's invoke-rc.d believe in single-user mode, in which the package's own service is
    // not started. Systemd does not ask for it: see `stopService`.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
  })
  if (result.code !== 0) {
    const tail = `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-8).join('\n')
    throw new BrokerError(`apt-get ${args.join(' ')} failed`, tail)
  }
}

/** Where systemd runs, the package has by now started a broker for the whole machine, on the port we may want. */
async function stopService(): Promise<void> {
  if (!existsSync('/run/systemd/system')) return
  await run('systemctl', ['disable', '--now', 'rabbitmq-server.service'], { timeout: 60_000 })
}

/** The installation of this machine, made first where that is possible; otherwise an error that says what to do. */
export async function requireInstallation(log: Log, env = process.env): Promise<Installation> {
  const present = findInstallation(env)
  if (present !== undefined) return present
  if (!canInstall()) throw new BrokerError(ADVICE)
  log('no RabbitMQ here: installing rabbitmq-server with apt-get (as root, once)')
  await apt('update')
  await apt('install', '-y', '--no-install-recommends', 'rabbitmq-server')
  await stopService()
  const installed = findInstallation(env)
  if (installed === undefined)
    throw new BrokerError('apt-get installed rabbitmq-server, but it is not to be found')
  return installed
}
