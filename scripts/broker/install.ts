// Owns: getting RabbitMQ onto a machine that has none: by apt-get, as root, on Debian and its relatives.
// Must not know: what is done with it afterwards.

import { existsSync } from 'node:fs'
import { BrokerError } from './errors.js'
import { findInstallation, type Installation } from './find.js'
import { run } from './processes.js'

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
export async function requireInstallation(log: Log): Promise<Installation> {
  const present = findInstallation()
  if (present !== undefined) return present
  if (!canInstall()) throw new BrokerError(ADVICE)
  log('no RabbitMQ here: installing rabbitmq-server with apt-get (as root, once)')
  await apt('update')
  await apt('install', '-y', '--no-install-recommends', 'rabbitmq-server')
  await stopService()
  const installed = findInstallation()
  if (installed === undefined)
    throw new BrokerError('apt-get installed rabbitmq-server, but it is not to be found')
  return installed
}
