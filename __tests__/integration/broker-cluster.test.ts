/** Covers the clusters of the command `npm run broker`. */
import { expect, test } from '@jest/globals'
import { attachBroker } from '../../scripts/broker/broker.js'
import { answersTcp } from '../../scripts/broker/ports.js'
import { broker, MINUTE, nodeFolders, portsOf, recordedState } from './broker-command.js'

test(
  'the broker command makes nodes into one cluster, which is gone after stop',
  async () => {
    const started = await broker(['start', '--cluster', '2'])
    expect(started.stderr).toContain('a cluster of 2 nodes')
    const ports = portsOf(started)
    expect(new Set(ports).size).toBe(2)

    const report = await attachBroker(recordedState()).ctl?.('cluster_status', '--formatter', 'json')
    expect(JSON.parse(report ?? '').running_nodes).toHaveLength(2)

    expect((await broker(['stop'])).status).toBe(0)
    const answers = await Promise.all(ports.map(port => answersTcp('127.0.0.1', port)))
    expect(answers).toEqual([false, false])
    expect(nodeFolders()).toEqual([])
  },
  3 * MINUTE,
)
