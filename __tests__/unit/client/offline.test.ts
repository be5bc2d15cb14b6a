/** Covers what users are told, and what becomes of what is in flight, while there is no connection. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { Client } from '../../../src/client/client.js'
import { ArgumentError, ConnectionBrokenError } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { PeerHosts } from '../../support/memory/peer-hosts.js'
import { agree, closeRecoveringClients, recoveringClient } from '../../support/memory/recovering-client.js'
import { eventually } from '../../support/outcome.js'

afterEach(closeRecoveringClients)

describe("whileOffline: 'fail'", () => {
  test('ends what is in flight with the connection, whatever it is, and the rest comes back', async () => {
    const { client, peer, hosts, heard } = await recoveringClient({ whileOffline: 'fail' })
    for (const method of ['queue.declare', 'basic.get', 'basic.publish'] as const)
      peer.on(method, () => undefined)
    const consumer = client.basicConsume('other')
    await consumer.ready
    const inFlight = [
      client.queueDeclare('q', { durable: true }),
      client.basicGet('q'),
      client.basicPublish('', 'q', 'x'),
      client.basicPublish('', 'q', 'x', { signal: new AbortController().signal }),
    ]
    for (const method of ['queue.declare', 'basic.get', 'basic.publish'] as const) await peer.next(method)
    peer.hangUp()
    const outcomes = await Promise.allSettled(inFlight)
    expect(outcomes.map(outcome => outcome.status === 'rejected' && outcome.reason.constructor)).toEqual(
      inFlight.map(() => ConnectionBrokenError),
    )
    await heard('recovered')
    await consumer.ready
    const next = hosts.peers.at(-1)
    expect([next?.all('basic.consume').length, next?.all('basic.publish').length]).toEqual([1, 0])
    expect(client.metrics().pendingPublishes).toBe(0)
    await client.basicPublish('', 'q', 'goes again')
  })
})

describe('an alarm of the broker', () => {
  test('that ends while there is no connection is told as over, once', async () => {
    const { client, peer, told, heard } = await recoveringClient()
    peer.send(0, 'connection.blocked', { reason: 'disk' })
    await heard('blocked disk')
    peer.hangUp()
    await heard('recovered')
    await client.basicPublish('', 'q', 'x')
    expect(told.filter(text => text.includes('blocked'))).toEqual(['blocked disk', 'unblocked'])
    expect(client.state).toMatchObject({ name: 'open', blocked: undefined })
  })

  test('that lasts over a reconnect is told once', async () => {
    const { client, peer, hosts, told, heard } = await recoveringClient({ publishConnection: 'shared' })
    peer.send(0, 'connection.blocked', { reason: 'disk' })
    await heard('blocked disk')
    hosts.prepare = next => {
      agree(next)
      next.on('connection.open', () => {
        next.send(0, 'connection.open-ok', {})
        next.send(0, 'connection.blocked', { reason: 'disk' })
      })
    }
    peer.hangUp()
    await heard('recovered')
    await eventually(() => client.state.name === 'open' && client.state.blocked === 'disk')
    hosts.peers.at(-1)?.send(0, 'connection.unblocked', {})
    await eventually(() => client.state.name === 'open' && client.state.blocked === undefined)
    expect(told.filter(text => text.startsWith('blocked')).length).toBe(
      told.filter(text => text === 'unblocked').length,
    )
    expect(told.at(-1)).toBe('unblocked')
  })
})

describe('retryInitial', () => {
  test('tells each further attempt, and what the one before came to', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'down'
    const client = new Client('amqp://a:1', {
      transport: hosts.transport,
      heartbeat: 0,
      retryInitial: true,
      recovery: { initialDelay: 0 },
    })
    const told: unknown[] = []
    client.on('reconnecting', attempt => told.push(attempt))
    const connected = client.connect()
    await eventually(() => told.length >= 2)
    expect(told[0]).toEqual({ attempt: 2, delay: 0, host: 'a:1', error: expect.any(ConnectionBrokenError) })
    expect(told[1]).toMatchObject({ attempt: 3 })
    expect(client.state).toMatchObject({ name: 'connecting', error: { name: 'ConnectionBrokenError' } })
    hosts.mood = 'up'
    await connected
    expect(client.state).toMatchObject({ name: 'open' })
    await client.close()
  })
})

describe('a lower limit on frames on the next connection', () => {
  test('rejects an operation that does not fit it, and nothing else', async () => {
    const { client, peer, hosts, heard, told } = await recoveringClient()
    peer.on('queue.declare', () => undefined)
    const wide = client.queueDeclare('wide', { arguments: { note: 'x'.repeat(5000) } })
    const narrow = client.queueDeclare('narrow')
    await peer.several('queue.declare', 2)
    hosts.peerOptions = { tune: { frameMax: 4096 } }
    peer.hangUp()
    await expect(wide).rejects.toMatchObject({ constructor: ArgumentError, operation: 'queueDeclare' })
    await narrow
    await heard('recovered')
    expect(hosts.peers).toHaveLength(2)
    expect(told.filter(text => text.startsWith('disconnect'))).toHaveLength(1)
  })

  test('rejects a publish that does not fit it, in flight or waiting, and nothing else', async () => {
    const { client, peer, hosts, heard, told } = await recoveringClient()
    peer.on('basic.publish', () => undefined)
    const headers = { note: 'x'.repeat(5000) }
    const inFlight = quiet(client.basicPublish('', 'q', 'wide', { headers }))
    const narrow = [client.basicPublish('', 'q', 'one'), client.basicPublish('', 'q', 'y'.repeat(20_000))]
    await peer.several('basic.publish', 3)
    hosts.peerOptions = { tune: { frameMax: 4096 } }
    peer.hangUp()
    await heard('disconnect CONNECTION_BROKEN')
    const waiting = quiet(client.basicPublish('', 'q', 'wide', { headers }))
    narrow.push(client.basicPublish('', 'q', 'two'))
    await Promise.all(narrow)
    await heard('recovered')
    const text = /^basicPublish: the properties and headers take \d+ bytes, but must fit one frame of 4096$/
    for (const wide of [inFlight, waiting]) {
      await expect(wide).rejects.toMatchObject({ constructor: ArgumentError, operation: 'basicPublish' })
      await expect(wide).rejects.toThrow(text)
    }
    const bodies = hosts.peers.flatMap(one => (one === peer ? [] : one.all('basic.publish')))
    expect(bodies.map(({ body }) => body.length)).toEqual([3, 20_000, 3])
    expect(client.metrics()).toMatchObject({ pendingPublishes: 0, reconnects: 1 })
    expect(told.filter(one => one.startsWith('disconnect'))).toHaveLength(1)
  })

  test('leaves out a part of the topology that does not fit it, and tells', async () => {
    const { client, peer, hosts, heard, told } = await recoveringClient()
    await client.queueDeclare('wide', { arguments: { note: 'x'.repeat(5000) } })
    await client.queueDeclare('narrow')
    hosts.peerOptions = { tune: { frameMax: 4096 } }
    peer.hangUp()
    await heard('recovered')
    expect(told).toContain('queue wide: ARGUMENT')
    const declared = hosts.peers[1]?.all('queue.declare').map(({ method: { args } }) => args.queue)
    expect(declared).toEqual(['narrow'])
    expect(hosts.peers).toHaveLength(2)
  })
})
