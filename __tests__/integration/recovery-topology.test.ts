/**
 * Covers what a client has declared and not deleted, after its connection was lost: what is there still, what is gone, and
 * what somebody else has made of it meanwhile.
 */
import { once } from 'node:events'
import { describe, expect, test } from '@jest/globals'
import type { TopologyEntity } from '../../src/client-state.js'
import {
  type AmqpError,
  type Client,
  NotFoundError,
  PreconditionFailedError,
  ResourceLockedError,
} from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { getOne, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { iterate, take, textsOf } from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually } from '../support/outcome.js'

const RECOVERY = { initialDelay: 20, maxDelay: 200 }

type Trouble = [TopologyEntity, AmqpError]

/** A client that recovers, behind a link that can be cut, and another one that is not cut off. */
async function openWeak(): Promise<{ client: Client; other: Client; link: TcpProxy; troubles: Trouble[] }> {
  const link = await TcpProxy.start(brokerUrl())
  const client = await open({ recovery: RECOVERY }, link.url)
  const troubles: Trouble[] = []
  client.on('topologyError', (...trouble) => troubles.push(trouble))
  return { client, other: await open(), link, troubles }
}

/** Loses the connection; while there is none, somebody else does something. */
async function cutOff(client: Client, link: TcpProxy, meanwhile?: () => Promise<unknown>): Promise<void> {
  const lost = once(client, 'disconnect')
  const recovered = once(client, 'recovered')
  link.refusing = true
  link.cut('reset')
  await lost
  await meanwhile?.()
  link.refusing = false
  await recovered
}

const exists = (client: Client, queue: string): Promise<boolean> =>
  client.queueDeclare(queue, { passive: true }).then(
    () => true,
    error => {
      if (error instanceof NotFoundError) return false
      throw error
    },
  )

const exchangeExists = (client: Client, exchange: string): Promise<boolean> =>
  client.exchangeDeclare(exchange, { passive: true }).then(
    () => true,
    error => {
      if (error instanceof NotFoundError) return false
      throw error
    },
  )

