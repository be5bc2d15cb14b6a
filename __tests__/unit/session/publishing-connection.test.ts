/** Covers which connection publishing takes: one of its own, when it comes, what it carries, and what its end means. */

import { afterEach, describe, expect, test } from '@jest/globals'
import { readConsumeOptions } from '../../../src/client/consume-options.js'
import type { ClientOptions, UrlSource } from '../../../src/client-options.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import {
  ArgumentError,
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionClosedError,
} from '../../../src/errors.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import { confirmAll } from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'
import { messageOf } from '../../support/wire/messages.js'

const ONCE = { recovery: false } as const
const CLOSED = new ConnectionClosedError('the test is over')

afterEach(closeBareClients)

/** A client that publishes on a connection of its own; every publish that asks for it is confirmed. */
async function separate(options: ClientOptions = {}, source?: UrlSource) {
  const connected = await connectedBareClient({ publishConnection: 'separate', ...options }, source)
  connected.hosts.prepare = peer => confirmAll(peer)
  return connected
}

describe('the connection for publishing', () => {
  test('is opened with the first publish, and takes all of them, and nothing else', async () => {
    const { client, hosts, peer } = await separate()
    await turns()
    expect(hosts.peers).toHaveLength(1)
    await Promise.all([client.publish(messageOf('a'), true, {}), client.publish(messageOf('b'), false, {})])
    await client.publish(messageOf('c'), true, {})
    expect(hosts.peers).toHaveLength(2)
    const own = await hosts.next()
    expect(own.all('basic.publish')).toHaveLength(3)
    expect(peer.all('basic.publish')).toEqual([])
    expect(peer.all('channel.open')).toEqual([])
  })

  test('has the name of the other one, and says what it is for', async () => {
    const { client, hosts, peer } = await separate({ connectionName: 'orders' })
    await client.publish(messageOf('a'), true, {})
    const names = await Promise.all(
      [peer, await hosts.next()].map(async one => {
        const { method } = await one.next('connection.start-ok')
        return method.args.clientProperties.connection_name
      }),
    )
    expect(names).toEqual(['orders', 'orders (publishing)'])
  })

  test('leads to the same host, with the credentials of the moment', async () => {
    let asked = 0
    const { client, hosts } = await separate({ hostOrder: 'fixed' }, () => {
      const hosts = ++asked === 1 ? ['a', 'b'] : ['b', 'a']
      return hosts.map(host => `amqp://u:token${asked}@${host}`)
    })
    await client.publish(messageOf('a'), true, {})
    expect(hosts.askedHosts).toEqual(['a', 'a'])
    const { method } = await (await hosts.next()).next('connection.start-ok')
    expect(method.args.response.toString()).toBe('\0u\0token2')
  })

  test('hears of a new secret, too', async () => {
    const { client, hosts, peer } = await separate()
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    for (const one of [peer, own]) {
      one.on('connection.update-secret', () => one.send(0, 'connection.update-secret-ok', {}))
    }
    await client.updateSecret('new', 'refresh')
    expect(own.all('connection.update-secret')).toHaveLength(1)
  })

  test('hears of one that comes while it is being opened, before anything is published', async () => {
    const { client, hosts, peer } = await separate({}, 'amqp://u:old@a')
    const acknowledge = (one: ScriptedPeer): void =>
      one.on('connection.update-secret', () => one.send(0, 'connection.update-secret-ok', {}))
    acknowledge(peer)
    let taken: Promise<void> | undefined
    hosts.prepare = one => {
      confirmAll(one)
      acknowledge(one)
      one.on('connection.start-ok', () => {
        taken = client.updateSecret('new', 'refresh')
        one.send(0, 'connection.tune', { channelMax: 0, frameMax: 0, heartbeat: 0 })
      })
    }
    await client.publish(messageOf('a'), true, {})
    await taken
    const own = await hosts.next()
    const names = own.received.map(({ method }) => method.name)
    expect(names.indexOf('connection.update-secret')).toBe(names.indexOf('connection.open') + 1)
  })

  test('is let in with what was good where a new secret is refused', async () => {
    const { client, hosts, peer } = await separate({}, 'amqp://u:old@a')
    peer.on('connection.update-secret', () => peer.send(0, 'connection.update-secret-ok', {}))
    await client.updateSecret('wrong', 'refresh')
    hosts.prepare = one => {
      confirmAll(one)
      one.on('connection.start-ok', ({ method: { args } }) => {
        if (args.response.toString() === '\0u\0wrong') one.closeConnection(403, 'ACCESS_REFUSED')
        else one.send(0, 'connection.tune', { channelMax: 0, frameMax: 0, heartbeat: 0 })
      })
    }
    await client.publish(messageOf('a'), true, {})
    expect(hosts.peers).toHaveLength(3)
    expect(hosts.peers[2]?.all('basic.publish')).toHaveLength(1)
  })

  test('that cannot be opened keeps no new secret waiting', async () => {
    const { client, hosts, peer } = await separate()
    peer.on('connection.update-secret', () => peer.send(0, 'connection.update-secret-ok', {}))
    confirmAll(peer)
    let taken: Promise<void> | undefined
    hosts.prepare = one =>
      one.on('connection.start-ok', () => {
        taken = client.updateSecret('new', 'refresh')
        one.closeConnection(530, 'NOT_ALLOWED - too many connections')
      })
    await client.publish(messageOf('a'), true, {})
    await taken
    expect(peer.all('basic.publish')).toHaveLength(1)
  })

  test('may be blocked while everything else goes on', async () => {
    const { client, hosts, told } = await separate()
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    own.send(0, 'connection.blocked', { reason: 'low on memory' })
    await turns()
    expect(client.state).toMatchObject({ name: 'open', blocked: 'low on memory' })
    const waiting = client.publish(messageOf('b'), true, {})
    await turns()
    expect(own.all('basic.publish')).toHaveLength(1)
    own.send(0, 'connection.unblocked', {})
    await waiting
    expect(client.state).toMatchObject({ name: 'open', blocked: undefined })
    expect(told).toEqual(['connect a:5672', 'blocked low on memory', 'unblocked'])
  })

  test('alone counts where it comes to blocking, once it is there', async () => {
    const { client, hosts, peer, told } = await separate()
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    peer.send(0, 'connection.blocked', { reason: 'the other one' })
    await turns()
    expect(client.state).toMatchObject({ name: 'open', blocked: undefined })
    await client.publish(messageOf('b'), true, {})
    own.send(0, 'connection.blocked', { reason: 'low on memory' })
    peer.send(0, 'connection.unblocked', {})
    await turns()
    expect(client.state).toMatchObject({ name: 'open', blocked: 'low on memory' })
    own.send(0, 'connection.unblocked', {})
    await client.heard('unblocked')
    expect(told).toEqual(['connect a:5672', 'blocked low on memory', 'unblocked'])
  })

  test('is closed in good order with the client', async () => {
    const { client, hosts, peer } = await separate()
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    await client.close(CLOSED)
    expect(own.all('connection.close')).toHaveLength(1)
    expect(peer.all('connection.close')).toHaveLength(1)
    expect([own.clientGone, peer.clientGone]).toEqual([true, true])
  })

  test('is let go of where the client is closed while it is being opened', async () => {
    const { client, hosts } = await separate()
    hosts.prepare = one => one.on('connection.open', () => undefined)
    const published = errorOf(client.publish(messageOf('a'), true, {}))
    const own = await hosts.next()
    await own.next('connection.open')
    await client.close(CLOSED)
    expect(await published).toBeInstanceOf(ConnectionClosedError)
    await turns()
    expect(own.clientGone).toBe(true)
  })
})

