/**
 * Owns what a private node is given: a layout of folder, ports and names, the paths of its files, its rabbitmq.conf, its
 * plugins, its environment. Knows nothing of processes.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Installation } from './installation.js'
import { BrokerError } from './processes.js'

/** Where a node lives and what it is told, but for its process. */
export interface Layout {
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

export function nodeEnvironment(node: Layout): NodeJS.ProcessEnv {
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

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Ask every client for a certificate, and refuse those without one. */
  readonly verify?: boolean
}

export interface ConfigOptions {
  readonly tls?: TlsFiles
  readonly tlsPort?: number
  /** Offer SASL EXTERNAL: the user is the common name of the client's certificate. */
  readonly external?: boolean
  readonly config?: readonly string[]
  readonly plugins?: readonly string[]
}

function tlsLines(files: TlsFiles, port: number, external: boolean): string[] {
  const verify = files.verify === true
  return [
    `listeners.ssl.1 = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${files.ca}`,
    `ssl_options.certfile = ${files.cert}`,
    `ssl_options.keyfile = ${files.key}`,
    // EXTERNAL needs the certificate to be asked for, though PLAIN clients may still come without.
    `ssl_options.verify = ${verify || external ? 'verify_peer' : 'verify_none'}`,
    `ssl_options.fail_if_no_peer_cert = ${verify}`,
  ]
}

/** Lines for every node from outside: a newer broker's refusals can be imitated without touching the tests. */
function linesFromEnvironment(env: NodeJS.ProcessEnv): string[] {
  const file = env.PUKA_RABBITMQ_CONFIG
  if (file === undefined || file === '') return []
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n')
  } catch {
    throw new BrokerError(`PUKA_RABBITMQ_CONFIG: ${file} cannot be read`)
  }
}

export function configText(options: ConfigOptions, env: NodeJS.ProcessEnv = process.env): string {
  const lines = [
    // A nearly full disk of the machine must not block the publishers of a test.
    'disk_free_limit.absolute = 50MB',
    'log.file.level = info',
  ]
  if (options.tls !== undefined && options.tlsPort !== undefined) {
    lines.push(...tlsLines(options.tls, options.tlsPort, options.external === true))
  }
  if (options.external === true) {
    lines.push(
      'auth_mechanisms.1 = PLAIN',
      'auth_mechanisms.2 = AMQPLAIN',
      'auth_mechanisms.3 = EXTERNAL',
      'ssl_cert_login_from = common_name',
    )
  }
  lines.push(...(options.config ?? []), ...linesFromEnvironment(env))
  return `${lines.join('\n')}\n`
}

/** The enabled_plugins file: an Erlang list. */
export function pluginsText(options: ConfigOptions): string {
  const plugins = new Set(options.plugins ?? [])
  if (options.external === true) plugins.add('rabbitmq_auth_mechanism_ssl')
  return `[${[...plugins].join(',')}].\n`
}