describe('after a lost connection', () => {
  test('what was declared and is gone is there again: exchanges, queues, bindings of both', async () => {
    const { client, other, link, troubles } = await openWeak()
    // The exchange that is bound to is declared last, and each binding twice.
    const [queue, target, source] = [await newQueue(client), await newExchange(client), uniqueName()]
    await client.exchangeDeclare(source, { type: 'headers' })
    const byColour = { arguments: { 'x-match': 'all', colour: 'red' } }
    for (let twice = 0; twice < 2; twice++) {
      await client.exchangeBind(target, source, 'k', byColour)
      await client.queueBind(queue, target, 'k')
    }
    await cutOff(client, link, async () => {
      // One by one: RabbitMQ 3.10 crashes (541) where both ends of a binding are deleted at once.
      await other.queueDelete(queue)
      await other.exchangeDelete(target)
      await other.exchangeDelete(source)
    })
    await client.basicPublish(source, 'k', 'red', { headers: { colour: 'red' } })
    await client.basicPublish(source, 'k', 'blue', { headers: { colour: 'blue' } })
    expect((await getOne(other, queue)).text()).toBe('red')
    expect(await other.queueDeclare(queue, { passive: true })).toMatchObject({ messageCount: 0 })
    expect(troubles).toEqual([])
  })

  test('exclusive queues are there again, with what binds them and consumes from them', async () => {
    const { client, other, link, troubles } = await openWeak()
    const exchange = await newExchange(client, { type: 'fanout' })
    const queue = await newQueue(client, { exclusive: true })
    await client.queueBind(queue, exchange)
    const messages = iterate(client.basicConsume(queue, { exclusive: true }))
    await other.basicPublish(exchange, '', 'before')
    expect(textsOf(await take(messages, 1))).toEqual(['before'])
    await cutOff(client, link)
    await other.basicPublish(exchange, '', 'after')
    expect(textsOf(await take(messages, 1))).toEqual(['after'])
    expect(troubles).toEqual([])
    expect(await errorOf(other.queueDeclare(queue, { passive: true }))).toBeInstanceOf(ResourceLockedError)
  })

  test('auto-delete queues and exchanges are there again, unless they have come to their end', async () => {
    const { client, other, link } = await openWeak()
    const exchange = await newExchange(client, { type: 'fanout', autoDelete: true })
    const queue = await newQueue(client, { autoDelete: true })
    await client.queueBind(queue, exchange)
    const over = await newQueue(client, { autoDelete: true })
    const overExchange = await newExchange(client, { autoDelete: true })
    await client.queueBind(over, overExchange, 'k')
    const ended = client.basicConsume(over)
    const messages = iterate(client.basicConsume(queue))
    await ended.ready
    await ended.cancel()
    await cutOff(client, link, () => eventually(async () => !(await exists(other, queue))))
    await other.basicPublish(exchange, '', 'after')
    expect(textsOf(await take(messages, 1))).toEqual(['after'])
    expect(await exists(other, over)).toBe(false)
    expect(await exchangeExists(other, overExchange)).toBe(false)
  })

  test('an auto-delete queue that refused its only consumer is there again', async () => {
    const { client, other, link } = await openWeak()
    const queue = await newQueue(client, { autoDelete: true })
    const refused = client.basicConsume(queue, { arguments: { 'x-priority': 'high' } })
    await expect(refused.ready).rejects.toThrow()
    expect(await exists(other, queue)).toBe(true)
    await cutOff(client, link, () => other.queueDelete(queue))
    expect(await exists(other, queue)).toBe(true)
  })

  test('what was deleted, unbound, or only asked for does not come back', async () => {
    const { client, other, link, troubles } = await openWeak()
    const [deleted, unbound] = [await newQueue(client), await newQueue(client)]
    const [exchange, deletedExchange] = [await newExchange(client), await newExchange(client)]
    const askedFor = await newQueue(other)
    const askedForExchange = await newExchange(other)
    await client.queueDeclare(askedFor, { passive: true })
    await client.exchangeDeclare(askedForExchange, { passive: true })
    await client.queueBind(deleted, exchange, 'k')
    await client.queueDelete(deleted)
    await client.exchangeBind(exchange, deletedExchange, 'k')
    await client.exchangeDelete(deletedExchange)
    // The broker does not look at the order of arguments.
    await client.queueBind(unbound, exchange, 'k', { arguments: { a: 1, b: 2n } })
    await client.queueUnbind(unbound, exchange, 'k', { arguments: { b: 2n, a: 1 } })
    await cutOff(client, link, () =>
      Promise.all([other.queueDelete(askedFor), other.exchangeDelete(askedForExchange)]),
    )
    expect(await exists(other, deleted)).toBe(false)
    expect(await exchangeExists(other, deletedExchange)).toBe(false)
    expect(await exists(other, askedFor)).toBe(false)
    expect(await exchangeExists(other, askedForExchange)).toBe(false)
    await client.basicPublish(exchange, 'k', 'to nobody')
    expect(await other.queueDeclare(unbound, { passive: true })).toMatchObject({ messageCount: 0 })
    expect(troubles).toEqual([])
  })

  test('what somebody else made different meanwhile is reported; the rest comes back', async () => {
    const { client, other, link, troubles } = await openWeak()
    const [changed, kept] = [await newQueue(client), await newQueue(client)]
    const [changedExchange, gone] = [await newExchange(client), await newExchange(other)]
    await client.queueBind(kept, gone, 'k')
    await client.queueBind(kept, changedExchange, 'k')
    await cutOff(client, link, async () => {
      for (const queue of [changed, kept]) await other.queueDelete(queue)
      for (const exchange of [changedExchange, gone]) await other.exchangeDelete(exchange)
      await other.queueDeclare(changed, { arguments: { 'x-max-length': 5 } })
      await other.exchangeDeclare(changedExchange, { type: 'topic' })
    })
    expect(troubles.map(([entity, error]) => [entity, error.constructor])).toEqual([
      [{ kind: 'exchange', name: changedExchange }, PreconditionFailedError],
      [{ kind: 'queue', name: changed }, PreconditionFailedError],
      [{ kind: 'binding', name: `${gone} -> ${kept} (k)` }, NotFoundError],
    ])
    await client.basicPublish(changedExchange, 'k', 'bound')
    expect((await getOne(other, kept)).text()).toBe('bound')
  })

  test('few of many queues that came and went come back, and only those', async () => {
    const { client, other, link } = await openWeak()
    const exchange = await newExchange(client, { type: 'fanout' })
    const names = Array.from({ length: 300 }, () => uniqueName())
    await Promise.all(
      names.map(async (name, index) => {
        await client.queueDeclare(name, { autoDelete: index % 2 === 0 })
        await client.queueBind(name, exchange)
        if (index % 100 !== 7) await client.queueDelete(name)
      }),
    )
    const left = names.filter((_, index) => index % 100 === 7)
    await cutOff(client, link, () => Promise.all(left.map(name => other.queueDelete(name))))
    await other.basicPublish(exchange, '', 'to all')
    const present = await Promise.all(names.map(name => exists(other, name)))
    expect(names.filter((_, index) => present[index])).toEqual(left)
    for (const name of left) expect((await getOne(other, name)).text()).toBe('to all')
  })
})

