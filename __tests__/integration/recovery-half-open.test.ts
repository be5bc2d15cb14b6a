/** Covers what becomes of topology and consumers while the broker takes a dead connection for alive. */
import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import { brokerUrl } from '../support/broker/broker.js'
import { newExchange, newQueue, open } from '../support/broker/client.js'
import { consumersOf, iterate, take, textsOf } from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { measured } from '../support/faults/traffic.js'
import { eventually, namesOf } from '../support/outcome.js'

const MINUTE = 60_000
const RECOVERY = { initialDelay: 20, maxDelay: 200 }

describe('while the broker takes the dead connection for alive', () => {
  test(
    'an exclusive queue, and the only consumer of another one, are waited for; all else is there at once',
    async () => {
      const link = await TcpProxy.start(brokerUrl())
      // The broker gives a connection up when it was silent for twice that long.
      const client = await open({ recovery: RECOVERY, heartbeat: 2 }, link.url)
      const other = await open()
      const troubles: unknown[] = []
      client.on('topologyError', (...trouble) => troubles.push(trouble))
      const exchange = await newExchange(client, { type: 'fanout' })
      const queue = await newQueue(client, { exclusive: true })
      const shared = await newQueue(client)
      for (const name of [queue, shared]) await client.queueBind(name, exchange)
      // It goes with the queue, when the broker finds the connection dead.
      const passing = await newExchange(client, { type: 'fanout', autoDelete: true })
      await client.queueBind(queue, passing)
      const fromQueue = iterate(client.basicConsume(queue))
      const fromShared = iterate(client.basicConsume(shared, { exclusive: true }))
      await client.basicPublish(exchange, '', '1')
      for (const messages of [fromQueue, fromShared]) await take(messages, 1, message => message.ack())
      // What was written before has arrived by then.
      await client.queueDeclare(shared, { passive: true })
      const recovered = once(client, 'recovered')
      const began = performance.now()
      link.orphan()
      await recovered
      const toRecover = performance.now() - began
      await client.basicPublish('', shared, '2')
      expect(textsOf(await take(fromShared, 1))).toEqual(['2'])
      const toConsume = performance.now() - began
      await eventually(async () => {
        await other.basicPublish(exchange, '', '3')
        // In between the queue is gone: the broker has seen what is dead, and the client has not been back yet.
        return (await consumersOf(client, queue).catch(() => 0)) === 1
      })
      // What binds the queue follows it.
      await eventually(
        async () => (await namesOf([other.basicPublish(passing, '', '4', { mandatory: true })]))[0] === 'ok',
      )
      for (let text = ''; text !== '4'; ) text = (await take(fromQueue, 1))[0]?.text() ?? ''
      measured('half-open', {
        'ms until recovered': toRecover,
        'ms until the consumer was back': toConsume,
        'ms until all was back': performance.now() - began,
      })
      expect(troubles).toEqual([])
      expect(toRecover).toBeLessThan(toConsume)
    },
    MINUTE,
  )
})
