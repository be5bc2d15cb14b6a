/** Covers the client's first connection, and the last: which host it takes, its states, and what each means for a call. */
import { describe, expect, jest, test } from '@jest/globals'
import type { ClientOptions } from '../../../src/client-options.js'
import {
  ArgumentError,
  AuthenticationError,
  ConnectionBrokenError,
  ConnectionClosedError,
} from '../../../src/index.js'
import { BareClient } from '../../support/memory/bare-client.js'
import { PeerHosts } from '../../support/memory/peer-hosts.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

const OVER = new ConnectionClosedError('over')

describe('connecting', () => {
  test('takes the first host that answers', async () => {
    const hosts = new PeerHosts()
    hosts.setMood('a', 'down')
    const urls = ['amqps://a', 'amqps://b:1', 'amqps://c']
    const client = new BareClient(urls, hosts.transport, { hostOrder: 'fixed' })
    expect(await client.connect()).toMatchObject({ product: 'peer', host: 'b:1' })
    expect(hosts.asked).toEqual([
      { host: 'a', port: 5671, path: undefined, tls: {} },
      { host: 'b', port: 1, path: undefined, tls: {} },
    ])
    expect(client.told).toEqual(['connect b:1'])
    await client.close(OVER)
  })

  test('says what each host answered where none can be used', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'down'
    const client = new BareClient(['amqp://a', 'amqp://b'], hosts.transport, { hostOrder: 'fixed' })
    await expect(client.connect()).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      message: expect.stringMatching(/a refuses.*b refuses/),
      cause: expect.any(AggregateError),
    })
    expect(client.told).toEqual([])
    await client.close(OVER)
  })

  test('says what the only host answered as it is', async () => {
    const hosts = new PeerHosts()
    hosts.peerOptions = { mechanisms: 'NONE' }
    const client = new BareClient(['amqp://a'], hosts.transport)
    await expect(client.connect()).rejects.toBeInstanceOf(AuthenticationError)
    await client.close(OVER)
  })

  test('is done once for those who call it twice', async () => {
    const hosts = new PeerHosts()
    const client = new BareClient(['amqp://a'], hosts.transport)
    const infos = await Promise.all([client.connect(), client.connect()])
    infos.push(await client.connect())
    expect(new Set(infos).size).toBe(1)
    expect(hosts.asked).toHaveLength(1)
    expect(client.told).toEqual(['connect a:5672'])
    await client.close(OVER)
  })

  test('fails at the first failure, and can be tried again then', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'down'
    const client = new BareClient(['amqp://a'], hosts.transport)
    await expect(client.connect()).rejects.toBeInstanceOf(ConnectionBrokenError)
    expect(hosts.asked).toHaveLength(1)
    expect(client.state).toEqual({ name: 'idle' })
    hosts.mood = 'up'
    await expect(client.connect()).resolves.toMatchObject({ product: 'peer' })
    await client.close(OVER)
  })

  test('spends the time that the function takes which gives the URL out of connectTimeout', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] })
    try {
      const hosts = new PeerHosts()
      hosts.mood = 'silent'
      const urls = async (): Promise<string[]> => {
        await sleep(80)
        return ['amqp://a', 'amqp://b']
      }
      const client = new BareClient(urls, hosts.transport, { hostOrder: 'fixed', connectTimeout: 100 })
      const failed = errorOf(client.connect())
      await jest.advanceTimersByTimeAsync(80)
      expect(hosts.asked).toHaveLength(1)
      await jest.advanceTimersByTimeAsync(19)
      expect(hosts.asked).toHaveLength(1)
      await jest.advanceTimersByTimeAsync(2)
      // The next host has all of its time.
      expect(hosts.asked).toHaveLength(2)
      await jest.advanceTimersByTimeAsync(98)
      expect(client.state).toMatchObject({ name: 'connecting' })
      await jest.advanceTimersByTimeAsync(3)
      expect(await failed).toMatchObject({ message: expect.stringMatching(/a:5672 within 100 ms.*b:5672/) })
    } finally {
      jest.useRealTimers()
    }
  })

  test('is refused at once with a URL or an option that makes no sense', () => {
    const { transport } = new PeerHosts()
    expect(() => new BareClient(['amqp://a', 'http://b'], transport)).toThrow(ArgumentError)
    expect(() => new BareClient(['amqp://a'], transport, { heartbeat: -1 })).toThrow(ArgumentError)
    expect(() => new BareClient(['amqp://a'], transport, { recovery: { factor: 0 } })).toThrow(ArgumentError)
    const misspelt = { whileOffline: 'fial' } as unknown as ClientOptions
    expect(() => new BareClient('amqp://a', transport, misspelt)).toThrow(ArgumentError)
    const notFlag = { retryInitial: 1 } as unknown as ClientOptions
    expect(() => new BareClient('amqp://a', transport, notFlag)).toThrow(ArgumentError)
  })
})

