/**
 * Owns the life of private RabbitMQ nodes: a folder, ports and a name of its own for each; up, down, killed, up again; and
 * several of them as one cluster. Knows nothing of why they were chosen, or that there is a command line.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConfigOptions, configText, type Layout, nodeEnvironment, paths, pluginsText } from './config.js'
import { release, watch } from './guard.js'
import { type Installation, type Log, requireInstallation } from './installation.js'
import { canBind, freePort, waitForAmqp } from './ports.js'
import { BrokerError, processIdentity, signalGroup } from './processes.js'
import { endProcesses, type NodeRecord, nodeAlive, nodeCtl, removeNodes, stopEpmd } from './record.js'

export interface NodeOptions extends Omit<ConfigOptions, 'tlsPort'> {
  readonly installation?: Installation
  /** The AMQP port; a free one when left out. */
  readonly port?: number
  readonly tlsPort?: number
  readonly nodeName?: string
  readonly cookie?: string
  /** The port of an epmd that is shared with other nodes; whoever chose it ends that epmd. */
  readonly epmdPort?: number
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds until a start counts as failed. */
  readonly startTimeout?: number
  readonly log?: Log
}

const START_TIMEOUT = 120_000

async function makeLayout(options: NodeOptions): Promise<Layout> {
  const installation = options.installation ?? (await requireInstallation(options.log ?? (() => undefined)))
  if (options.port !== undefined && !(await canBind(options.port))) {
    throw new BrokerError(`port ${options.port} is in use`)
  }
  // Made before the folder, because a wrong option shall leave nothing behind.
  const tlsPort = options.tls === undefined ? undefined : (options.tlsPort ?? (await freePort()))
  const config = configText({ ...options, ...(tlsPort === undefined ? {} : { tlsPort }) })
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'puka-node-'))
  const path = paths(folder)
  await mkdir(path.data)
  await mkdir(path.log)
  await writeFile(path.cookie, options.cookie ?? randomBytes(16).toString('hex'))
  await chmod(path.cookie, 0o400)
  await writeFile(path.config, config)
  await writeFile(path.plugins, pluginsText(options))
  return {
    installation,
    folder,
    nodeName: options.nodeName ?? `puka-${randomBytes(4).toString('hex')}@localhost`,
    port: options.port ?? (await freePort()),
    ...(tlsPort === undefined ? {} : { tlsPort }),
    distPort: await freePort(),
    epmdPort: options.epmdPort ?? (await freePort()),
    ownsEpmd: options.epmdPort === undefined,
    env: options.env ?? {},
  }
}

export class PrivateNode {
  #record: NodeRecord
  #version = ''

