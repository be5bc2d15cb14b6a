/** Covers what both sides agree on when they connect: the size of frames, the number of channels, the heartbeat. */
import { describe, expect, test } from '@jest/globals'
import { type AmqpError, ArgumentError, ConnectionBrokenError, ResourceError } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getOne, newQueue, open, uniqueName } from '../support/broker/client.js'
import { type Direction, TcpProxy } from '../support/faults/proxy.js'
import { errorOf, eventually, namesOf, tally } from '../support/outcome.js'

describe('frameMax', () => {
  test('of 8192 bytes cuts bodies into frames that small, both ways', async () => {
    const client = await open({ frameMax: 8192 })
    const queue = await newQueue(client)
    for (const size of [8191, 8192, 8193, 100_000, 1_000_000]) {
      const body = Buffer.alloc(size, `${size} `)
      await client.basicPublish('', queue, body)
      const { messageCount } = await client.queueDeclare(queue, { passive: true })
      expect(messageCount).toBe(1)
      expect((await getOne(client, queue)).body.equals(body)).toBe(true)
    }
  })

  test('of the broker bounds the names and arguments of an operation', async () => {
    const client = await open({ frameMax: 8192 })
    const error = await errorOf<AmqpError>(
      client.queueDeclare(uniqueName(), { arguments: { 'x-note': 'a'.repeat(10_000) } }),
    )
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.message).toContain('8192')
    const headers = { note: 'a'.repeat(10_000) }
    expect(await errorOf(client.basicPublish('', 'x', 'x', { headers }))).toBeInstanceOf(ArgumentError)
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'still there')
  })

  test('may come with the URL', async () => {
    const error = await errorOf<AmqpError>(
      (await open({}, `${brokerUrl()}?frame_max=8192`)).queueDeclare(uniqueName(), {
        arguments: { 'x-note': 'a'.repeat(10_000) },
      }),
    )
    expect(error.message).toContain('8192')
  })
})

describe('channelMax', () => {
  test('fails what would need one channel more, with ResourceError, and nothing else', async () => {
    const client = await open({ channelMax: 4, operationConcurrency: 1 })
    const queues = await Promise.all(Array.from({ length: 4 }, () => newQueue(client)))
    for (const queue of queues) await client.basicPublish('', queue, 'x')
    // A message that is to be settled keeps its channel: two are for publishing, which leaves two.
    const messages = []
    let error: AmqpError | undefined
    for (const queue of queues) {
      try {
        messages.push(await client.basicGet(queue))
      } catch (caught) {
        error = caught as AmqpError
        break
      }
    }
    expect(error).toBeInstanceOf(ResourceError)
    expect(error?.message).toContain('channelMax')
    expect(error?.operation).toBe('basicGet')
    expect(messages.length).toBeGreaterThan(0)
    for (const message of messages) expect(message?.ack()).toBe(true)
    expect(await client.basicGet(queues[3] as string)).not.toBeNull()
  })

  test('does not keep many operations from being done, one after the other', async () => {
    const client = await open({ channelMax: 4, operationConcurrency: 2 })
    const queue = await newQueue(client)
    const declared = Array.from({ length: 200 }, () => client.queueDeclare(queue, { passive: true }))
    expect(tally(await namesOf(declared))).toEqual({ ok: 200 })
  })
})

describe('the heartbeat', () => {
  test('notices that the broker is silent after two intervals', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open({ heartbeat: 1 }, proxy.url)
    const lost = new Promise<AmqpError>(resolve => client.once('disconnect', resolve))
    proxy.stall()
    const stuck = errorOf<AmqpError>(client.basicGet('any'))
    expect(await stuck).toBeInstanceOf(ConnectionBrokenError)
    expect((await stuck).message).toContain('heartbeat')
    expect((await lost).message).toContain('heartbeat')
    await client.closed
  }, 15_000)

  test('keeps an idle connection alive, both ways', async () => {
    const proxy = await TcpProxy.start(brokerUrl())
    const client = await open({ heartbeat: 1 }, proxy.url)
    const connection = await proxy.next()
    const began = { up: connection.passed('up'), down: connection.passed('down') }
    const heartbeats = (way: Direction): number => (connection.passed(way) - began[way]) / 8
    // Each side sends at most two in a second, and neither bears with two seconds of silence.
    await eventually(() => heartbeats('up') >= 5 && heartbeats('down') >= 5)
    expect([heartbeats('up') % 1, heartbeats('down') % 1]).toEqual([0, 0])
    await client.queueDeclare('', { exclusive: true })
  }, 30_000)
})
