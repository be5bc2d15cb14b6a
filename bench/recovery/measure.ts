/** Owns one measurement: a client with a topology loses its connection, again and again. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, connect } from 'puka-amqp'
import { wayTo } from './cut.js'
import { build, type Kind, remove, type Size } from './topology.js'

export interface Recovery {
  /** Milliseconds from the cut until the event `recovered`. */
  readonly recovered: number
  /** Until every consumer runs: queues that the lost connection still holds come back later. */
  readonly healthy: number
}

const TIMEOUT = 300_000

export async function recoveriesOf(url: string, kind: Kind, size: Size, rounds: number): Promise<Recovery[]> {
  const way = await wayTo(url)
  // The delay before an attempt is random: it is no part of what is measured.
  const client = await connect(way.url, { recovery: { initialDelay: 1, maxDelay: 100 } })
  client.on('topologyError', (entity, error) => {
    process.exitCode = 1
    console.error('not restored:', entity, error.message)
  })
  try {
    await build(client, kind, size)
    const recoveries: Recovery[] = []
    for (let round = 0; round < rounds; round++) recoveries.push(await recoveryOf(client, way.cut))
    if (kind === 'durable') await remove(client, size)
    return recoveries
  } finally {
    await client.close()
    way.close()
  }
}

async function recoveryOf(client: Client, cut: () => void): Promise<Recovery> {
  const event = once(client, 'recovered', { signal: AbortSignal.timeout(TIMEOUT) })
  const began = performance.now()
  cut()
  await event
  const recovered = performance.now() - began
  while (!client.isHealthy) {
    if (performance.now() - began > TIMEOUT) throw new Error('some consumers do not come back')
    await delay(2)
  }
  return { recovered, healthy: performance.now() - began }
}
