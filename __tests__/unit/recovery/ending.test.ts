/** Covers the ends of recovery: its limits, and the closing of the client at any moment of it. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { AuthenticationError, ConnectionBrokenError, ConnectionClosedError } from '../../../src/errors.js'
import type { RecoveryOptions } from '../../../src/options.js'
import { defer, quiet } from '../../../src/util/promise.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import {
  closeLinks,
  connectedLink,
  declared,
  type WatchedLink,
} from '../../support/memory/watched-connection.js'
import { errorOf } from '../../support/outcome.js'
import { messageOf } from '../../support/wire/messages.js'

const OVER = new ConnectionClosedError('over')
const AT_ONCE: RecoveryOptions = { initialDelay: 0 }
const NOT_SOON: RecoveryOptions = { initialDelay: 1e9, maxDelay: 1e9 }

afterEach(closeLinks)

describe('recovery ends the client', () => {
  test('after as many attempts as may be', async () => {
    const { link, told, hosts, peer } = await connectedLink({ recovery: { ...AT_ONCE, maxAttempts: 3 } })
    hosts.mood = 'down'
    const waiting = quiet(link.publish(messageOf('x'), true, {}))
    await peer.next('basic.publish')
    peer.hangUp()
    await link.closed
    expect(hosts.asked).toHaveLength(4)
    expect(told.at(-1)).toBe('given up ConnectionBrokenError')
    const { error } = link.state as { error: Error }
    expect(error.message).toMatch(/no connection after 3 attempts: .*a refuses/)
    await expect(waiting).rejects.toBeInstanceOf(ConnectionBrokenError)
    expect(() => link.check('queueBind')).toThrow(ConnectionBrokenError)
  })

  test('when the time is up, not later', async () => {
    const { link, hosts, peer } = await connectedLink({ recovery: { ...NOT_SOON, maxTime: 30 } })
    hosts.mood = 'down'
    const recovered = (async () => {
      await turns()
      return errorOf(link.connect())
    })()
    peer.hangUp()
    await link.closed
    expect(link.state).toMatchObject({ name: 'closed', error: { constructor: ConnectionBrokenError } })
    await recovered
  })

  test('at the first refusal with retryRefused: false, but not before', async () => {
    const options = { recovery: { ...AT_ONCE, retryRefused: false } }
    const { link, hosts, peer, heard } = await connectedLink(options)
    hosts.mood = 'down'
    peer.hangUp()
    await heard('reconnecting 3 a:5672')
    hosts.peerOptions = { mechanisms: 'NONE' }
    hosts.mood = 'up'
    await link.closed
    const { error } = link.state as { error: Error }
    expect(error.cause).toBeInstanceOf(AuthenticationError)
  })

  test('not at a refusal by default', async () => {
    const { hosts, peer, heard } = await connectedLink()
    hosts.peerOptions = { mechanisms: 'NONE' }
    peer.hangUp()
    await heard('reconnecting 3 a:5672')
    hosts.peerOptions = {}
    await heard('recovered a:5672')
  })
})

describe('closing', () => {
  /** Ends the client, and sees that nothing goes on. */
  async function close({ link, told }: WatchedLink, peers: readonly ScriptedPeer[]): Promise<void> {
    await link.close(OVER)
    const before = [...told]
    await turns(20)
    expect(told).toEqual(before)
    expect(link.state).toEqual({ name: 'closed', error: undefined })
    expect(peers.map(({ clientGone }) => clientGone)).toEqual(peers.map(() => true))
  }

  test('between two attempts ends the wait', async () => {
    const { watched, hosts, peer, heard } = await connectedLink({ recovery: NOT_SOON })
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    await close(watched, hosts.peers)
  })

  test('during an attempt drops it', async () => {
    const { watched, hosts, peer } = await connectedLink()
    hosts.prepare = next => next.on('connection.open', () => undefined)
    peer.hangUp()
    const second = await hosts.next()
    await second.next('connection.open')
    await close(watched, hosts.peers)
  })

  test('while the function that gives the URL is asked does not wait for it', async () => {
    const asked = defer<void>()
    let first = true
    const { watched, hosts, peer } = await connectedLink({}, () => {
      if (first) {
        first = false
        return 'amqp://a'
      }
      asked.resolve()
      return new Promise<string>(() => undefined)
    })
    peer.hangUp()
    await asked.promise
    await close(watched, hosts.peers)
  })

  test('while topology comes back closes the connection, and tells of nothing more', async () => {
    const { watched, hosts, peer } = await connectedLink()
    for (const name of ['p', 'q', 'r']) declared(watched, name)
    hosts.prepare = next => next.on('queue.declare', () => undefined)
    peer.hangUp()
    const second = await hosts.next()
    await second.next('queue.declare')
    await close(watched, hosts.peers)
    expect(second.all('connection.close')).toHaveLength(1)
  })

  test('while consumers come back closes the connection, and does not wait for them', async () => {
    const { watched, hosts, peer, heard } = await connectedLink()
    watched.onRestore = () => new Promise(() => undefined)
    peer.hangUp()
    await heard('restore consumers')
    await close(watched, hosts.peers)
    expect(hosts.peers[1]?.all('connection.close')).toHaveLength(1)
  })

  test('in the very moment in which the connection is made leaves nothing open', async () => {
    for (let steps = 0; steps < 40; steps++) {
      const { watched, hosts, peer } = await connectedLink()
      const closing = defer<() => Promise<void>>()
      hosts.prepare = next =>
        next.on('connection.open', async () => {
          next.send(0, 'connection.open-ok', {})
          for (let step = 0; step < steps; step++) await null
          const closed = close(watched, hosts.peers)
          closing.resolve(() => closed)
        })
      peer.hangUp()
      await (await closing.promise)()
    }
  })

  test('rejects those who wait in connect()', async () => {
    const { watched, link, hosts, peer, heard } = await connectedLink({ recovery: NOT_SOON })
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    const waiting = errorOf(link.connect())
    await close(watched, hosts.peers)
    expect(await waiting).toBe(OVER)
  })
})
