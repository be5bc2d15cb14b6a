/**
 * Covers a cluster of three nodes, a quorum queue, a producer and a consumer: the node that the client is on is killed,
 * comes back, the next one is killed, and so on round; and one is killed while another one hangs.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Client, type Consumer, NackedError } from '../../src/index.js'
import { type PrivateNode, startPrivateCluster, stopCluster } from '../support/broker/broker.js'
import { open } from '../support/broker/client.js'
import { QUORUM, readyIn } from '../support/broker/consuming.js'
import { measured, Producer, Taker } from '../support/faults/traffic.js'
import { eventually } from '../support/outcome.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 50, maxDelay: 1000 }

let nodes: PrivateNode[] = []

beforeAll(async () => {
  nodes = await startPrivateCluster(3)
}, 4 * MINUTE)

afterAll(() => stopCluster(nodes), MINUTE)

function nodeOf(client: Client): PrivateNode {
  const { state } = client
  const node = nodes.find(({ port }) => state.name === 'open' && state.server.host.endsWith(`:${port}`))
  if (node === undefined) throw new Error(`the client is ${state.name}`)
  return node
}

/** A client that tries the nodes in turn: the one after where it was comes first. */
async function openInTurn(): Promise<Client> {
  let turn = 0
  const urls = (): string[] => {
    const first = turn++
    return nodes.map((_, index) => nodes[(first + index) % nodes.length]?.url ?? '')
  }
  return open({ recovery: RECOVERY, hostOrder: 'fixed' }, urls)
}

interface Traffic {
  readonly producer: Producer
  readonly taker: Taker
  readonly consumer: Consumer
  readonly troubles: unknown[]
}

async function startTraffic(client: Client, queue: string): Promise<Traffic> {
  await client.queueDeclare(queue, { arguments: QUORUM.declare })
  const troubles: unknown[] = []
  client.on('topologyError', (...trouble) => troubles.push(trouble))
  const consumer = client.basicConsume(queue, { prefetchCount: 50 })
  const taker = new Taker(consumer)
  const producer = new Producer(client, queue)
  await producer.more(200)
  return { producer, taker, consumer, troubles }
}

/** Stops it, and sees to it that nothing was lost. */
async function finish(
  client: Client,
  queue: string,
  { producer, taker, consumer, troubles }: Traffic,
): Promise<void> {
  await producer.stop()
  await eventually(() => taker.missing(producer.confirmed).length === 0, MINUTE)
  await eventually(async () => (await readyIn(client, queue)) === 0)
  await consumer.cancel()
  await taker.ended
  measured('all in all', {
    published: producer.published,
    refused: producer.failures.length,
    confirmed: producer.confirmed.size,
    duplicates: taker.duplicates,
    reconnects: client.metrics().reconnects,
  })
  expect(troubles).toEqual([])
  await client.queueDelete(queue)
}

describe('a cluster whose nodes are killed', () => {
  test(
    'one after the other, loses nothing that was confirmed to a quorum queue, and the consumer goes on',
    async () => {
      const client = await openInTurn()
      const traffic = await startTraffic(client, 'rounds')
      const { producer, taker } = traffic
      const killed = new Set<PrivateNode>()
      for (let round = 1; round <= nodes.length; round++) {
        const node = nodeOf(client)
        killed.add(node)
        producer.gap.mark()
        taker.gap.mark()
        const recovered = once(client, 'recovered')
        const began = performance.now()
        await node.kill()
        await recovered
        const reconnected = performance.now() - began
        await producer.more(200)
        await eventually(() => taker.missing(producer.confirmed).length < 200, MINUTE)
        measured(`round ${round}`, {
          'ms to reconnect': reconnected,
          'longest time without a confirm, ms': producer.gap.longest,
          'without a delivery, ms': taker.gap.longest,
        })
        await node.restart()
        await node.ctl('await_online_nodes', '3')
      }
      await finish(client, 'rounds', traffic)
      expect(killed.size).toBe(nodes.length)
      expect(producer.failures).toEqual([])
      expect(producer.confirmed.size).toBe(producer.published)
    },
    8 * MINUTE,
  )

  test(
    'while another one hangs, leave a queue without a leader: what can wait waits, and nobody is given up',
    async () => {
      const client = await openInTurn()
      const traffic = await startTraffic(client, 'minority')
      const { producer, taker } = traffic
      const first = nodeOf(client)
      const second = nodes[(nodes.indexOf(first) + 1) % nodes.length] as PrivateNode
      producer.gap.mark()
      taker.gap.mark()
      const lost = once(client, 'disconnect')
      const began = performance.now()
      // Not killed as well: RabbitMQ 4.3.6 may not bring its queue back from that (docs/reliability.md).
      second.suspend()
      await first.kill()
      await lost
      // The queue may be late until its nodes are back.
      await eventually(() => client.isOpen)
      const reconnected = performance.now() - began
      // It has a connection, though the queue has no leader.
      await client.exchangeDeclare('amq.direct', { passive: true })
      second.resume()
      await first.restart()
      await producer.more(200, 2 * MINUTE)
      await eventually(() => taker.missing(producer.confirmed).length < 200, 2 * MINUTE)
      measured('without a majority', {
        'ms to reconnect': reconnected,
        'longest time without a confirm, ms': producer.gap.longest,
        'without a delivery, ms': taker.gap.longest,
      })
      await finish(client, 'minority', traffic)
      // What RabbitMQ cannot give to a leader in time, it may refuse (basic.nack): that is said, and nothing else is.
      for (const failure of producer.failures) expect(failure).toBeInstanceOf(NackedError)
      expect(producer.confirmed.size + producer.failures.length).toBe(producer.published)
    },
    8 * MINUTE,
  )
})
