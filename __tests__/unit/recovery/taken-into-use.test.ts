/** Covers what a throw does while a new session is taken into use: there is one loop all the same, and one connection. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { ClientOptions } from '../../../src/client-options.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { ConnectionClosedError } from '../../../src/errors.js'
import type { Recoverable } from '../../../src/recovery/recoverable.js'
import { RecoveringConnection, type RecoveryEvents } from '../../../src/recovery/recovering-connection.js'
import { PeerHosts } from '../../support/memory/peer-hosts.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { eventually } from '../../support/outcome.js'

const OVER = new ConnectionClosedError('over')
const ALL: ClientOptions = { heartbeat: 0, recovery: { initialDelay: 0 }, publishConnection: 'shared' }

let close = (): Promise<void> => Promise.resolve()
afterEach(() => close())

/** A connection with one part; `throws` names what throws each time, and is told of each call. */
function connectionWith(throws: (call: string) => void) {
  const hosts = new PeerHosts()
  const calls: string[] = []
  const call = (name: string): undefined => {
    calls.push(name)
    throws(name)
  }
  const part: Recoverable = {
    attach: () => call('attach'),
    complete: () => call('complete'),
    detach: () => call('detach'),
    end: () => call('end'),
    idle: () => Promise.resolve(),
  }
  const events: RecoveryEvents = {
    onConnect: () => call('connect'),
    onDisconnect: () => call('disconnect'),
    onReconnecting: () => undefined,
    onRecovered: () => call('recovered'),
    onBlocked: () => call('blocked'),
    onUnblocked: () => call('unblocked'),
  }
  const options = { ...ALL, transport: hosts.transport }
  const connection = new RecoveringConnection('amqp://a', options, 0, new Metrics(), [part], events)
  close = () => connection.close(OVER)
  return { connection, hosts, calls }
}

/** What is open at the hosts. */
function openAt(hosts: PeerHosts): number {
  return hosts.peers.filter(({ clientGone }) => !clientGone).length
}

describe('a throw while a session is taken into use', () => {
  test.each(['complete', 'recovered', 'unblocked', 'disconnect', 'detach'])(
    'by what is told last costs no connection, and starts no second loop: %s',
    async thrower => {
      const { connection, hosts, calls } = connectionWith(call => {
        if (call === thrower) throw new Error('a listener that throws')
      })
      await connection.connect()
      for (const round of [1, 2]) {
        const peer = hosts.peers.at(-1)
        peer?.send(0, 'connection.blocked', { reason: 'disk' })
        await eventually(() => calls.filter(call => call === 'blocked').length === round)
        peer?.hangUp()
        await eventually(() => calls.filter(call => call === 'recovered').length === round)
        await connection.connect()
        await turns()
      }
      expect(hosts.peers).toHaveLength(3)
      expect(openAt(hosts)).toBe(1)
      await connection.close(OVER)
      await turns()
      expect(openAt(hosts)).toBe(0)
      expect(hosts.peers).toHaveLength(3)
    },
  )

  test('by who is told of the first connection leaves that one open', async () => {
    const { connection, hosts } = connectionWith(call => {
      if (call === 'connect') throw new Error('a listener that throws')
    })
    await connection.connect()
    expect(connection.state.name).toBe('open')
    expect(hosts.peers).toHaveLength(1)
    await connection.close(OVER)
    await turns()
    expect(openAt(hosts)).toBe(0)
  })

  test('by a part that comes back fails the attempt, and the next one follows', async () => {
    let attached = 0
    const { connection, hosts, calls } = connectionWith(call => {
      if (call === 'attach' && ++attached === 2) throw new Error('a part that throws')
    })
    await connection.connect()
    hosts.peers[0]?.hangUp()
    await eventually(() => calls.includes('recovered'))
    await turns()
    expect(hosts.peers).toHaveLength(3)
    expect(openAt(hosts)).toBe(1)
    await connection.close(OVER)
    await turns()
    expect(openAt(hosts)).toBe(0)
  })
})
