// Covers: connections that break at every single byte: of the handshake, and of a publish and its confirm.

import { describe, expect, test } from '@jest/globals'
import { AuthenticationError, Client, ConnectionBrokenError } from '../../src/index.js'
import { brokerUrl } from '../support/broker.js'
import { getTexts, newClient, newQueue, open } from '../support/client.js'
import { errorOf, eventually } from '../support/outcome.js'
import { type Cut, type Direction, TcpProxy } from '../support/proxy.js'

const MINUTE = 60_000
/** So many connections are tried at once. */
const LANES = 8
const BROKEN_ONCE = { recovery: { initialDelay: 0 }, retryInitial: true, heartbeat: 0 }

/** How many bytes of a connection have passed. */
type Passed = Record<Direction, number>

/** Tries every offset, several at once; both manners of cutting in turn. */
async function atEvery(
  from: number,
  to: number,
  attempt: (proxy: TcpProxy, bytes: number, how: Cut) => Promise<void>,
): Promise<void> {
  let next = from
  const lane = async (): Promise<void> => {
    const proxy = await TcpProxy.start(brokerUrl())
    while (next < to) {
      const bytes = next++
      await attempt(proxy, bytes, bytes % 2 === 0 ? 'reset' : 'end')
    }
    await eventually(() => proxy.connections.length === 0)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

/** How many bytes a handshake takes, and a first publish behind it. */
async function measure(queue: string): Promise<{ handshake: Passed; publish: Passed }> {
  const proxy = await TcpProxy.start(brokerUrl())
  const client = await open(BROKEN_ONCE, proxy.url)
  const connection = await proxy.next()
  const passed = (): Passed => ({ up: connection.passed('up'), down: connection.passed('down') })
  const handshake = passed()
  await client.basicPublish('', queue, 'measured')
  const publish = passed()
  await client.close()
  return { handshake, publish }
}

/** A client whose first connection is cut behind so many bytes; the second one holds. */
async function connectOnce(proxy: TcpProxy, direction: Direction, bytes: number, how: Cut): Promise<Client> {
  proxy.options = { cutAfter: { direction, bytes, how } }
  const arrived = proxy.arrivals.length
  const client = new Client(proxy.url, BROKEN_ONCE)
  const connecting = client.connect()
  await Promise.race([connecting, eventually(() => proxy.arrivals.length > arrived)])
  proxy.options = {}
  await connecting
  return client
}

describe.each<Direction>(['up', 'down'])('a handshake that is cut at any byte on its way %s', direction => {
  test(
    'fails connect() with an error that says so, and leaves nothing open',
    async () => {
      const { handshake } = await measure('amq.rabbitmq.reply-to')
      const names = new Set<string>()
      await atEvery(0, handshake[direction], async (proxy, bytes, how) => {
        proxy.options = { cutAfter: { direction, bytes, how } }
        const client = newClient({ heartbeat: 0 }, proxy.url)
        names.add((await errorOf(client.connect())).name)
        expect(client.state).toEqual({ name: 'idle' })
        await client.close()
      })
      names.delete(ConnectionBrokenError.name)
      // Hanging up is also how a server may refuse credentials.
      names.delete(AuthenticationError.name)
      expect([...names]).toEqual([])
    },
    2 * MINUTE,
  )

  test(
    'is made anew with retryInitial',
    async () => {
      const { handshake } = await measure('amq.rabbitmq.reply-to')
      await atEvery(0, handshake[direction], async (proxy, bytes, how) => {
        const client = await connectOnce(proxy, direction, bytes, how)
        expect(client.isOpen).toBe(true)
        await client.close()
      })
    },
    2 * MINUTE,
  )
})

describe.each<Direction>(['up', 'down'])('a publish that is cut at any byte on its way %s', direction => {
  test(
    'resolves, and the message is in the queue',
    async () => {
      const watcher = await open()
      const queue = await newQueue(watcher)
      const { handshake, publish } = await measure(queue)
      const sent = new Set(['measured'])
      await atEvery(handshake[direction] + 1, publish[direction], async (proxy, bytes, how) => {
        const client = await connectOnce(proxy, direction, bytes, how)
        const text = String(bytes).padStart('measured'.length)
        await client.basicPublish('', queue, text)
        expect(client.metrics().reconnects).toBe(1)
        sent.add(text)
        await client.close()
      })
      expect(sent.size).toBe(publish[direction] - handshake[direction])
      const texts = await getTexts(watcher, queue)
      expect(new Set(texts)).toEqual(sent)
      console.log(
        `${sent.size} publishes, each cut on its way ${direction}: ${texts.length - sent.size} twice`,
      )
    },
    2 * MINUTE,
  )
})
