/** Covers the ends of recovery: its limits, and the closing of the client at any moment of it. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { RecoveryOptions } from '../../../src/client-options.js'
import { AuthenticationError, ConnectionBrokenError, ConnectionClosedError } from '../../../src/errors.js'
import { defer, quiet } from '../../../src/util/promise.js'
import { type BareClient, closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'
import { messageOf } from '../../support/wire/messages.js'

const OVER = new ConnectionClosedError('over')
const AT_ONCE: RecoveryOptions = { initialDelay: 0 }
const NOT_SOON: RecoveryOptions = { initialDelay: 1e9, maxDelay: 1e9 }

afterEach(closeBareClients)

describe('recovery ends the client', () => {
  test('after as many attempts as may be', async () => {
    const { client, told, hosts, peer } = await connectedBareClient({
      recovery: { ...AT_ONCE, maxAttempts: 3 },
    })
    hosts.mood = 'down'
    const waiting = quiet(client.publish(messageOf('x'), true, {}))
    await peer.next('basic.publish')
    peer.hangUp()
    await client.closed
    expect(hosts.asked).toHaveLength(4)
    expect(told.at(-1)).toBe('given up ConnectionBrokenError')
    const { error } = client.state as { error: Error }
    expect(error.message).toMatch(/no connection after 3 attempts: .*a refuses/)
    await expect(waiting).rejects.toBeInstanceOf(ConnectionBrokenError)
    expect(() => client.check('queueBind')).toThrow(ConnectionBrokenError)
  })

  test('when the time is up, not later', async () => {
    const { client, hosts, peer } = await connectedBareClient({ recovery: { ...NOT_SOON, maxTime: 30 } })
    hosts.mood = 'down'
    const recovered = (async () => {
      await turns()
      return errorOf(client.connect())
    })()
    peer.hangUp()
    await client.closed
    expect(client.state).toMatchObject({ name: 'closed', error: { constructor: ConnectionBrokenError } })
    await recovered
  })

  test('at the first refusal with retryRefused: false, but not before', async () => {
    const options = { recovery: { ...AT_ONCE, retryRefused: false } }
    const { client, hosts, peer, heard } = await connectedBareClient(options)
    hosts.mood = 'down'
    peer.hangUp()
    await heard('reconnecting 3 a:5672')
    hosts.peerOptions = { mechanisms: 'NONE' }
    hosts.mood = 'up'
    await client.closed
    const { error } = client.state as { error: Error }
    expect(error.cause).toBeInstanceOf(AuthenticationError)
  })

  test('not at a refusal by default', async () => {
    const { hosts, peer, heard } = await connectedBareClient()
    hosts.peerOptions = { mechanisms: 'NONE' }
    peer.hangUp()
    await heard('reconnecting 3 a:5672')
    hosts.peerOptions = {}
    await heard('recovered a:5672')
  })
})

describe('closing', () => {
  /** Ends the client, and sees that nothing goes on. */
  async function close(client: BareClient, peers: readonly ScriptedPeer[]): Promise<void> {
    await client.close(OVER)
    const before = [...client.told]
    await turns(20)
    expect(client.told).toEqual(before)
    expect(client.state).toEqual({ name: 'closed', error: undefined })
    expect(peers.map(({ clientGone }) => clientGone)).toEqual(peers.map(() => true))
  }

  test('between two attempts ends the wait', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({ recovery: NOT_SOON })
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    await close(client, hosts.peers)
  })

  test('during an attempt drops it', async () => {
    const { client, hosts, peer } = await connectedBareClient()
    hosts.prepare = next => next.on('connection.open', () => undefined)
    peer.hangUp()
    const second = await hosts.next()
    await second.next('connection.open')
    await close(client, hosts.peers)
  })

  test('while the function that gives the URL is asked does not wait for it', async () => {
    const asked = defer<void>()
    let first = true
    const { client, hosts, peer } = await connectedBareClient({}, () => {
      if (first) {
        first = false
        return 'amqp://a'
      }
      asked.resolve()
      return new Promise<string>(() => undefined)
    })
    peer.hangUp()
    await asked.promise
    await close(client, hosts.peers)
  })

  test('while topology comes back closes the connection, and tells of nothing more', async () => {
    const { client, hosts, peer } = await connectedBareClient()
    for (const name of ['p', 'q', 'r']) client.declared(name)
    hosts.prepare = next => next.on('queue.declare', () => undefined)
    peer.hangUp()
    const second = await hosts.next()
    await second.next('queue.declare')
    await close(client, hosts.peers)
    expect(second.all('connection.close')).toHaveLength(1)
  })

  test('while consumers come back closes the connection, and does not wait for them', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient()
    client.onResume = () => new Promise(() => undefined)
    peer.hangUp()
    await heard('resume consumers')
    await close(client, hosts.peers)
    expect(hosts.peers[1]?.all('connection.close')).toHaveLength(1)
  })

  test('in the very moment in which the connection is made leaves nothing open', async () => {
    for (let steps = 0; steps < 40; steps++) {
      const { client, hosts, peer } = await connectedBareClient()
      const closing = defer<() => Promise<void>>()
      hosts.prepare = next =>
        next.on('connection.open', async () => {
          next.send(0, 'connection.open-ok', {})
          for (let step = 0; step < steps; step++) await null
          const closed = close(client, hosts.peers)
          closing.resolve(() => closed)
        })
      peer.hangUp()
      await (await closing.promise)()
    }
  })

  test('rejects those who wait in connect()', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({ recovery: NOT_SOON })
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    const waiting = errorOf(client.connect())
    await close(client, hosts.peers)
    expect(await waiting).toBe(OVER)
  })
})
