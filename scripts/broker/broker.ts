/**
 * Owns the choice of a broker (AMQP_URL, Docker, a private node), and the one interface to whatever was chosen. Knows
 * nothing of the command line, of Jest, or of where the state is kept.
 */
import { composeCtl, composeDown, composeUp, dockerAvailable, projectName } from './compose.js'
import { release, watch } from './guard.js'
import type { Log } from './installation.js'
import { PrivateNode, startCluster } from './node.js'
import { amqpGreeting, answersTcp, canBind, freePort, waitForAmqp } from './ports.js'
import { BrokerError } from './processes.js'
import { type NodeRecord, nodeAlive, nodeCtl, removeNodes } from './record.js'

/** All that is needed to use or end a broker from another process, as JSON. */
export type BrokerState =
  | { readonly kind: 'url'; readonly urls: readonly string[]; readonly version: string }
  | {
      readonly kind: 'docker'
      readonly urls: readonly string[]
      readonly version: string
      readonly project: string
      readonly port: number
    }
  | {
      readonly kind: 'node'
      readonly urls: readonly string[]
      readonly version: string
      readonly nodes: readonly NodeRecord[]
    }

export interface BrokerOptions {
  /** The AMQP port; a free one when left out. With a cluster, the port of its first node. */
  readonly port?: number
  /** The number of nodes; 1 when left out. */
  readonly cluster?: number
  readonly log?: Log
}

export interface Broker {
  readonly kind: BrokerState['kind']
  readonly url: string
  readonly urls: readonly string[]
  /** Empty when the broker does not tell. */
  readonly version: string
  readonly state: BrokerState
  /** rabbitmqctl on the (first) node; undefined for a broker of which we know the URL alone. */
  readonly ctl: ((...args: string[]) => Promise<string>) | undefined
  alive(): Promise<boolean>
  /** Lets the broker live on after this process. */
  keep(): void
  /** Ends the broker for good; leaves one alone that was given by its URL. */
  stop(): Promise<void>
}

function parseUrl(url: string): { host: string; port: number; tls: boolean } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^amqps?:$/.test(parsed.protocol)) {
    throw new BrokerError('AMQP_URL is not an amqp:// or amqps:// URL')
  }
  const tls = parsed.protocol === 'amqps:'
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost',
    port: Number(parsed.port) || (tls ? 5671 : 5672),
    tls,
  }
}

/** For messages: an URL may hold a password. */
const shown = (url: string): string => {
  const { host, port } = parseUrl(url)
  return `${host}:${port}`
}

async function aliveState(state: BrokerState): Promise<boolean> {
  if (state.kind === 'node') return state.nodes.every(nodeAlive)
  const { host, port } = parseUrl(state.urls[0] ?? '')
  return answersTcp(host, port)
}

async function stopState(state: BrokerState): Promise<void> {
  if (state.kind === 'docker') {
    await composeDown(state.project)
    release(state.project)
  } else if (state.kind === 'node') {
    await removeNodes(state.nodes, 'SIGTERM')
    for (const node of state.nodes) release(node.folder)
  }
}

function ctlOf(state: BrokerState): Broker['ctl'] {
  if (state.kind === 'docker') return (...args) => composeCtl(state.project, args)
  const first = state.kind === 'node' ? state.nodes[0] : undefined
  return first === undefined ? undefined : (...args) => nodeCtl(first, args)
}

/** The broker that a state describes; for a state of another process too. */
export function attachBroker(state: BrokerState): Broker {
  return {
    kind: state.kind,
    url: state.urls[0] ?? '',
    urls: state.urls,
    version: state.version,
    state,
    ctl: ctlOf(state),
    alive: () => aliveState(state),
    keep: () => {
      if (state.kind === 'docker') release(state.project)
      else if (state.kind === 'node') for (const node of state.nodes) release(node.folder)
    },
    stop: () => stopState(state),
  }
}

async function urlState(url: string): Promise<BrokerState> {
  const { host, port, tls } = parseUrl(url)
  if (!(await answersTcp(host, port)))
    throw new BrokerError(`AMQP_URL is set, but ${shown(url)} does not answer`)
  // Behind TLS we do not ask: certificates are the business of whoever set the URL.
  const version = tls
    ? ''
    : await amqpGreeting(port, host).then(
        greeting => greeting.version,
        () => '',
      )
  return { kind: 'url', urls: [url], version }
}

async function dockerState(options: BrokerOptions): Promise<BrokerState> {
  const port = options.port ?? (await freePort())
  if (!(await canBind(port))) throw new BrokerError(`port ${port} is in use`)
  const project = projectName(port)
  watch(project, { project })
  try {
    await composeUp(project)
    const { version } = await waitForAmqp(port, AbortSignal.timeout(30_000))
    return { kind: 'docker', urls: [`amqp://127.0.0.1:${port}`], version, project, port }
  } catch (error) {
    await composeDown(project).catch(() => undefined)
    release(project)
    throw error
  }
}

async function nodeState(options: BrokerOptions): Promise<BrokerState> {
  const { cluster: size = 1, ...nodeOptions } = options
  const nodes = size === 1 ? [await PrivateNode.start(nodeOptions)] : await startCluster(size, nodeOptions)
  return {
    kind: 'node',
    urls: nodes.map(node => node.url),
    version: nodes[0]?.version ?? '',
    nodes: nodes.map(node => node.record),
  }
}

/**
 * Starts the first broker that this machine can offer. It ends with this process unless `keep` is called.
 * PUKA_RABBITMQ_SERVER asks for that executable, hence for a private node; so does PUKA_BROKER=node.
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { AMQP_URL: url = '', PUKA_BROKER: kind = '', PUKA_RABBITMQ_SERVER: server = '' } = process.env
  if (kind !== '' && kind !== 'node') throw new BrokerError(`PUKA_BROKER may only be "node", not "${kind}"`)
  const single = (options.cluster ?? 1) === 1
  if (url !== '') {
    if (!single) throw new BrokerError('a cluster is made of private nodes: unset AMQP_URL first')
    if (options.port !== undefined)
      throw new BrokerError('a port cannot be chosen for the broker of AMQP_URL')
    return attachBroker(await urlState(url))
  }
  if (kind !== 'node' && server === '' && (await dockerAvailable())) {
    if (!single)
      throw new BrokerError('a cluster is made of private nodes, not in Docker: set PUKA_BROKER=node')
    return attachBroker(await dockerState(options))
  }
  return attachBroker(await nodeState(options))
}