  private constructor(
    layout: Layout,
    readonly startTimeout: number,
  ) {
    this.#record = { ...layout, pid: 0, identity: '' }
    watch(layout.folder, { node: this.#record })
  }

  static async start(options: NodeOptions = {}): Promise<PrivateNode> {
    const node = new PrivateNode(await makeLayout(options), options.startTimeout ?? START_TIMEOUT)
    try {
      await node.restart()
    } catch (error) {
      await node.stop()
      throw error
    }
    return node
  }

  get record(): NodeRecord {
    return this.#record
  }

  get nodeName(): string {
    return this.#record.nodeName
  }

  get port(): number {
    return this.#record.port
  }

  get tlsPort(): number | undefined {
    return this.#record.tlsPort
  }

  get url(): string {
    return `amqp://127.0.0.1:${this.port}`
  }

  /** By name, because that is what the certificates of a test are for. */
  get tlsUrl(): string | undefined {
    return this.tlsPort === undefined ? undefined : `amqps://localhost:${this.tlsPort}`
  }

  get version(): string {
    return this.#version
  }

  get running(): boolean {
    return nodeAlive(this.#record)
  }

  ctl(...args: string[]): Promise<string> {
    return nodeCtl(this.#record, args)
  }

  /** The last lines of what the node logged and printed: enough of them to hold the cause of a failed start too. */
  logTail(lines = 80): string {
    const path = paths(this.#record.folder)
    const texts = [join(path.log, `${this.nodeName}.log`), path.console].map(file => {
      try {
        return readFileSync(file, 'utf8').trimEnd()
      } catch {
        return ''
      }
    })
    return texts.join('\n').trim().split('\n').slice(-lines).join('\n')
  }

  /** Starts the node again on the data, the ports and the name it had. Resolves when it answers AMQP. */
  async restart(): Promise<void> {
    if (this.running) throw new BrokerError(`${this.nodeName} is running already`)
    const { installation, folder } = this.#record
    // A file instead of pipes: a pipe would tie the node to this process, and keep this process from ending.
    const output = openSync(paths(folder).console, 'a')
    const child = spawn(installation.server, [], {
      cwd: folder,
      detached: true,
      env: nodeEnvironment(this.#record),
      stdio: ['ignore', output, output],
    })
    closeSync(output)
    const { pid } = child
    if (pid !== undefined) {
      this.#record = { ...this.#record, pid, identity: processIdentity(pid) }
      watch(folder, { node: this.#record })
    }
    child.unref()
    const failed = new AbortController()
    const timer = setTimeout(() => failed.abort('did not answer in time'), this.startTimeout)
    child.once('error', error => failed.abort(`cannot be run: ${error.message}`))
    child.once('exit', code => failed.abort(`ended with exit status ${code}`))
    try {
      this.#version = (await waitForAmqp(this.port, failed.signal, this.tlsPort)).version
    } catch (error) {
      if (!failed.signal.aborted) throw error
      throw new BrokerError(`RabbitMQ ${String(failed.signal.reason)}; the end of its log:`, this.logTail())
    } finally {
      clearTimeout(timer)
      child.removeAllListeners()
    }
  }

  /** Ends the node in order; its data stay for `restart`. */
  async shutdown(): Promise<void> {
    if (this.running) await endProcesses(this.#record, 'SIGTERM')
  }

  /** Kills the Erlang VM as a crash would; its data stay for `restart`. */
  async kill(): Promise<void> {
    if (this.running) await endProcesses(this.#record, 'SIGKILL')
  }

  /** Resolves when the node answers AMQP, as after `rabbitmqctl start_app`. */
  async ready(): Promise<void> {
    await waitForAmqp(this.port, AbortSignal.timeout(this.startTimeout), this.tlsPort)
  }

  /** Suspends all processes of the node: it keeps its connections and says nothing, as on a machine that hangs. */
  suspend(): void {
    if (this.running) signalGroup(this.#record.pid, 'SIGSTOP')
  }

  /** Ends a suspension. */
  resume(): void {
    if (this.running) signalGroup(this.#record.pid, 'SIGCONT')
  }

  /** Lets the node live on after this process. */
  keep(): void {
    release(this.#record.folder)
  }

  /** Ends the node for good, and removes all it left. Its data go too, so it is killed: that takes no time. */
  async stop(): Promise<void> {
    const record = this.#record
    await this.kill()
    if (record.ownsEpmd) await removeNodes([record], 'SIGKILL')
    else await rm(record.folder, { recursive: true, force: true, maxRetries: 5 })
    release(record.folder)
  }
}

async function stopAll(nodes: readonly PrivateNode[], epmdPort: number): Promise<void> {
  await Promise.all(nodes.map(node => node.stop()))
  await stopEpmd(epmdPort)
}

async function joinCluster(node: PrivateNode, first: PrivateNode): Promise<void> {
  await node.ctl('stop_app')
  await node.ctl('join_cluster', first.nodeName)
  await node.ctl('start_app')
  await node.ready()
}

export interface ClusterOptions extends NodeOptions {
  /** An epmd for each node, on these ports, where they are not to share one. They are there already. */
  readonly epmdPorts?: readonly number[]
}

/** Nodes that find each other: one cookie, and one epmd on a port of their own. `options.port` is the first one's. */
export async function startCluster(size: number, options: ClusterOptions = {}): Promise<PrivateNode[]> {
  const { epmdPorts = [], ...nodeOptions } = options
  const log: Log = options.log ?? (() => undefined)
  const shared = {
    ...nodeOptions,
    installation: options.installation ?? (await requireInstallation(log)),
    cookie: options.cookie ?? randomBytes(16).toString('hex'),
    epmdPort: await freePort(),
  }
  const { port: firstPort, nodeName: firstName, ...others } = shared
  const starts = await Promise.allSettled(
    Array.from({ length: size }, (_, index) =>
      PrivateNode.start({
        ...(index === 0 ? shared : others),
        epmdPort: epmdPorts[index] ?? shared.epmdPort,
      }),
    ),
  )
  const nodes = starts.flatMap(start => (start.status === 'fulfilled' ? [start.value] : []))
  try {
    const failed = starts.find(start => start.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const [first, ...rest] = nodes
    // One after another: two nodes that join at the same moment may each wait for the other.
    if (first !== undefined) for (const node of rest) await joinCluster(node, first)
    return nodes
  } catch (error) {
    await stopAll(nodes, shared.epmdPort)
    throw error
  }
}

/** Ends what `startCluster` made. */
export async function stopCluster(nodes: readonly PrivateNode[]): Promise<void> {
  const [first] = nodes
  if (first !== undefined) await stopAll(nodes, first.record.epmdPort)
}
