/** Covers what the end of a client means for a publishMany in progress: by close, by drain, by a lost connection. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  ConnectionBrokenError,
  ConnectionClosedError,
  type PublishManyMessage,
  TimeoutError,
} from '../../../src/index.js'
import { closeClients } from '../../support/memory/peer-client.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { errorOf, gate, namesOf } from '../../support/outcome.js'
import { confirming } from './confirming-peer.js'
import { cleaning, messageOf, messagesOf, watch } from './load-host.js'

afterEach(closeClients)

/** An iterator that gives what it is told to, when it is told to. */
function slow() {
  const returned = gate()
  let give: (result: IteratorResult<PublishManyMessage, undefined>) => void = () => undefined
  const messages: AsyncIterable<PublishManyMessage> = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise(resolve => {
          give = resolve
        }),
      return: () => {
        returned.open()
        return Promise.resolve({ done: true as const, value: undefined })
      },
    }),
  }
  return {
    messages,
    returned: returned.opened,
    give: (message: PublishManyMessage) => give({ done: false, value: message }),
    end: () => give({ done: true, value: undefined }),
  }
}

describe('the end of the client', () => {
  const closed = { constructor: ConnectionClosedError, operation: 'publishMany' }

  test('ends publishMany where messages are in flight: with or without onError, and once for all of them', async () => {
    const { client, broker } = await confirming()
    broker.silent = true
    const told: unknown[] = []
    const log: string[] = []
    const rejected = Promise.all([
      errorOf(client.publishMany(cleaning(log), { window: 3 })),
      errorOf(client.publishMany(cleaning(log), { window: 3, onError: error => told.push(error) })),
    ])
    await client.close()
    expect(await rejected).toMatchObject([closed, closed])
    expect(await namesOf(told.map(error => Promise.reject(error)))).toEqual(
      new Array(3).fill('ConnectionClosedError'),
    )
    expect(log).toEqual(['cleaned up', 'cleaned up'])
  })

  test('ends publishMany where it waits for its iterator', async () => {
    const { client } = await confirming()
    const { messages, returned } = slow()
    const rejected = errorOf(client.publishMany(messages))
    await client.close()
    expect(await rejected).toMatchObject(closed)
    await returned
    expect(await errorOf(client.publishMany(messages))).toMatchObject(closed)
  })

  test('ends it with ConnectionBrokenError where the connection is lost for good', async () => {
    const { client, peer, broker } = await confirming()
    broker.silent = true
    const rejected = errorOf(client.publishMany(messagesOf(5), { onError: () => undefined }))
    await turns()
    peer.hangUp()
    expect(await rejected).toMatchObject({ constructor: ConnectionBrokenError, operation: 'publishMany' })
  })

  test('is not yet come while it reconnects, but with whileOffline: fail nothing is taken any more', async () => {
    const { client, peer } = await confirming({
      recovery: { initialDelay: 60_000, maxDelay: 60_000 },
      whileOffline: 'fail',
    })
    const { messages, give, returned } = slow()
    const told: string[] = []
    const rejected = errorOf(
      client.publishMany(messages, { onError: error => told.push((error as Error).name) }),
    )
    const lost = new Promise(resolve => client.once('disconnect', resolve))
    peer.hangUp()
    await lost
    give(messageOf(0))
    expect(await rejected).toMatchObject({ constructor: ConnectionBrokenError, operation: 'publishMany' })
    await returned
    expect(told).toEqual(['ConnectionBrokenError'])
  })

  test('by drain waits for publishMany, also between two messages of a slow iterator', async () => {
    const { client, bodies } = await confirming()
    const { messages, give, end } = slow()
    const load = client.publishMany(messages)
    give(messageOf(0))
    await turns()
    const drained = client.drain()
    const seen = watch(drained)
    await turns()
    expect(seen.settled).toBe(false)
    give(messageOf(1))
    await turns()
    end()
    expect(await load).toEqual({ published: 2, failed: 0 })
    await drained
    expect(bodies).toEqual(['0', '1'])
  })

  test('by drain that takes too long ends publishMany', async () => {
    const { client } = await confirming()
    const rejected = errorOf(client.publishMany(slow().messages))
    expect(await errorOf(client.drain({ timeout: 1 }))).toBeInstanceOf(TimeoutError)
    expect(await rejected).toMatchObject(closed)
  })
})
