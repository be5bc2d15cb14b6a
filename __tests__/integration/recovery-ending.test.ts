/** Covers close() and drain() in every state, also during recovery: they end soon and leave nothing. */
import { describe, expect, test } from '@jest/globals'
import { type Client, ConnectionClosedError, TimeoutError } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newClient, newQueue, open, uniqueName } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { handles } from '../support/handles.js'
import { errorOf, eventually, namesOf } from '../support/outcome.js'

/** A broker that does not answer is given three seconds to say goodbye; the rest is for a machine that is slow. */
const SOON = 15_000
const AT_ONCE = { initialDelay: 0 }
const NOT_SOON = { initialDelay: 1e9, maxDelay: 1e9 }

/** A way into a state: what a client is to be made with, and how it comes there. */
interface Way {
  readonly state: string
  readonly options?: object
  readonly name: string
  go(client: Client, proxy: TcpProxy): Promise<void>
}

async function lose(client: Client, proxy: TcpProxy): Promise<void> {
  const lost = new Promise(resolve => client.once('disconnect', resolve))
  proxy.cut('reset')
  await lost
}

/** Connections from now on get no answer. */
function deafen(proxy: TcpProxy): Promise<void> {
  const arrived = proxy.next()
  return arrived.then(connection => connection.stall('down'))
}

const WAYS: readonly Way[] = [
  { state: 'not connected yet', name: 'idle', go: async () => undefined },
  {
    state: 'connecting, with no answer',
    name: 'connecting',
    go: async (client, proxy) => {
      const deaf = deafen(proxy)
      void client.connect().catch(() => undefined)
      await deaf
    },
  },
  {
    state: 'between two attempts to connect',
    name: 'connecting',
    options: { retryInitial: true, recovery: NOT_SOON },
    go: async (client, proxy) => {
      proxy.refusing = true
      void client.connect().catch(() => undefined)
      await eventually(() => client.state.name === 'connecting' && client.state.attempt === 2)
    },
  },
  {
    state: 'connected',
    name: 'open',
    go: async client => {
      await client.connect()
    },
  },
  {
    state: 'lost, and waiting for the next attempt',
    name: 'reconnecting',
    options: { recovery: NOT_SOON },
    go: async (client, proxy) => {
      await client.connect()
      await lose(client, proxy)
    },
  },
  {
    state: 'reconnecting, over and over, in vain',
    name: 'reconnecting',
    options: { recovery: { initialDelay: 1, maxDelay: 5 } },
    go: async (client, proxy) => {
      await client.connect()
      proxy.refusing = true
      await lose(client, proxy)
      await eventually(() => proxy.arrivals.length > 5)
    },
  },
  {
    state: 'reconnecting, with no answer',
    name: 'reconnecting',
    options: { recovery: AT_ONCE },
    go: async (client, proxy) => {
      await client.connect()
      await proxy.next()
      const deaf = deafen(proxy)
      await lose(client, proxy)
      await deaf
    },
  },
  {
    state: 'bringing back topology, with no answer',
    name: 'reconnecting',
    options: { recovery: AT_ONCE },
    go: async (client, proxy) => {
      await client.connect()
      const first = await proxy.next()
      const handshake = first.passed('down')
      await client.queueDeclare(uniqueName())
      const second = proxy.next()
      // The second connection goes deaf as soon as the handshake is over.
      proxy.options = { stallAfter: { direction: 'down', bytes: handshake } }
      await lose(client, proxy)
      const connection = await second
      await eventually(() => connection.passed('down') >= handshake)
    },
  },
]

/** A client in a state; everything that it leaves behind is seen by `left`. */
async function inState({ go, options = {}, name }: Way) {
  const before = handles()
  const proxy = await TcpProxy.start(brokerUrl())
  const client = newClient({ recovery: AT_ONCE, ...options }, proxy.url)
  await go(client, proxy)
  expect(client.state.name).toBe(name)
  const left = async (): Promise<void> => {
    await eventually(() => proxy.connections.length === 0)
    const { length } = proxy.arrivals
    await proxy.close()
    await eventually(() => Object.entries(handles()).every(([kind, count]) => count <= (before[kind] ?? 0)))
    expect(proxy.arrivals).toHaveLength(length)
    expect(client.state).toEqual({ name: 'closed', error: undefined })
  }
  return { client, proxy, left }
}

describe.each(WAYS.map(way => [way.state, way] as const))('a client that is %s', (_, way) => {
  test('closes soon, and leaves nothing', async () => {
    const { client, left } = await inState(way)
    const start = performance.now()
    await client.close()
    await client.closed
    expect(performance.now() - start).toBeLessThan(SOON)
    expect(await errorOf(client.connect())).toBeInstanceOf(ConnectionClosedError)
    await left()
  })

  test('drains soon, and leaves nothing', async () => {
    const { client, left } = await inState(way)
    const start = performance.now()
    await client.drain({ timeout: SOON })
    expect(performance.now() - start).toBeLessThan(SOON)
    await left()
  })
})

describe('draining a client that has lost its connection', () => {
  const lost = WAYS.find(({ state }) => state.includes('in vain')) as Way

  test('waits for what is pending until the time is up, and then ends all the same', async () => {
    const { client, left } = await inState(lost)
    const pending = namesOf([client.basicPublish('', 'nowhere', 'x'), client.queueDeclare(uniqueName())])
    expect(await errorOf(client.drain({ timeout: 200 }))).toBeInstanceOf(TimeoutError)
    expect(await pending).toEqual(['ConnectionClosedError', 'ConnectionClosedError'])
    await left()
  })

  test('waits for what is pending, and ends well when that gets through', async () => {
    const { client, proxy, left } = await inState(lost)
    const queue = uniqueName()
    const pending = [client.queueDeclare(queue), client.basicPublish('', 'nowhere', 'x')]
    const drained = client.drain()
    proxy.refusing = false
    await drained
    expect(await namesOf(pending)).toEqual(['ok', 'ok'])
    await left()
  })

  test('is cut short by close()', async () => {
    const { client, left } = await inState(lost)
    const pending = namesOf([client.basicPublish('', 'nowhere', 'x')])
    const drained = errorOf(client.drain())
    await client.close()
    expect(await drained).toBeInstanceOf(ConnectionClosedError)
    expect(await pending).toEqual(['ConnectionClosedError'])
    await left()
  })

  test('ends consumers normally, and does not wait for messages that will come again', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open({ recovery: NOT_SOON }, proxy.url)
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'x')
    const messages = client.basicConsume(queue)[Symbol.asyncIterator]()
    const { value } = await messages.next()
    const next = messages.next()
    await lose(client, proxy)
    await client.drain({ timeout: SOON })
    expect(await next).toEqual({ value: undefined, done: true })
    expect(value?.ack()).toBe(false)
  })
})
