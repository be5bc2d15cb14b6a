/** Covers messages beyond `maxMessageSize` on the broker: what becomes of them, and that nobody else notices. */
import { describe, expect, test } from '@jest/globals'
import { type Client, type ConsumeOptions, ResourceError } from '../../src/index.js'
import { getOne, newQueue, open, uniqueName } from '../support/broker/client.js'
import { CLASSIC, iterate, QUORUM, take, textsOf, untilReady } from '../support/broker/consuming.js'
import { errorOf } from '../support/outcome.js'

const MOST = 10_000
/** Of several frames. */
const TOO_LARGE = Buffer.alloc(300_000, 'x')
const KINDS = [CLASSIC, QUORUM]

/** A client that takes small messages only, another one without that limit, and a queue with a large message between small ones. */
async function prepared({ declare }: (typeof KINDS)[number]) {
  const publisher = await open()
  const client = await open({ maxMessageSize: MOST, recovery: {} })
  const losses: unknown[] = []
  client.on('disconnect', error => losses.push(error))
  const deadLetters = await newQueue(publisher)
  const queue = await newQueue(publisher, {
    arguments: {
      ...declare,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': deadLetters,
    },
  })
  for (const body of ['before', TOO_LARGE, 'behind']) await publisher.basicPublish('', queue, body)
  return { publisher, client, queue, deadLetters, losses }
}

/** What the same client does on the same connection meanwhile: `check` resolves if nothing of it was disturbed. */
async function bystander(client: Client) {
  const queue = await newQueue(client)
  const consumer = client.basicConsume(queue)
  await consumer.ready
  const messages = iterate(consumer)
  await client.basicPublish('', queue, 'in hand')
  const [held] = await take(messages, 1)
  return async (): Promise<void> => {
    expect(held?.ack()).toBe(true)
    await client.basicPublish('', queue, 'next')
    const [next] = await take(messages, 1)
    expect([next?.text(), next?.redelivered]).toEqual(['next', false])
    expect(next?.ack()).toBe(true)
    expect(consumer.state).toEqual({ name: 'running' })
  }
}

describe.each(KINDS)('a message beyond maxMessageSize in a $kind queue', kind => {
  test.each<[string, ConsumeOptions]>([
    ['by default', {}],
    ['one message at a time', { prefetchCount: 1 }],
  ])('ends its consumer, %s, and everything goes back: nobody else notices', async (_, options) => {
    const { publisher, client, queue, losses } = await prepared(kind)
    const check = await bystander(client)
    const consumer = client.basicConsume(queue, options)
    const texts: string[] = []
    const loop = async (): Promise<void> => {
      for await (const message of consumer) {
        texts.push(message.text())
        message.ack()
      }
    }
    const error = await errorOf(loop())
    expect(error).toBeInstanceOf(ResourceError)
    expect(error.message).toContain('300000 bytes')
    expect(consumer.state).toMatchObject({ name: 'ended' })
    await check()
    // The first one may have come along with the large one, and gone back with it.
    expect(['', 'before']).toContain(texts.join())
    await untilReady(publisher, queue, 3 - texts.length)
    expect(losses).toEqual([])
  })

  test("is dead-lettered with `oversized: 'reject'`, and the loop goes on", async () => {
    const { publisher, client, queue, deadLetters, losses } = await prepared(kind)
    const check = await bystander(client)
    const messages = iterate(client.basicConsume(queue, { oversized: 'reject' }))
    const taken = await take(messages, 2, message => message.ack())
    expect(textsOf(taken)).toEqual(['before', 'behind'])
    await untilReady(publisher, deadLetters, 1)
    expect((await getOne(publisher, deadLetters)).body.equals(TOO_LARGE)).toBe(true)
    await check()
    await publisher.basicPublish('', queue, 'later')
    expect(textsOf(await take(messages, 1, message => message.ack()))).toEqual(['later'])
    await untilReady(publisher, queue, 0)
    expect(losses).toEqual([])
  })

  test('fails a basicGet, and goes back', async () => {
    const { publisher, client, queue, losses } = await prepared(kind)
    const check = await bystander(client)
    const first = await client.basicGet(queue)
    expect(first?.text()).toBe('before')
    expect(await errorOf(client.basicGet(queue))).toMatchObject({
      constructor: ResourceError,
      message: expect.stringContaining(`300000 bytes, beyond maxMessageSize (${MOST})`),
    })
    await untilReady(publisher, queue, 2)
    expect(first?.ack()).toBe(true)
    // RabbitMQ 4.0 puts what comes back to the end of a quorum queue.
    const rest = [await getOne(publisher, queue), await getOne(publisher, queue)]
    expect(rest.map(({ body }) => body.length).sort()).toEqual([TOO_LARGE.length, 'behind'.length].sort())
    await check()
    expect(losses).toEqual([])
  })
})

test('a published message beyond maxMessageSize that comes back rejects its publish, without its body', async () => {
  const client = await open({ maxMessageSize: MOST })
  const returned = await errorOf(client.basicPublish('', uniqueName(), TOO_LARGE, { mandatory: true }))
  expect(returned).toMatchObject({ name: 'NoRouteError', returned: { body: Buffer.alloc(0) } })
  await expect(client.basicPublish('', await newQueue(client), TOO_LARGE)).resolves.toBeUndefined()
  expect(client.isOpen).toBe(true)
})
