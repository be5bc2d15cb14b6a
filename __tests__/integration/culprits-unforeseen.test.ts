/**
 * Covers publishes that the broker refuses for a reason that the client cannot know before: by closing the channel, or the
 * connection. The culprit alone fails, and few of the others are stored twice.
 */
import { expect, test } from '@jest/globals'
import { type Client, decimal, InternalError, NotFoundError } from '../../src/index.js'
import { getTexts, newExchange, newQueue, open } from '../support/broker/client.js'
import { tally } from '../support/outcome.js'

type Outcome = 'ok' | string

/** What became of each. */
async function outcomesOf(publishes: readonly Promise<void>[]): Promise<Outcome[]> {
  const results = await Promise.allSettled(publishes)
  return results.map(result => (result.status === 'fulfilled' ? 'ok' : (result.reason as Error).name))
}

/** Those that were stored more than twice. */
async function storedTooOften(client: Client, queue: string): Promise<string[]> {
  const counts = tally(await getTexts(client, queue))
  return Object.keys(counts).filter(text => (counts[text] ?? 0) > 2)
}

test('an exchange that somebody else deletes in the middle of thousands ends its own publishes only', async () => {
  const [client, other] = [await open(), await open()]
  const [queue, gone] = [await newQueue(client), await newQueue(client)]
  const exchange = await newExchange(client, { type: 'fanout' })
  await client.queueBind(gone, exchange)
  await client.basicPublish(exchange, '', 'known to exist')
  const publishes: Promise<void>[] = []
  const publishThousand = (): void => {
    for (let n = 0; n < 500; n++) {
      publishes.push(client.basicPublish('', queue, `${publishes.length}`))
      publishes.push(client.basicPublish(exchange, '', `${publishes.length}`))
    }
  }
  for (let n = 0; n < 4; n++) publishThousand()
  await publishes[0]
  let isDeleted = false
  const deleted = other.exchangeDelete(exchange).then(() => {
    isDeleted = true
  })
  while (!isDeleted) {
    publishThousand()
    await new Promise(resolve => setImmediate(resolve))
  }
  await deleted
  const last = publishes.length
  publishThousand()
  const outcomes = await outcomesOf(publishes)
  expect(outcomes.filter((outcome, n) => n % 2 === 0 && outcome !== 'ok')).toEqual([])
  expect(tally(outcomes.slice(last).filter((_, n) => n % 2 === 1))).toEqual({ [NotFoundError.name]: 500 })
  const texts = await getTexts(client, queue)
  expect(new Set(texts).size).toBe(publishes.length / 2)
  expect(await storedTooOften(client, gone)).toEqual([])
  // The channel was closed once: nothing was sent more than one time again.
  expect(client.metrics().resent).toBeLessThanOrEqual(publishes.length)
}, 120_000)

test('a message that makes the broker end the connection fails, and its neighbours are confirmed', async () => {
  const client = await open({ recovery: { initialDelay: 10 } })
  const queue = await newQueue(client)
  const stream = await newQueue(client, { arguments: { 'x-queue-type': 'stream' } })
  await client.basicPublish('', queue, 'warm')
  // RabbitMQ cannot translate a decimal for a stream: its channel crashes (541).
  const headers = { price: decimal(125, 2) }
  const publishes = Array.from({ length: 201 }, (_, n) =>
    n === 100 ? client.basicPublish('', stream, 'bad', { headers }) : client.basicPublish('', queue, `${n}`),
  )
  const outcomes = await outcomesOf(publishes)
  expect(outcomes.map((outcome, n) => `${n} ${outcome}`).filter(one => !one.endsWith(' ok'))).toEqual([
    `100 ${InternalError.name}`,
  ])
  await expect(publishes[100]).rejects.toMatchObject({ replyCode: 541, operation: 'basicPublish' })
  const counts = tally(await getTexts(await open(), queue))
  expect(Object.keys(counts)).toHaveLength(201)
  await client.basicPublish('', queue, 'still here')
}, 60_000)
