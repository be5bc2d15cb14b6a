/**
 * Covers the bounds of recovery: how many clients spread out, how much memory one takes that is offline for long, and
 * what is left of one whose attempts are used up.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from '@jest/globals'
import { Client, ConnectionBrokenError, ResourceError } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { newQueue, open } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { handles } from '../support/handles.js'
import { errorOf, eventually, namesOf, tally } from '../support/outcome.js'

const MINUTE = 60_000

/** What is in use, once the garbage is gone, in bytes. The runtime frees buffers in the steps after a collection. */
async function memory(): Promise<number> {
  setFlagsFromString('--expose-gc')
  for (let round = 0; round < 3; round++) {
    runInNewContext('gc')()
    await new Promise(resolve => setImmediate(resolve))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What a tenth, a half and nine tenths of the figures do not exceed. */
function tenths(figures: readonly number[]): number[] {
  const sorted = figures.toSorted((a, b) => a - b)
  return [0.1, 0.5, 0.9].map(share => sorted[Math.floor(sorted.length * share)] ?? Number.NaN)
}

const spread = (figures: readonly number[]): string =>
  [Math.min(...figures), ...tenths(figures), Math.max(...figures)].join(', ')

test(
  'a hundred clients that lose their connections at once do not come back at once',
  async () => {
    const DELAY = 1000
    const proxy = await TcpProxy.start(brokerUrl())
    const clients = await Promise.all(
      Array.from({ length: 100 }, () => open({ recovery: { initialDelay: DELAY } }, proxy.url)),
    )
    const recovered = clients.map(client => new Promise(resolve => client.once('recovered', resolve)))
    const delays: number[] = []
    for (const client of clients) client.on('reconnecting', ({ delay }) => delays.push(delay))
    const { length } = proxy.arrivals
    const start = performance.now()
    proxy.cut('reset')
    await Promise.all(recovered)
    const arrivals = proxy.arrivals.slice(length).map(time => Math.round(time - start))
    expect([delays.length, arrivals.length]).toEqual([100, 100])
    console.log(
      `100 clients, lost at once: delays ${spread(delays)} ms of ${DELAY}; arrivals after ${spread(arrivals)} ms`,
    )
    const [early = 0, , late = 0] = tenths(delays)
    expect(late - early).toBeGreaterThan(DELAY / 2)
    // In no tenth of the time do a third of them come.
    for (const delay of delays) {
      const together = delays.filter(other => other >= delay && other < delay + DELAY / 10)
      expect(together.length).toBeLessThan(34)
    }
    await Promise.all(clients.map(client => client.close()))
  },
  MINUTE,
)

test(
  'a client that is offline for long, publishing on and on, keeps to its limits and to the memory that they mean',
  async () => {
    const LIMIT = 8_388_608
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open(
      { recovery: { initialDelay: 20, maxDelay: 100 }, maxPendingPublishBytes: LIMIT },
      proxy.url,
    )
    const queue = await newQueue(client)
    proxy.refusing = true
    const lost = new Promise(resolve => client.once('disconnect', resolve))
    proxy.cut('reset')
    await lost
    let full = 0
    const outcomes: Promise<string[]>[] = []
    let refused = 0
    // 30 MB in all, several times as much as there is room for.
    for (let round = 0; round < 30; round++) {
      if (round === 10) full = await memory()
      for (let index = 0; index < 1000; index++) {
        const published = client.basicPublish('', queue, Buffer.alloc(1000))
        if (client.metrics().pendingPublishBytes < LIMIT) outcomes.push(namesOf([published]))
        else published.catch(error => (error instanceof ResourceError ? refused++ : undefined))
      }
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(refused).toBeGreaterThan(20_000)
    expect(client.metrics().pendingPublishBytes).toBeLessThan(LIMIT + 2000)
    // How soon garbage goes, a busy machine decides; what is held never goes.
    await eventually(async () => (await memory()) - full < LIMIT)
    proxy.refusing = false
    expect(tally((await Promise.all(outcomes)).flat())).toEqual({ ok: outcomes.length })
  },
  MINUTE,
)

test('a client whose attempts are used up ends by itself, and leaves nothing', async () => {
  const before = handles()
  const proxy = await TcpProxy.start(brokerUrl())
  const client = new Client(proxy.url, { recovery: { initialDelay: 0, maxAttempts: 3 } })
  await client.connect()
  proxy.refusing = true
  const pending = errorOf(client.basicPublish('', 'nowhere', 'x', { signal: new AbortController().signal }))
  proxy.cut('reset')
  expect(await pending).toBeInstanceOf(ConnectionBrokenError)
  await client.closed
  expect(client.state).toMatchObject({ name: 'closed', error: { constructor: ConnectionBrokenError } })
  await proxy.close()
  await eventually(() => Object.entries(handles()).every(([kind, count]) => count <= (before[kind] ?? 0)))
})
