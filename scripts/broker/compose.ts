/**
 * Owns the calls to docker and docker compose, through the npm package docker-compose. A broker in Docker is known by its
 * compose project alone. Knows nothing of private nodes.
 */
import { fileURLToPath } from 'node:url'
import * as compose from 'docker-compose'
import { freePort } from './ports.js'
import { BrokerError, run } from './processes.js'

const FILE = fileURLToPath(new URL('../../docker-compose.yml', import.meta.url))
const SERVICE = 'rabbitmq'
const PROJECT = /^puka-amqp-(\d+)$/

/** One compose project for each port: the broker of the command line and the one of the tests do not meet. */
export const projectName = (port: number): string => `puka-amqp-${port}`

function options(project: string): compose.IDockerComposeOptions {
  const port = PROJECT.exec(project)?.[1]
  if (port === undefined) throw new BrokerError(`${project} is not a compose project of ours`)
  return {
    config: FILE,
    composeOptions: ['--project-name', project],
    env: { ...process.env, PUKA_AMQP_PORT: port },
  }
}

/** What docker-compose rejects with is its result, not an Error: the reason is the last line it printed. */
function reason(error: unknown): string {
  if (error instanceof Error) return error.message
  if (typeof error === 'object' && error !== null && 'err' in error) return String(error.err).trim()
  return String(error)
}

async function attempt<T>(what: string, action: Promise<T>): Promise<T> {
  try {
    return await action
  } catch (error) {
    throw new BrokerError(`docker compose ${what} failed`, reason(error))
  }
}

/** Whether an engine answers (not merely the client) and compose v2 is there. */
export async function dockerAvailable(): Promise<boolean> {
  const info = await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 5_000 })
  if (info.code !== 0 || info.stdout.trim() === '') return false
  return (await run('docker', ['compose', 'version'], { timeout: 5_000 })).code === 0
}

/** Resolves when the health check of the service passes. */
export async function composeUp(project: string): Promise<void> {
  const base = options(project)
  // Nobody needs to know the port of management beforehand: a free one, unless the user chose.
  const management = process.env.PUKA_MANAGEMENT_PORT ?? String(await freePort())
  await attempt(
    'up',
    compose.upAll({
      ...base,
      env: { ...base.env, PUKA_MANAGEMENT_PORT: management },
      commandOptions: ['--wait', '--wait-timeout', '180'],
    }),
  )
}

/** Removes the containers, and the volumes with them: nothing of a test broker is worth keeping. */
export async function composeDown(project: string): Promise<void> {
  await attempt('down', compose.downAll({ ...options(project), commandOptions: ['--volumes'] }))
}

export async function composeCtl(project: string, args: readonly string[]): Promise<string> {
  const command = ['rabbitmqctl', ...args]
  const result = await attempt(
    `exec ${command.join(' ')}`,
    compose.exec(SERVICE, command, { ...options(project), commandOptions: ['-T'] }),
  )
  return result.out
}
