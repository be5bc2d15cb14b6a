/** Covers which publishes may be meant for what is not back yet, as far as this client's record tells. */
import { describe, expect, test } from '@jest/globals'
import type { TopologyEntity } from '../../../src/client-state.js'
import { missingRoutes } from '../../../src/recovery/missing-routes.js'
import { Restoration } from '../../../src/recovery/restoration.js'
import { TopologyRecord } from '../../../src/recovery/topology-record.js'

const QUEUE = {
  passive: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  noWait: false,
  arguments: {},
}
const EXCHANGE = { ...QUEUE, type: 'topic', internal: false }

function begin() {
  const record = new TopologyRecord()
  const late: Restoration[] = []
  return {
    record,
    exchange: (exchange: string, args: Record<string, string> = {}): void =>
      record.exchangeDeclared({ ...EXCHANGE, exchange, arguments: args }),
    queue: (queue: string): void => record.queueDeclared({ ...QUEUE, queue }, queue),
    bind: (queue: string, exchange: string): void =>
      record.queueBound({ queue, exchange, routingKey: 'k', noWait: false, arguments: {} }),
    lead: (source: string, destination: string): void =>
      record.exchangeBound({ source, destination, routingKey: 'k', noWait: false, arguments: {} }),
    isLate: (kind: TopologyEntity['kind'], name: string, subject: object = {}): void => {
      const plan = { entity: { kind, name }, subject, before: [], isWanted: () => true, act: async () => {} }
      late.push(new Restoration(plan, () => {}))
    },
    missing: () => {
      const found = missingRoutes(record, late)
      return found && { queues: found.queues, exchanges: [...found.exchanges].sort() }
    },
  }
}

describe('a publish may be meant for what is late', () => {
  test('not where nothing is', () => {
    const { queue, missing } = begin()
    queue('q')
    expect(missing()).toBeUndefined()
  })

  test('by the name of a queue, and by the exchanges that it is bound to', () => {
    const { queue, bind, isLate, missing } = begin()
    for (const name of ['q', 'other']) queue(name)
    bind('q', 'a')
    bind('q', 'b')
    bind('other', 'c')
    isLate('queue', 'q')
    expect(missing()).toEqual({ queues: ['q'], exchanges: ['a', 'b'] })
  })

  test('by an exchange itself', () => {
    const { exchange, isLate, missing } = begin()
    exchange('a')
    isLate('exchange', 'a')
    expect(missing()).toEqual({ queues: [], exchanges: ['a'] })
  })

  test.each([
    ['a queue', { queue: 'q', exchange: 'a' }],
    ['an exchange', { source: 'a', destination: 'b' }],
  ])('by the exchange from which a binding leads to %s', (_, subject) => {
    const { isLate, missing } = begin()
    isLate('binding', 'a -> somewhere', subject)
    expect(missing()).toEqual({ queues: [], exchanges: ['a'] })
  })

  test('by exchanges that lead there over others, and over alternate exchanges, in circles too', () => {
    const { exchange, queue, bind, lead, isLate, missing } = begin()
    queue('q')
    exchange('first', { 'alternate-exchange': 'second' })
    for (const name of ['second', 'third', 'aside']) exchange(name)
    lead('second', 'third')
    lead('third', 'second')
    lead('third', 'aside')
    bind('q', 'third')
    isLate('queue', 'q')
    expect(missing()).toEqual({ queues: ['q'], exchanges: ['first', 'second', 'third'] })
  })
})