describe('connecting with retryInitial', () => {
  const recovery = { initialDelay: 0 }

  test('goes on until a host answers, and says how often it tried', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'silent'
    const client = new BareClient('amqp://a', hosts.transport, {
      recovery,
      retryInitial: true,
      connectTimeout: 10,
    })
    const connecting = client.connect()
    expect(client.state).toEqual({ name: 'connecting', attempt: 1 })
    while (hosts.asked.length < 3) await turns(1)
    expect(client.state).toEqual({ name: 'connecting', attempt: 3, error: expect.any(Error) })
    hosts.mood = 'up'
    await connecting
    expect(client.told.slice(0, 2)).toEqual(['reconnecting 2 a:5672', 'reconnecting 3 a:5672'])
    expect(client.told.at(-1)).toBe('connect a:5672')
    expect(client.state).toMatchObject({ name: 'open', server: { product: 'peer' } })
    await client.close(OVER)
  })

  test('keeps to the limit on attempts, and then says what the last one met', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'down'
    const limited = { recovery: { ...recovery, maxAttempts: 4 }, retryInitial: true }
    const client = new BareClient('amqp://a', hosts.transport, limited)
    await expect(client.connect()).rejects.toThrow('a refuses')
    expect(hosts.asked).toHaveLength(4)
    await client.close(OVER)
  })

  test('does not go on where recovery is off', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'down'
    const client = new BareClient('amqp://a', hosts.transport, { recovery: false, retryInitial: true })
    await expect(client.connect()).rejects.toThrow('a refuses')
    expect(hosts.asked).toHaveLength(1)
    await client.close(OVER)
  })

  test('does not repeat what the broker refused, where the options say so', async () => {
    const hosts = new PeerHosts()
    hosts.peerOptions = { mechanisms: 'NONE' }
    const once = { recovery: { ...recovery, retryRefused: false }, retryInitial: true }
    const client = new BareClient(['amqp://a', 'amqp://b'], hosts.transport, once)
    const error = await errorOf(client.connect())
    expect(error.cause).toMatchObject({ errors: [expect.any(AuthenticationError), expect.any(Error)] })
    expect(hosts.asked).toHaveLength(2)
    await client.close(OVER)
  })

  test('ends with the client, also between two attempts', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'down'
    const slow = { recovery: { initialDelay: 100_000, maxDelay: 100_000 }, retryInitial: true }
    const client = new BareClient('amqp://a', hosts.transport, slow)
    const failed = expect(client.connect()).rejects.toBe(OVER)
    await turns()
    await client.close(OVER)
    await failed
    expect(hosts.asked).toHaveLength(1)
  })
})

