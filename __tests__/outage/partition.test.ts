/**
 * Covers a cluster of three nodes, one of which is cut off from the others by its network, while all clients still reach the
 * node that they are on. It leads the queues, and a client is on it, as on each of the others.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, test } from '@jest/globals'
import { type PrivateNode, startPrivateCluster, stopCluster } from '../support/broker/broker.js'
import { ClusterNetwork } from '../support/faults/cluster-network.js'
import { Fleet } from '../support/faults/fleet.js'

const MINUTE = 60_000
/** Longer than it takes the nodes to notice. */
const PARTITION = 30_000
/** RabbitMQ's advice for three nodes; from 4.3 on it knows no other way, and ignores the first one. */
const CONFIG = ['cluster_partition_handling = pause_minority', 'net_ticktime = 10']

let network: ClusterNetwork
let nodes: PrivateNode[] = []

beforeAll(async () => {
  network = await ClusterNetwork.start(3)
  nodes = await startPrivateCluster(3, { epmdPorts: network.epmdPorts, config: CONFIG })
}, 4 * MINUTE)

afterEach(() => network.heal())

afterAll(async () => {
  await stopCluster(nodes)
  await network.close()
}, MINUTE)

test.each([
  { how: 'silent' as const, what: 'its packets vanish' },
  { how: 'refused' as const, what: 'its connections are refused' },
])(
  'a partition ($what) loses nothing that was confirmed; the majority is served meanwhile, and everybody afterwards',
  async ({ how }) => {
    const fleet = await Fleet.start(nodes, how)
    const [, ...majority] = fleet.members
    fleet.mark()
    await network.cutOff(0, how)
    await delay(PARTITION)
    await fleet.served(majority)
    await network.heal()
    await fleet.served()
    fleet.report(`a node was cut off (${how})`)
    await fleet.finish()
  },
  10 * MINUTE,
)
