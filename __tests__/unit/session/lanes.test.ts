/** Covers the operation lanes: bounded, re-used, one operation each, and closed again after a burst. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { ConnectionBrokenError, NotFoundError, ResourceError } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { closeRecoveringClients, recoveringClient } from '../../support/memory/recovering-client.js'
import { turns } from '../../support/memory/scripted-peer.js'

afterEach(() => Promise.all([closeClients(), closeRecoveringClients()]))

describe('a lane', () => {
  test('has one operation at a time', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 2 })
    peer.on('queue.declare', () => undefined)
    const pending = ['a', 'b', 'c'].map(name => quiet(client.queueDeclare(name)))
    await turns()
    const sent = peer.all('queue.declare')
    expect(sent.map(({ channel, method }) => [channel, method.args.queue])).toEqual([
      [3, 'a'],
      [4, 'b'],
    ])
    peer.send(4, 'queue.declare-ok', { queue: 'b', messageCount: 0, consumerCount: 0 })
    await expect(pending[1]).resolves.toMatchObject({ queue: 'b' })
    await turns()
    expect(peer.all('queue.declare')[2]).toMatchObject({ channel: 4, method: { args: { queue: 'c' } } })
  })

  test('has one operation at a time in each burst anew, gets included', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 2 })
    let underWay = 0
    const most: number[] = []
    const answerLater = (answer: () => void): void => {
      underWay++
      most.push(underWay)
      setImmediate(() => {
        underWay--
        answer()
      })
    }
    peer.on('queue.declare', ({ channel, method }) => {
      const reply = { queue: method.args.queue, messageCount: 0, consumerCount: 0 }
      answerLater(() => peer.send(channel, 'queue.declare-ok', reply))
    })
    peer.on('basic.get', ({ channel }) => answerLater(() => peer.send(channel, 'basic.get-empty', {})))
    for (let round = 0; round < 3; round++) {
      const names = ['a', 'b', 'c', 'd', 'e']
      await Promise.all(names.flatMap(name => [client.queueDeclare(name), client.basicGet(name)]))
      await client.queueDeclare('alone')
    }
    expect(most).toHaveLength(33)
    expect(Math.max(...most)).toBe(2)
  })

  test('that the broker closes while it is idle is not used again', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 1 })
    await client.queueDeclare('a')
    const { channel } = await peer.next('queue.declare')
    peer.closeChannel(channel, 406, 'PRECONDITION_FAILED')
    await peer.next('channel.close-ok')
    const [opened] = [await peer.next('channel.open')]
    expect(opened.channel).toBe(channel)
    await client.queueDeclare('b')
    await peer.next('channel.open')
  })

  test('of an abandoned operation is used again when the late reply has come, and not before', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 1 })
    peer.on('queue.declare', () => undefined)
    const abort = new AbortController()
    const abandoned = quiet(client.queueDeclare('abandoned', { signal: abort.signal }))
    await peer.next('queue.declare')
    abort.abort(new Error('enough'))
    await expect(abandoned).rejects.toThrow('enough')
    const next = client.queueDeclare('next')
    await turns()
    expect(peer.all('queue.declare')).toHaveLength(1)
    peer.send(3, 'queue.declare-ok', { queue: 'abandoned', messageCount: 1, consumerCount: 0 })
    await peer.next('queue.declare')
    peer.send(3, 'queue.declare-ok', { queue: 'next', messageCount: 0, consumerCount: 0 })
    await expect(next).resolves.toMatchObject({ queue: 'next', messageCount: 0 })
  })

  test('is not taken by an operation that was abandoned before its turn', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 1 })
    const abort = new AbortController()
    const pending = [
      client.queueDeclare('a'),
      quiet(client.queueDeclare('b', { signal: abort.signal })),
      client.queueDeclare('c'),
    ]
    abort.abort(new Error('enough'))
    await Promise.allSettled(pending)
    expect(peer.all('queue.declare').map(({ method }) => method.args.queue)).toEqual(['a', 'c'])
  })

  test('that the broker closed over an abandoned operation is replaced', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 1 })
    peer.on('queue.declare', () => undefined)
    const abort = new AbortController()
    const abandoned = quiet(client.queueDeclare('abandoned', { signal: abort.signal }))
    await peer.next('queue.declare')
    abort.abort(new Error('enough'))
    await expect(abandoned).rejects.toThrow('enough')
    peer.closeChannel(3, 404, 'NOT_FOUND', 'queue.declare')
    const next = client.queueDeclare('next')
    const { channel } = await peer.next('queue.declare')
    peer.send(channel, 'queue.declare-ok', { queue: 'next', messageCount: 0, consumerCount: 0 })
    await expect(next).resolves.toMatchObject({ queue: 'next' })
  })
})

describe('lanes', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'queueMicrotask', 'nextTick'] })
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  test('that a burst needed are closed when they stood idle, but for one', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 10 })
    await Promise.all(Array.from({ length: 30 }, (_, index) => client.queueDeclare(`${index}`)))
    expect(peer.all('channel.open')).toHaveLength(10)
    expect(peer.all('channel.close')).toHaveLength(0)
    for (let round = 0; round < 4; round++) {
      jest.advanceTimersByTime(500)
      await turns()
    }
    expect(peer.all('channel.close')).toHaveLength(9)
    await client.queueDeclare('one more')
    expect(peer.all('channel.open')).toHaveLength(10)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('that are in use, or were within the time, are not closed', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 3 })
    const three = () => Promise.all(['a', 'b', 'c'].map(name => client.queueDeclare(name)))
    await three()
    for (let round = 0; round < 5; round++) {
      jest.advanceTimersByTime(400)
      await three()
    }
    expect(peer.all('channel.close')).toHaveLength(0)
  })

  test('leave no timer behind when the client is closed', async () => {
    const { client } = await connectToPeer({ operationConcurrency: 3 })
    await Promise.all(['a', 'b', 'c'].map(name => client.queueDeclare(name)))
    await client.close()
    await turns()
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('a connection without another channel', () => {
  /** Two of them are for publishing: the client has two more, or one beside a consumer. */
  const fourChannels = () => connectToPeer({ channelMax: 4 })

  test('gives an idle lane to a consumer, as it is', async () => {
    const { client, peer } = await fourChannels()
    await Promise.all(['a', 'b'].map(name => client.queueDeclare(name)))
    await client.basicConsume('q').ready
    expect(peer.all('channel.open')).toHaveLength(2)
    expect(peer.all('channel.close')).toHaveLength(0)
    const [consuming] = peer.all('basic.consume')
    await client.queueDeclare('c')
    expect([3, 4]).toContain(consuming?.channel)
    expect(peer.all('queue.declare').at(-1)?.channel).toBe(7 - (consuming?.channel ?? 0))
  })

  test('lets a get wait until a lane is free, and no longer', async () => {
    const { client, peer } = await fourChannels()
    await client.basicConsume('q').ready
    peer.on('queue.declare', () => undefined)
    peer.on('basic.get', ({ channel }) => peer.send(channel, 'basic.get-empty', {}))
    const declared = client.queueDeclare('a')
    const { channel } = await peer.next('queue.declare')
    const got = client.basicGet('q')
    await turns()
    expect(peer.all('basic.get')).toHaveLength(0)
    peer.send(channel, 'queue.declare-ok', { queue: 'a', messageCount: 0, consumerCount: 0 })
    await declared
    expect(await got).toBeNull()
    expect(peer.all('basic.get').map(one => one.channel)).toEqual([channel])
    expect(peer.all('channel.open')).toHaveLength(2)
  })

  test('refuses a get at once where consumers have all channels', async () => {
    const { client } = await fourChannels()
    await Promise.all([client.basicConsume('a').ready, client.basicConsume('b').ready])
    await expect(client.basicGet('q')).rejects.toBeInstanceOf(ResourceError)
  })
})

