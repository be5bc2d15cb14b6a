// Owns: the end of private nodes: their processes, their epmd, their folder. It is the one way down for the
// `stop` command, for tests, and for the guard which cleans up after a process that died.
// Must not know: how nodes are started. It works from records alone.

import { rm } from 'node:fs/promises'
import { stopEpmd } from './epmd.js'
import { groupGone, signalGroup } from './processes.js'
import { type NodeRecord, nodeAlive } from './record.js'

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
