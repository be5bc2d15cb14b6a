/**
 * Owns a private node as any process finds it, by its record alone: whether it runs, rabbitmqctl on it, and its end with
 * all that it leaves: processes, epmd, folder. Knows nothing of how it is started.
 */
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Layout, nodeEnvironment } from './config.js'
import { BrokerError, groupAlive, groupGone, processIdentity, run, signalGroup } from './processes.js'

/** All that must be known of a node to find it again, as plain JSON. */
export interface NodeRecord extends Layout {
  /** The leader of the node's process group (0 before the first start), and what tells it from a later process with the same id. */
  readonly pid: number
  readonly identity: string
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

// KILL_REQ of the EPMD protocol: a two-byte length, then 'k'. It saves looking for the epmd executable.
const KILL_REQUEST = Buffer.from([0, 1, 0x6b])

type Answer = 'ended' | 'refused' | 'absent'

function requestKill(port: number): Promise<Answer> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    let answer = ''
    socket.setTimeout(2_000, () => socket.destroy())
    socket.once('error', () => resolve('absent'))
    socket.once('connect', () => socket.write(KILL_REQUEST))
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
    })
    socket.once('close', () => resolve(answer.startsWith('OK') ? 'ended' : 'refused'))
  })
}

/**
 * Ends the epmd on the port, which a node starts as a daemon and leaves. Each node, or cluster, has one of its own: so this
 * cannot take away what other Erlang systems of the machine use. It refuses while names are registered: nodes end first.
 */
export async function stopEpmd(port: number): Promise<void> {
  const deadline = Date.now() + 5_000
  while ((await requestKill(port)) !== 'absent') {
    if (Date.now() > deadline) return
    await delay(30)
  }
}

const GRACE = 20_000

/** SIGTERM lets RabbitMQ close its connections in order; SIGKILL is a crash. Resolves when nothing runs any more. */
export async function endProcesses(node: NodeRecord, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!nodeAlive(node)) return
  if (signal === 'SIGTERM') {
    // To the leader only: RabbitMQ's script passes it on, and a second one would cut the orderly end short.
    try {
      process.kill(node.pid, 'SIGTERM')
    } catch {
      // The leader has gone: what is left of the group is killed below.
    }
    if (await groupGone(node.pid, GRACE)) return
  }
  signalGroup(node.pid, 'SIGKILL')
  await groupGone(node.pid, GRACE)
}

/** Ends the nodes for good, and removes everything they left. Safe to call again, and for nodes that are gone. */
export async function removeNodes(
  nodes: readonly NodeRecord[],
  signal: 'SIGTERM' | 'SIGKILL',
): Promise<void> {
  await Promise.all(nodes.map(node => endProcesses(node, signal)))
  await Promise.all([...new Set(nodes.map(node => node.epmdPort))].map(stopEpmd))
  await Promise.all(nodes.map(node => rm(node.folder, { recursive: true, force: true, maxRetries: 5 })))
}
