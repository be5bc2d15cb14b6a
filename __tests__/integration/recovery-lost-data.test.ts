/** Covers a client whose broker has lost all its data: it gets back everything that was declared. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PrivateNode, startPrivateNode } from '../support/broker/broker.js'
import { open } from '../support/broker/client.js'
import { iterate, take, textsOf } from '../support/broker/consuming.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 20, maxDelay: 200 }

describe('a broker that has lost all its data', () => {
  let node: PrivateNode

  beforeAll(async () => {
    node = await startPrivateNode()
  }, 2 * MINUTE)

  afterAll(() => node.stop(), MINUTE)

  test(
    'gets everything back from its client',
    async () => {
      const client = await open({ recovery: RECOVERY }, node.url)
      const renamings: string[][] = []
      client.on('queueRenamed', (...names) => renamings.push(names))
      await client.exchangeDeclare('source', { type: 'topic' })
      await client.exchangeDeclare('target', { type: 'fanout', internal: true })
      await client.exchangeBind('target', 'source', 'a.*')
      await client.queueDeclare('durable', { arguments: { 'x-max-length': 10 } })
      await client.queueDeclare('exclusive', { exclusive: true })
      await client.queueDeclare('passing', { autoDelete: true })
      const { queue: named } = await client.queueDeclare('', { exclusive: true })
      for (const queue of ['durable', 'exclusive', 'passing', named]) await client.queueBind(queue, 'target')
      const queues = ['durable', 'exclusive', 'passing', named]
      const all = iterate(client.basicConsumeMulti(queues, { prefetchCount: 4 }))
      await client.basicPublish('source', 'a.b', 'before')
      expect(textsOf(await take(all, 4))).toEqual(Array(4).fill('before'))

      const recovered = once(client, 'recovered')
      for (const command of ['stop_app', 'reset', 'start_app']) await node.ctl(command)
      await recovered
      await client.basicPublish('source', 'a.b', 'after')
      expect(textsOf(await take(all, 4))).toEqual(Array(4).fill('after'))
      expect(renamings).toEqual([[named, expect.any(String)]])

      const listed = await node.ctl(
        '-q',
        '--no-table-headers',
        'list_bindings',
        'source_name',
        'destination_name',
        'routing_key',
      )
      const bindings = listed
        .split('\n')
        .filter(line => /^(source|target)\t/.test(line))
        .sort()
      expect(bindings).toEqual(
        [
          'source\ttarget\ta.*',
          ...['durable', 'exclusive', 'passing', renamings[0]?.[1]].map(queue => `target\t${queue}\t`),
        ].sort(),
      )
      const attributes = ['name', 'durable', 'auto_delete', 'exclusive', 'arguments']
      const queueList = await node.ctl('-q', '--no-table-headers', 'list_queues', ...attributes)
      expect(queueList).toMatch(/^durable\ttrue\tfalse\tfalse\t\[.*x-max-length.*10.*\]$/m)
      expect(queueList).toMatch(/^exclusive\tfalse\tfalse\ttrue\t/m)
      expect(queueList).toMatch(/^passing\ttrue\ttrue\tfalse\t/m)
      const exchangeList = await node.ctl(
        '-q',
        '--no-table-headers',
        'list_exchanges',
        'name',
        'type',
        'internal',
      )
      expect(exchangeList).toMatch(/^source\ttopic\tfalse$/m)
      expect(exchangeList).toMatch(/^target\tfanout\ttrue$/m)
    },
    3 * MINUTE,
  )
})