describe('basicGet', () => {
  test('has a lane for each queue: what fails for one touches no message of another', async () => {
    const { client, peer } = await connectToPeer()
    const args = { redelivered: false, exchange: '', routingKey: 'good', messageCount: 0 }
    peer.on('basic.get', ({ channel, method }) => {
      if (method.args.queue === 'missing')
        peer.closeChannel(channel, 404, "NOT_FOUND - no queue 'missing'", 'basic.get')
      else peer.sendContent(channel, 'basic.get-ok', { deliveryTag: 1, ...args }, Buffer.from('x'))
    })
    const [good, missing] = await Promise.allSettled([client.basicGet('good'), client.basicGet('missing')])
    expect(missing).toMatchObject({
      reason: { constructor: NotFoundError, operation: 'basicGet', ticket: 2 },
    })
    expect(good).toMatchObject({ status: 'fulfilled' })
    const message = good.status === 'fulfilled' ? good.value : null
    expect(message?.ack()).toBe(true)
    const { channel } = await peer.next('basic.ack')
    expect(channel).toBe(peer.all('basic.get').find(({ method }) => method.args.queue === 'good')?.channel)
  })

  test('gives back a message that comes for somebody who has given up', async () => {
    const { client, peer } = await connectToPeer()
    const abort = new AbortController()
    const got = quiet(client.basicGet('q', { signal: abort.signal }))
    const { channel } = await peer.next('basic.get')
    abort.abort(new Error('enough'))
    await expect(got).rejects.toThrow('enough')
    const args = { deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    peer.sendContent(channel, 'basic.get-ok', args, Buffer.from('x'))
    const { method } = await peer.next('basic.nack')
    expect(method.args).toEqual({ deliveryTag: 1, multiple: false, requeue: true })
  })

  test('tries again on another lane where one before it brought the lane down', async () => {
    const { client, peer } = await connectToPeer()
    let asked = 0
    peer.on('basic.get', ({ channel }) => {
      asked++
      if (asked === 1) peer.closeChannel(channel, 406, 'PRECONDITION_FAILED', 'basic.get')
      else if (asked > 2) peer.send(channel, 'basic.get-empty', {})
    })
    const outcomes = await Promise.allSettled([client.basicGet('q'), client.basicGet('q')])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })
})

describe('operations that wait', () => {
  test('for a channel are repeated on the next connection as those on a channel are', async () => {
    const { client, hosts, peer } = await recoveringClient({ channelMax: 4, operationConcurrency: 5 })
    peer.on('queue.declare', () => undefined)
    const pending = ['a', 'b', 'c'].map(name => client.queueDeclare(name, { durable: true }))
    await peer.next('queue.declare')
    expect(peer.all('channel.open')).toHaveLength(2)
    peer.hangUp()
    await Promise.all(pending)
    const declared = hosts.peers.at(-1)?.all('queue.declare') ?? []
    expect(declared.map(({ method: { args } }) => args.queue)).toEqual(['a', 'b', 'c'])
  })

  test('all reject when the connection is lost', async () => {
    const { client, peer } = await connectToPeer({ operationConcurrency: 1, maxPendingOperations: 5 })
    peer.on('queue.declare', () => undefined)
    const pending = Array.from({ length: 7 }, (_, index) => quiet(client.queueDeclare(`${index}`)))
    await peer.next('queue.declare')
    peer.hangUp()
    const outcomes = await Promise.allSettled(pending)
    const classes = outcomes.map(outcome =>
      outcome.status === 'rejected' ? outcome.reason.constructor : undefined,
    )
    expect(classes).toEqual([...new Array(6).fill(ConnectionBrokenError), ResourceError])
  })
})
