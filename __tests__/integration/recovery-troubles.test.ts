/**
 * Covers a topology that does not come back at once: the broker holds a part of it still, hangs over it, or ends the
 * connection over it, and there are few channels for all of it.
 */
import { once } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { TopologyEntity } from '../../src/client-state.js'
import type { AmqpError, Client, ClientOptions, Consumer } from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { iterate, numbers, readyIn, take, textsOf } from '../support/broker/consuming.js'
import { ExchangeType, type Mood } from '../support/broker/exchange-type.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually, isOver } from '../support/outcome.js'

const RECOVERY = { initialDelay: 20, maxDelay: 200 }

/** A client that recovers, behind a link that can be cut, and what it was told. */
async function openWeak(options: ClientOptions = {}, url = brokerUrl()) {
  const link = await TcpProxy.start(url)
  const client = await open({ recovery: RECOVERY, ...options }, link.url)
  const troubles: [TopologyEntity, AmqpError][] = []
  client.on('topologyError', (...trouble) => troubles.push(trouble))
  let recovered = 0
  client.on('recovered', () => recovered++)
  return { client, link, troubles, recoveries: () => recovered }
}

/** What reaches the consumer next. */
async function nextText(
  client: Client,
  queue: string,
  messages: ReturnType<typeof iterate>,
): Promise<unknown> {
  await client.basicPublish('', queue, 'alive')
  return textsOf(await take(messages, 1))[0]
}

describe('an exclusive queue that the lost connection still holds', () => {
  test('is waited for by publishes to it and by recovered, and by nothing else', async () => {
    const { client, link, troubles, recoveries } = await openWeak()
    const held = await newQueue(client, { exclusive: true })
    const plain = await newQueue(client)
    const consumer = client.basicConsume(plain, { noAck: true })
    const messages = iterate(consumer)
    await client.basicPublish('', held, 'opens the connection for publishes')
    const old = link.connections
    const delayed = once(client, 'topologyDelayed')
    const lost = once(client, 'disconnect')
    link.orphan()
    await lost
    const publishes = numbers(5).map(text => client.basicPublish('', held, text))
    const declared = client.queueDeclare(held, { passive: true })
    expect(await delayed).toMatchObject([{ kind: 'queue', name: held }, { name: 'TimeoutError' }])
    await eventually(() => consumer.state.name === 'running')
    // The broker takes the consumer of the lost connection for alive, too, and gives it one of two messages.
    await client.basicPublish('', plain, 'alive')
    expect(await nextText(client, plain, messages)).toBe('alive')
    for (const promise of [...publishes, declared]) expect(await isOver(promise)).toBe(false)
    expect(recoveries()).toBe(0)
    const recovered = once(client, 'recovered')
    for (const connection of old) connection.cut('reset')
    await Promise.all([...publishes, declared, recovered])
    expect(await readyIn(client, held)).toBe(5)
    expect(troubles).toEqual([])
  })

  test('has all that is confirmed, where both ends are reset at once, time after time', async () => {
    const { client, link, troubles } = await openWeak()
    const held = await newQueue(client, { exclusive: true })
    for (let round = 0; round < 10; round++) {
      const lost = once(client, 'disconnect')
      link.cut('reset')
      await lost
      await Promise.all(numbers(50).map(text => client.basicPublish('', held, text)))
      expect([round, await readyIn(client, held)]).toEqual([round, 50])
    }
    expect(troubles).toEqual([])
  })
})

describe('a connection with few channels', () => {
  test.each(['channelMax', 'a limit of the user'] as const)(
    'is enough for all that it was enough for before: %s',
    async limit => {
      const url = new URL(brokerUrl())
      url.username = uniqueName()
      url.password = 'secret'
      await ctl('add_user', url.username, url.password)
      try {
        await ctl('set_permissions', url.username, '.*', '.*', '.*')
        const options = limit === 'channelMax' ? { channelMax: 44 } : {}
        const { client, link, troubles } = await openWeak(options, url.href)
        const queues = await Promise.all(Array.from({ length: 40 }, () => newQueue(client)))
        const consumers: Consumer[] = queues.map(queue => client.basicConsume(queue, { noAck: true }))
        await Promise.all(consumers.map(consumer => consumer.ready))
        // Publishing has a connection of its own.
        if (limit !== 'channelMax') await ctl('set_user_limits', url.username, '{"max-channels": 46}')
        const heard = queues.map((_, index) => iterate(consumers[index] as Consumer))
        for (let round = 0; round < 2; round++) {
          const recovered = once(client, 'recovered')
          link.cut('reset')
          // Ten at once, and all of them again: more than there are channels for.
          await Promise.all(queues.flatMap(queue => [readyIn(client, queue), readyIn(client, queue)]))
          await recovered
          const texts = queues.map((queue, index) => nextText(client, queue, heard[index] as never))
          expect(new Set(await Promise.all(texts))).toEqual(new Set(['alive']))
        }
        expect(consumers.map(({ state }) => state.name)).toEqual(queues.map(() => 'running'))
        expect(troubles).toEqual([])
        await client.close()
      } finally {
        await ctl('delete_user', url.username)
      }
    },
  )
})

