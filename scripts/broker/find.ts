// Owns: where RabbitMQ's executables are on this machine.
// Must not know: how to install or run them.

import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { BrokerError } from './errors.js'

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