describe('a queue that expires', () => {
  /** Waits until the broker has deleted queues: to ask for one would be a use of it. */
  const haveExpired = (...queues: string[]): Promise<void> =>
    eventually(async () => {
      const text = await ctl('-q', '--no-table-headers', 'list_queues', 'name')
      return !text.split('\n').some(name => queues.includes(name))
    })

  test('does not come back when its time is over, nor does what only it was bound to', async () => {
    const { client, other, link, troubles } = await openWeak()
    const exchange = await newExchange(client, { autoDelete: true })
    const renamings: unknown[] = []
    client.on('queueRenamed', (...names) => renamings.push(names))
    const briefly = { arguments: { 'x-expires': 3000 } }
    const queue = await newQueue(client, briefly)
    const { queue: named } = await client.queueDeclare('', briefly)
    for (const name of [queue, named]) await client.queueBind(name, exchange, 'k')
    // One that was consumed from is one like the others when its consumer has ended.
    const consumed = await newQueue(client, briefly)
    const consumer = client.basicConsume(consumed)
    await consumer.ready
    await consumer.cancel()
    await cutOff(client, link, () => haveExpired(queue, named, consumed))
    expect(await exists(other, queue)).toBe(false)
    expect(await exists(other, named)).toBe(false)
    expect(await exists(other, consumed)).toBe(false)
    expect(await exchangeExists(other, exchange)).toBe(false)
    expect([troubles, renamings]).toEqual([[], []])
  })

  test('comes back within its time, and at any time for its consumer', async () => {
    const { client, other, link, troubles } = await openWeak()
    const exchange = await newExchange(client, { type: 'fanout' })
    const idle = await newQueue(client, { arguments: { 'x-expires': 600_000 } })
    const consumed = await newQueue(client, { arguments: { 'x-expires': 3000 } })
    for (const name of [idle, consumed]) await client.queueBind(name, exchange)
    const messages = iterate(client.basicConsume(consumed))
    await cutOff(client, link, async () => {
      await other.queueDelete(idle)
      await haveExpired(consumed)
    })
    await other.basicPublish(exchange, '', 'to both')
    expect(textsOf(await take(messages, 1))).toEqual(['to both'])
    expect((await getOne(other, idle)).text()).toBe('to both')
    expect(troubles).toEqual([])
  })

  test('does not come back when its consumer has ended since it was deleted', async () => {
    const { client, other, link } = await openWeak()
    const queue = await newQueue(client, { arguments: { 'x-expires': 600_000 } })
    const consumer = client.basicConsume(queue)
    await consumer.ready
    const ended = once(client, 'consumerEnded')
    await other.queueDelete(queue)
    await ended
    await cutOff(client, link)
    expect(await exists(other, queue)).toBe(false)
  })
})

describe('a queue that the broker named', () => {
  test('gets another name, and all that belongs to it follows, time after time', async () => {
    const { client, other, link } = await openWeak()
    const exchange = await newExchange(client, { type: 'fanout' })
    const { queue: first } = await client.queueDeclare('', { exclusive: true })
    await client.queueBind(first, exchange)
    const messages = iterate(client.basicConsume(first))
    const renamings: string[][] = []
    client.on('queueRenamed', (...names) => renamings.push(names))
    for (let round = 0; round < 3; round++) {
      await cutOff(client, link)
      await other.basicPublish(exchange, '', `round ${round}`)
      const [message] = await take(messages, 1)
      expect(message?.text()).toBe(`round ${round}`)
      message?.ack()
    }
    const names = [first, ...renamings.map(([, to]) => to)]
    expect(new Set(names).size).toBe(4)
    expect(renamings.map(([from]) => from)).toEqual(names.slice(0, 3))
    // Each of its names means the same queue.
    await client.queueUnbind(first, exchange)
    await client.basicPublish(exchange, '', 'to nobody')
    await client.queueBind(first, exchange, 'again')
    expect(await client.queueDeclare(first, { passive: true })).toMatchObject({
      queue: names[3],
      messageCount: 0,
      consumerCount: 1,
    })
    await client.queueDelete(first)
    expect(await exists(client, names[3] ?? '')).toBe(false)
    await cutOff(client, link)
    expect(renamings).toHaveLength(3)
  })

  test('keeps its name, and what is in it, where the connection did not take it along', async () => {
    const { client, other, link } = await openWeak()
    const { queue } = await client.queueDeclare('')
    try {
      const renamings: unknown[] = []
      client.on('queueRenamed', (...names) => renamings.push(names))
      await client.basicPublish('', queue, 'kept')
      await cutOff(client, link)
      expect(renamings).toEqual([])
      expect((await getOne(client, queue)).text()).toBe('kept')
      await cutOff(client, link, () => other.queueDelete(queue))
      expect(renamings).toEqual([[queue, expect.not.stringMatching(queue)]])
    } finally {
      await client.queueDelete(queue)
    }
  })
})
