/**
 * Covers a cluster of three nodes, one of which hangs for half a minute: it keeps its connections, and says nothing on
 * them. It leads the queues, and a client is on it, as on each of the others.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { type PrivateNode, startPrivateCluster, stopCluster } from '../support/broker/broker.js'
import { Fleet } from '../support/faults/fleet.js'

const MINUTE = 60_000
const HANG = 30_000

let nodes: PrivateNode[] = []

beforeAll(async () => {
  nodes = await startPrivateCluster(3)
}, 4 * MINUTE)

afterEach(() => {
  for (const node of nodes) node.resume()
})

afterAll(() => stopCluster(nodes), MINUTE)

// Another node each time: RabbitMQ finds out later that a node hangs which has hung before.
test.each([
  { at: 0, heartbeat: 5, what: 'leaves it by its heartbeat' },
  { at: 1, heartbeat: 30, what: 'waits for it, with the heartbeat that is the default' },
])(
  'a node that hangs loses nothing that was confirmed: its client $what, and everybody is served again',
  async ({ at, heartbeat }) => {
    const inOrder = [...nodes.slice(at), ...nodes.slice(0, at)]
    const [node] = inOrder as [PrivateNode]
    const fleet = await Fleet.start(inOrder, `hanging-${heartbeat}`, { heartbeat })
    const [first] = fleet.members
    fleet.mark()
    node.suspend()
    await delay(HANG)
    node.resume()
    await fleet.served()
    fleet.report(`a node hung for ${HANG / 1000} s, heartbeat ${heartbeat} s`)
    await fleet.finish()
    if (heartbeat === 5) expect(first?.client.metrics().reconnects).toBeGreaterThan(0)
  },
  10 * MINUTE,
)