describe('closing', () => {
  test('ends an attempt to connect, with its own reason', async () => {
    const hosts = new PeerHosts()
    hosts.mood = 'silent'
    const client = new BareClient(['amqp://a', 'amqp://b'], hosts.transport)
    const failed = expect(client.connect()).rejects.toBe(OVER)
    await turns()
    await client.close(OVER)
    await failed
    await client.closed
    expect(hosts.asked).toHaveLength(1)
  })

  test('ends an attempt in the middle of its handshake, and drops the transport', async () => {
    const hosts = new PeerHosts()
    hosts.prepare = peer => peer.on('connection.open', () => undefined)
    const client = new BareClient(['amqp://a'], hosts.transport)
    const failed = expect(client.connect()).rejects.toBe(OVER)
    const peer = await hosts.next()
    await peer.next('connection.open')
    await client.close(OVER)
    await failed
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('ends an attempt that waits for the function that gives the URL', async () => {
    const hosts = new PeerHosts()
    const client = new BareClient(() => new Promise<string>(() => undefined), hosts.transport)
    const failed = expect(client.connect()).rejects.toBe(OVER)
    await turns()
    await client.close(OVER)
    await failed
    expect(hosts.asked).toEqual([])
  })

  test('in the very moment in which the connection is made leaves nothing open', async () => {
    // It takes some steps from the last frame of the handshake to the end of connect(): each may be the moment.
    for (let steps = 0; steps < 40; steps++) {
      const hosts = new PeerHosts()
      const client = new BareClient('amqp://a', hosts.transport)
      const closed = new Promise<void>(resolve => {
        hosts.prepare = peer =>
          peer.on('connection.open', async () => {
            peer.send(0, 'connection.open-ok', {})
            for (let step = 0; step < steps; step++) await null
            resolve(client.close(OVER))
          })
      })
      await client.connect().catch(() => undefined)
      await closed
      await turns()
      expect(client.state).toEqual({ name: 'closed', error: undefined })
      expect(hosts.peers.map(({ clientGone }) => clientGone)).toEqual([true])
    }
  })

  test('is done once, however often it is asked for, and is for good', async () => {
    const hosts = new PeerHosts()
    const client = new BareClient(['amqp://a'], hosts.transport)
    await client.connect()
    await Promise.all([1, 2, 3].map(() => client.close(OVER)))
    await client.closed
    expect(hosts.peers[0]?.all('connection.close')).toHaveLength(1)
    expect(client.state).toEqual({ name: 'closed', error: undefined })
    await expect(client.connect()).rejects.toMatchObject({
      constructor: ConnectionClosedError,
      message: 'connect: over; make a new client',
    })
  })

  test('is fine before there was any connection', async () => {
    const client = new BareClient(['amqp://a'], new PeerHosts().transport)
    expect(client.state).toEqual({ name: 'idle' })
    await client.close(OVER)
    await client.closed
    expect(client.state).toEqual({ name: 'closed', error: undefined })
  })
})

describe('an operation', () => {
  test('is possible only while there is a connection, or will be', async () => {
    const client = new BareClient(['amqp://a'], new PeerHosts().transport)
    const check = () => client.check('queueBind')
    expect(check).toThrow(ConnectionClosedError)
    expect(check).toThrow('queueBind: the client is not connected: call connect() first')
    const connecting = client.connect()
    expect(check).toThrow('queueBind: the client is not connected yet')
    await connecting
    expect(check).not.toThrow()
    await client.close(OVER)
    expect(check).toThrow('queueBind: over')
  })

  test('is not possible where a connection is lost for good: that is told, and has its cause', async () => {
    const hosts = new PeerHosts()
    const client = new BareClient(['amqp://a'], hosts.transport, { recovery: false })
    await client.connect()
    hosts.peers[0]?.hangUp()
    await client.closed
    expect(client.told).toEqual([
      'connect a:5672',
      'given up ConnectionBrokenError',
      'disconnect ConnectionBrokenError',
    ])
    expect(() => client.check('queueBind')).toThrow(ConnectionBrokenError)
    expect(client.state).toMatchObject({ name: 'closed', error: { constructor: ConnectionBrokenError } })
    await client.close(OVER)
    expect(client.state).toMatchObject({ name: 'closed', error: { constructor: ConnectionBrokenError } })
  })

  test('is possible while the broker blocks; that is told, and is part of the state', async () => {
    const hosts = new PeerHosts()
    const client = new BareClient(['amqp://a'], hosts.transport)
    await client.connect()
    hosts.peers[0]?.send(0, 'connection.blocked', { reason: 'disk' })
    await turns()
    expect(client.state).toMatchObject({ name: 'open', blocked: 'disk' })
    hosts.peers[0]?.send(0, 'connection.unblocked', {})
    await turns()
    expect(client.told).toEqual(['connect a:5672', 'blocked disk', 'unblocked'])
    expect(client.state).toMatchObject({ name: 'open', blocked: undefined })
    await client.close(OVER)
  })
})
