/**
 * Covers a cluster of three nodes that is restarted node by node, in order, as for an upgrade, while a client on each node
 * publishes, consumes, asks and answers.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type PrivateNode, startPrivateCluster, stopCluster } from '../support/broker/broker.js'
import { Fleet } from '../support/faults/fleet.js'

const MINUTE = 60_000

let nodes: PrivateNode[] = []

beforeAll(async () => {
  nodes = await startPrivateCluster(3)
}, 4 * MINUTE)

afterAll(() => stopCluster(nodes), MINUTE)

test(
  'a rolling restart loses nothing that was confirmed, and everybody is served again after each node',
  async () => {
    const fleet = await Fleet.start(nodes, 'rolling')
    for (const [index, node] of nodes.entries()) {
      fleet.mark()
      await node.shutdown()
      await fleet.served(fleet.members, 'server-named')
      await node.restart()
      await node.ctl('await_online_nodes', String(nodes.length))
      await fleet.served()
      fleet.report(`node ${index + 1} restarted`)
    }
    await fleet.finish()
    for (const { client } of fleet.members) expect(client.metrics().reconnects).toBeGreaterThan(0)
  },
  10 * MINUTE,
)
