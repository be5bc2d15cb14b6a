/**
 * Owns what integration tests may ask of the broker they share, and nodes of their own for those that need one. Knows
 * nothing of the client under test.
 */
import { attachBroker, type Broker, type BrokerState } from '../../../scripts/broker/broker.js'
import {
  type ClusterOptions,
  type NodeOptions,
  PrivateNode,
  startCluster,
  stopCluster,
} from '../../../scripts/broker/node.js'

export { type NodeOptions, PrivateNode, stopCluster }

function sharedBroker(): Broker {
  const state = process.env.PUKA_TEST_BROKER
  if (state === undefined) throw new Error('no test broker: run the tests as Jest project "integration"')
  return attachBroker(JSON.parse(state) as BrokerState)
}

export function brokerUrl(): string {
  return sharedBroker().url
}

/** Such as "4.0.5"; empty when the broker of AMQP_URL does not tell (behind TLS). */
export function brokerVersion(): string {
  return sharedBroker().version
}

/** Whether the shared broker is at least of this version, such as (4) or (3, 12). */
export function brokerIsAtLeast(major: number, minor = 0): boolean {
  const [actualMajor = 0, actualMinor = 0] = brokerVersion().split('.').map(Number)
  return actualMajor > major || (actualMajor === major && actualMinor >= minor)
}

/** Runs rabbitmqctl on the shared broker and resolves with what it printed. */
export async function ctl(...args: string[]): Promise<string> {
  const broker = sharedBroker()
  if (broker.ctl === undefined) {
    throw new Error('rabbitmqctl cannot reach the broker of AMQP_URL: run the tests without AMQP_URL')
  }
  return broker.ctl(...args)
}

/** A node for one test file: for TLS, alarms, settings, or being killed. The caller ends it with `stop()`. */
export function startPrivateNode(options: NodeOptions = {}): Promise<PrivateNode> {
  return PrivateNode.start(options)
}

/** Several nodes as one cluster. The caller ends them with `stopCluster`. */
export function startPrivateCluster(size: number, options: ClusterOptions = {}): Promise<PrivateNode[]> {
  return startCluster(size, options)
}