describe('where no connection for publishing is to be had', () => {
  test('publishing shares the other one', async () => {
    const { client, hosts, peer } = await separate()
    confirmAll(peer)
    hosts.prepare = one =>
      one.on('connection.open', () =>
        one.closeConnection(530, 'NOT_ALLOWED - connection limit is reached', 'connection.open'),
      )
    await Promise.all([client.publish(messageOf('a'), true, {}), client.publish(messageOf('b'), true, {})])
    expect(peer.all('basic.publish')).toHaveLength(2)
    expect(client.state).toMatchObject({ name: 'open' })
    await client.publish(messageOf('c'), true, {})
    expect(hosts.peers).toHaveLength(2)
  })

  test('what that one is told of blocking holds, also from before', async () => {
    const { client, hosts, peer, heard } = await separate()
    hosts.mood = 'down'
    peer.send(0, 'connection.blocked', { reason: 'low on disk' })
    await heard('blocked low on disk')
    confirmAll(peer)
    const waiting = client.publish(messageOf('a'), true, {})
    await turns()
    expect(peer.all('basic.publish')).toEqual([])
    peer.send(0, 'connection.unblocked', {})
    await waiting
  })
})

describe('the end of the connection for publishing', () => {
  test('is the end of the client, without recovery', async () => {
    const { client, hosts, peer, told } = await separate(ONCE)
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    own.on('basic.publish', () => own.hangUp())
    const error = await errorOf(client.publish(messageOf('b'), true, {}))
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    await client.closed
    expect(told).toEqual([
      'connect a:5672',
      'given up ConnectionBrokenError',
      'disconnect ConnectionBrokenError',
    ])
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('is recovered from: both are made anew, and what was not confirmed is sent again', async () => {
    const { client, hosts, heard } = await separate()
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    own.on('basic.publish', () => own.hangUp())
    await client.publish(messageOf('b'), true, {})
    await heard('recovered a:5672')
    await hosts.next()
    expect((await hosts.next()).all('basic.publish')).toHaveLength(1)
    expect(client.metrics).toMatchObject({ published: 2, confirmed: 2, resent: 1, reconnects: 1 })
  })

  test('over what was published is no fault of what is under way on the other', async () => {
    const { client, hosts, peer } = await separate(ONCE)
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    const { session } = client
    const ended = new Promise<unknown>(resolve => {
      session?.subscribe(
        {
          queues: readConsumeOptions(
            ['q'],
            {},
            {},
            { takenTags: new Set<string>(), isContended: () => false },
          ).queues,
          prefetch: 1,
          context: {},
        },
        {
          onReady: () => undefined,
          onDelivery: () => undefined,
          onOversized: () => undefined,
          onSettled: () => undefined,
          onEnd: resolve,
        },
      )
    })
    await peer.next('basic.consume')
    own.on('basic.publish', () => own.closeConnection(503, 'COMMAND_INVALID', 'basic.publish'))
    const published = await errorOf<ConnectionBrokenError>(client.publish(messageOf('b'), true, {}))
    expect(published.cause).toBeInstanceOf(CommandInvalidError)
    const told = (await ended) as ConnectionBrokenError
    expect(told).toBeInstanceOf(ConnectionBrokenError)
    expect(told.message).toContain('the connection for publishing was lost: COMMAND_INVALID')
    expect(told.cause).not.toHaveProperty('replyCode', 503)
    expect(() => client.check('x')).toThrow(
      expect.objectContaining({ message: expect.stringContaining('COMMAND_INVALID') }),
    )
  })

  test('comes with that of the other one', async () => {
    const { client, hosts, peer, heard } = await separate({ recovery: { initialDelay: 1e9, maxDelay: 1e9 } })
    await client.publish(messageOf('a'), true, {})
    const own = await hosts.next()
    own.on('basic.publish', () => undefined)
    const waiting = quiet(client.publish(messageOf('b'), true, {}))
    await own.several('basic.publish', 2)
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    await turns()
    expect(own.clientGone).toBe(true)
    expect(client.metrics.pendingPublishes).toBe(1)
    await closeBareClients()
    await expect(waiting).rejects.toBeInstanceOf(ConnectionClosedError)
  })
})

describe('publishConnection', () => {
  test.each([
    [{}, true],
    [{ publishConnection: 'shared' }, false],
    [{ transport: () => Promise.reject(new Error('none')) }, false],
    [{ transport: () => Promise.reject(new Error('none')), publishConnection: 'separate' }, true],
  ] as const)('of %p makes that separate: %p', (options, expected) => {
    expect(resolveConfig('amqp:///', options).separatePublishing).toBe(expected)
  })

  test('shared, everything goes over one connection', async () => {
    const { client, hosts, peer } = await connectedBareClient()
    confirmAll(peer)
    await client.publish(messageOf('a'), true, {})
    expect(hosts.peers).toHaveLength(1)
  })

  test('is one of two words', () => {
    expect(() => resolveConfig('amqp:///', { publishConnection: 'own' as never })).toThrow(ArgumentError)
  })
})