describe('an exchange', () => {
  let type: ExchangeType

  afterEach(() => type.set('works'))

  /** A client with an exchange of that type among other things, whose connection is lost while the type changes. */
  async function loseWith(mood: Mood, options?: ClientOptions) {
    type = new ExchangeType()
    await type.set('works')
    const weak = await openWeak(options)
    const { client, link } = weak
    const odd = await newExchange(client, { type: type.name })
    const [queue, exchange] = [await newQueue(client), await newExchange(client, { type: 'fanout' })]
    for (const source of [odd, exchange]) await client.queueBind(queue, source, 'k')
    const consumer = client.basicConsume(queue, { noAck: true })
    await consumer.ready
    const messages = iterate(consumer)
    const lost = once(client, 'disconnect')
    link.refusing = true
    link.cut('reset')
    await lost
    await type.set(mood)
    const recovered = once(client, 'recovered')
    link.refusing = false
    return { ...weak, odd, queue, exchange, messages, recovered }
  }

  test.each(['gone', 'fails'] as const)(
    'whose type the broker has no use for (%s) is told and left out, and the rest comes back',
    async mood => {
      const { client, link, troubles, odd, queue, exchange, messages, recovered } = await loseWith(mood)
      await recovered
      expect(troubles.map(([entity]) => entity)).toContainEqual({ kind: 'exchange', name: odd })
      expect(troubles.every(([{ name }]) => name.includes(odd))).toBe(true)
      await client.basicPublish(exchange, 'k', 'after')
      expect(textsOf(await take(messages, 1))).toEqual(['after'])
      // Found once, it does not end the next connection.
      const told = troubles.length
      const [lost, again] = [once(client, 'disconnect'), once(client, 'recovered')]
      link.cut('reset')
      await Promise.all([lost, again])
      expect(await readyIn(client, queue)).toBe(0)
      expect(troubles.slice(told).every(([{ name }]) => name.includes(odd))).toBe(true)
    },
  )

  test('over whose declaration the broker hangs keeps nothing else waiting, and is given up', async () => {
    const recovery = { ...RECOVERY, patience: 6000 }
    const { client, troubles, recoveries, odd, queue, messages, recovered } = await loseWith('hangs', {
      recovery,
    })
    const toIt = client.basicPublish(odd, 'k', 'to it')
    const about = errorOf(client.queueBind(queue, odd, 'other'))
    expect(await nextText(client, queue, messages)).toBe('alive')
    expect(await readyIn(client, queue)).toBe(0)
    expect([recoveries(), await isOver(toIt), await isOver(about)]).toEqual([0, false, false])
    expect(troubles).toEqual([])
    await recovered
    expect(troubles.map(([entity, { name }]) => [entity, name])).toContainEqual([
      { kind: 'exchange', name: odd },
      'TimeoutError',
    ])
    // The broker has it still.
    await toIt
    expect(textsOf(await take(messages, 1))).toEqual(['to it'])
  })
})

test('nothing is left when the client is closed while a part is not back', async () => {
  const { client, link } = await openWeak()
  const held = await newQueue(client, { exclusive: true })
  const old = link.connections
  const lost = once(client, 'disconnect')
  link.orphan()
  await lost
  const publish = errorOf(client.basicPublish('', held, 'never'))
  const delayed = once(client, 'topologyDelayed')
  await delayed
  await client.close()
  expect(await publish).toMatchObject({ name: 'ConnectionClosedError' })
  for (const connection of old) connection.cut('reset')
  await eventually(() => link.connections.length === 0)
})
