/** Covers mandatory publishes: exactly those that no queue gets reject, with the message as the broker gave it back. */
import { describe, expect, test } from '@jest/globals'
import { type Client, NoRouteError } from '../../src/index.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { errorOf, namesOf, tally } from '../support/outcome.js'

const MANDATORY = { mandatory: true }

describe('a mandatory publish', () => {
  test('that no queue gets rejects with NoRouteError and the message', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    const properties = {
      contentType: 'text/plain',
      correlationId: 'c',
      timestamp: new Date(1_700_000_000_000),
    }
    const headers = { a: 1, nested: { b: [2n ** 60n] } }
    const error = await errorOf<NoRouteError>(
      client.basicPublish(exchange, 'nowhere', 'Grüße', { ...MANDATORY, ...properties, headers }),
    )
    expect(error).toBeInstanceOf(NoRouteError)
    expect(error).toMatchObject({
      code: 'NO_ROUTE',
      replyCode: 312,
      operation: 'basicPublish',
      ticket: expect.any(Number),
    })
    expect(error.message).toContain(exchange)
    expect(error.returned).toEqual({
      exchange,
      routingKey: 'nowhere',
      body: Buffer.from('Grüße'),
      properties: { ...properties, deliveryMode: 2 },
      headers,
    })
  })

  test('that a queue gets resolves', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'x', MANDATORY)
    expect(await getTexts(client, queue)).toEqual(['x'])
  })

  test.each([0, 100_000, 1_000_000])('gives a body of %i bytes back whole', async size => {
    const client = await open()
    const body = Buffer.alloc(size, 'abc')
    const error = await errorOf<NoRouteError>(client.basicPublish('', uniqueName(), body, MANDATORY))
    expect(error.returned.body.equals(body)).toBe(true)
  })

  test('without the flag resolves, though no queue gets it', async () => {
    const client = await open()
    await client.basicPublish('', uniqueName(), 'x', { mandatory: false })
  })
})

describe('among mandatory publishes that look the same', () => {
  /** Publishes the same message over and over, while the queue is bound and unbound in between. */
  async function publishAround(client: Client, exchange: string, queue: string) {
    const publish = (): Promise<void> => client.basicPublish(exchange, 'key', 'the same', MANDATORY)
    const published: Promise<void>[] = []
    const several = (): void => {
      for (let n = 0; n < 20; n++) published.push(publish())
    }
    several()
    const bound = client.queueBind(queue, exchange, 'key')
    several()
    await bound
    several()
    await Promise.allSettled(published)
    const unbound = client.queueUnbind(queue, exchange, 'key')
    several()
    await unbound
    several()
    return published
  }

  test('those that were routed resolve, and no other: their number is that of the messages', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    const queue = await newQueue(client)
    for (let round = 0; round < 5; round++) {
      const names = await namesOf(await publishAround(client, exchange, queue))
      const { ok = 0, NoRouteError: lost = 0 } = tally(names)
      expect(ok + lost).toBe(100)
      expect((await client.queuePurge(queue)).messageCount).toBe(ok)
      // Bind and unbind go by channels of their own: what was published beside them is not sure to be either.
      expect(new Set(names.slice(40, 60))).toEqual(new Set(['ok']))
      expect(new Set(names.slice(80))).toEqual(new Set(['NoRouteError']))
    }
  })

  test('the one that was not routed is told from its neighbours by what it took with it', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    const queue = await newQueue(client)
    // Every message has a number; what comes back has to be that of the promise which rejects.
    const outcomes: Promise<number | undefined>[] = []
    const publish = (): void => {
      const number = outcomes.length
      const published = client.basicPublish(exchange, 'key', 'x', { mandatory: true, headers: { number } })
      outcomes.push(
        published.then(
          () => undefined,
          (error: NoRouteError) => error.returned.headers.number as number,
        ),
      )
    }
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 10; n++) publish()
      await client.queueBind(queue, exchange, 'key')
      for (let n = 0; n < 10; n++) publish()
      await client.queueUnbind(queue, exchange, 'key')
    }
    const results = await Promise.all(outcomes)
    const wrong = results.filter((returned, number) => returned !== undefined && returned !== number)
    expect(wrong).toEqual([])
    const resolved = results.filter(returned => returned === undefined)
    expect((await client.queuePurge(queue)).messageCount).toBe(resolved.length)
  })

  test('a thousand in flight, every third to nowhere, each have their own outcome', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const nowhere = uniqueName()
    const published = Array.from({ length: 999 }, (_, n) =>
      client.basicPublish('', n % 3 === 0 ? nowhere : queue, `${n}`, { mandatory: true }),
    )
    const outcomes = await Promise.allSettled(published)
    outcomes.forEach((outcome, n) => {
      expect(outcome.status).toBe(n % 3 === 0 ? 'rejected' : 'fulfilled')
      if (outcome.status === 'rejected') {
        expect((outcome.reason as NoRouteError).returned.body.toString()).toBe(`${n}`)
      }
    })
    expect(await getTexts(client, queue)).toHaveLength(666)
  })

  test('one that was nacked is not taken for one that came back', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } })
    const published = ['fits', 'refused'].map(text => client.basicPublish('', queue, text, MANDATORY))
    expect(await namesOf(published)).toEqual(['ok', 'NackedError'])
  })
})
