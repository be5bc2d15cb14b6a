// Owns: what must be known of a private node to find it again from another process, as plain JSON; and the
// environment in which its executables run.
// Must not know: how the node is started or ended.

import { join } from 'node:path'
import { BrokerError } from './errors.js'
import type { Installation } from './find.js'
import { groupAlive, processIdentity, run } from './processes.js'

export interface NodeRecord {
  readonly installation: Installation
  readonly nodeName: string
  readonly folder: string
  readonly port: number
  readonly tlsPort?: number
  readonly distPort: number
  readonly epmdPort: number
  /** False for a node of a cluster: its nodes share one epmd, which goes when the last of them has gone. */
  readonly ownsEpmd: boolean
  readonly env: Readonly<Record<string, string>>
  /** The leader of the node's process group (0 before the first start), and what tells it from a later process with the same id. */
  readonly pid: number
  readonly identity: string
}

export const paths = (folder: string) => ({
  data: join(folder, 'data'),
  log: join(folder, 'log'),
  console: join(folder, 'log', 'console.log'),
  cookie: join(folder, '.erlang.cookie'),
  config: join(folder, 'rabbitmq.conf'),
  plugins: join(folder, 'enabled_plugins'),
  pid: join(folder, 'node.pid'),
})

/** Settings of another RabbitMQ or Erlang on this machine must not leak into ours. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(RABBITMQ_|ERL_|NOTIFY_SOCKET$|USE_LONGNAME$)/.test(name),
    ),
  )
}

export function nodeEnvironment(node: Omit<NodeRecord, 'pid' | 'identity'>): NodeJS.ProcessEnv {
  const path = paths(node.folder)
  return {
    ...cleanEnvironment(),
    // The Erlang cookie is read from the home folder: with one of its own the node does not touch the user's.
    HOME: node.folder,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    ERL_EPMD_PORT: String(node.epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP_SECONDS: '0',
    RABBITMQ_NODENAME: node.nodeName,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(node.port),
    RABBITMQ_DIST_PORT: String(node.distPort),
    RABBITMQ_MNESIA_BASE: path.data,
    RABBITMQ_LOG_BASE: path.log,
    RABBITMQ_PID_FILE: path.pid,
    RABBITMQ_ENABLED_PLUGINS_FILE: path.plugins,
    RABBITMQ_CONFIG_FILE: path.config,
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    // Two schedulers that sleep when idle: several nodes and the tests share a small machine.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '+S 2:2 +SDcpu 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_CTL_ERL_ARGS: '+S 1:1 +sbwt none',
    // Room for many rabbitmqctl at once: each one listens on a port of this range.
    RABBITMQ_CTL_DIST_PORT_MIN: '35672',
    RABBITMQ_CTL_DIST_PORT_MAX: '35872',
    ...node.env,
  }
}

/** Runs rabbitmqctl against the node and resolves with what it printed. */
export async function nodeCtl(node: NodeRecord, args: readonly string[]): Promise<string> {
  const result = await run(node.installation.ctl, args, { env: nodeEnvironment(node), timeout: 120_000 })
  if (result.code === 0) return result.stdout
  const output = `${result.stdout}\n${result.stderr}`.trim()
  throw new BrokerError(`rabbitmqctl ${args.join(' ')} failed with exit status ${result.code}`, output)
}

export function nodeAlive(node: NodeRecord): boolean {
  // Not started yet; and to signal "group 0" would mean our own.
  if (node.pid === 0) return false
  const identity = processIdentity(node.pid)
  // The leader may have gone before the rest of its group; somebody else's process is not our node.
  return (identity === '' || identity === node.identity) && groupAlive(node.pid)
}
