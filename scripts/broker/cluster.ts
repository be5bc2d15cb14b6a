// Owns: making several private nodes of this machine into one cluster.
// Must not know: who asked for it.

import { randomBytes } from 'node:crypto'
import { stopEpmd } from './epmd.js'
import { type Log, requireInstallation } from './install.js'
import { type NodeOptions, PrivateNode } from './node.js'
import { freePort } from './ports.js'

async function stopAll(nodes: readonly PrivateNode[], epmdPort: number): Promise<void> {
  await Promise.all(nodes.map(node => node.stop()))
  await stopEpmd(epmdPort)
}

async function join(node: PrivateNode, first: PrivateNode): Promise<void> {
  await node.ctl('stop_app')
  await node.ctl('join_cluster', first.nodeName)
  await node.ctl('start_app')
  await node.ready()
}

/** Nodes that find each other: one cookie, and one epmd on a port of their own. `options.port` is the first one's. */
export async function startCluster(size: number, options: NodeOptions = {}): Promise<PrivateNode[]> {
  const log: Log = options.log ?? (() => undefined)
  const shared = {
    ...options,
    installation: options.installation ?? (await requireInstallation(log)),
    cookie: options.cookie ?? randomBytes(16).toString('hex'),
    epmdPort: await freePort(),
  }
  const { port: firstPort, nodeName: firstName, ...others } = shared
  const starts = await Promise.allSettled(
    Array.from({ length: size }, (_, index) => PrivateNode.start(index === 0 ? shared : others)),
  )
  const nodes = starts.flatMap(start => (start.status === 'fulfilled' ? [start.value] : []))
  try {
    const failed = starts.find(start => start.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const [first, ...rest] = nodes
    // One after another: two nodes that join at the same moment may each wait for the other.
    if (first !== undefined) for (const node of rest) await join(node, first)
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
