/** Covers basicGet: messages and none, every way to settle them, and that queues do not get in each other's way. */
import { describe, expect, test } from '@jest/globals'
import { AlreadySettledError, type AmqpError, type Client, Message, NotFoundError } from '../../src/index.js'
import { getOne, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { errorOf, eventually, namesOf, tally } from '../support/outcome.js'

/** Resolves when so many messages are ready in a queue: a settled message is settled a little later. */
function ready(client: Client, queue: string, count: number): Promise<void> {
  return eventually(async () => (await client.queueDeclare(queue, { passive: true })).messageCount === count)
}

async function queueWith(client: Client, ...texts: string[]): Promise<string> {
  const queue = await newQueue(client)
  for (const text of texts) await client.basicPublish('', queue, text)
  return queue
}

async function get(client: Client, queue: string): Promise<Message> {
  const message = await client.basicGet(queue)
  expect(message).toBeInstanceOf(Message)
  return message as Message
}

describe('basicGet', () => {
  test('gives null where the queue is empty', async () => {
    const client = await open()
    const queue = await newQueue(client)
    expect(await client.basicGet(queue)).toBeNull()
    expect(await client.basicGet(queue, { noAck: true })).toBeNull()
  })

  test('gives messages in order, with all that belongs to them', async () => {
    const client = await open()
    const exchange = await newExchange(client)
    const queue = await newQueue(client)
    await client.queueBind(queue, exchange, 'key')
    await client.basicPublish(exchange, 'key', '{"n":1}', {
      headers: { a: 1 },
      contentType: 'application/json',
    })
    await client.basicPublish(exchange, 'key', 'second')
    const first = await get(client, queue)
    expect(first).toMatchObject({
      exchange,
      routingKey: 'key',
      redelivered: false,
      messageCount: 1,
      deliveryTag: 1,
      consumerTag: undefined,
      headers: { a: 1 },
      properties: { contentType: 'application/json', deliveryMode: 2 },
    })
    expect(first.json()).toEqual({ n: 1 })
    expect(first.body).toEqual(Buffer.from('{"n":1}'))
    const second = await get(client, queue)
    expect(second).toMatchObject({ messageCount: 0, headers: {}, properties: { deliveryMode: 2 } })
    expect(second.text()).toBe('second')
    expect([first.ack(), second.ack()]).toEqual([true, true])
    expect(await client.basicGet(queue)).toBeNull()
  })

  test('keeps a message that is not settled from others, until the client is gone', async () => {
    const [client, other] = [await open(), await open()]
    const queue = await queueWith(client, 'mine')
    await get(client, queue)
    expect(await other.basicGet(queue)).toBeNull()
    await client.close()
    await ready(other, queue, 1)
    expect((await get(other, queue)).redelivered).toBe(true)
  })

  test('with noAck, takes the message for good', async () => {
    const [client, other] = [await open(), await open()]
    const queue = await queueWith(client, 'taken')
    const message = await getOne(client, queue)
    expect(() => message.ack()).toThrow(AlreadySettledError)
    expect(() => message.nack()).toThrow(AlreadySettledError)
    expect(() => message.reject()).toThrow(AlreadySettledError)
    await client.drain()
    expect(await other.queueDelete(queue)).toEqual({ messageCount: 0 })
  })

  test('rejects with NotFoundError for a queue that does not exist', async () => {
    const client = await open()
    const error = await errorOf<AmqpError>(client.basicGet(uniqueName()))
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({ operation: 'basicGet', replyCode: 404, classId: 60, methodId: 70 })
  })

  test('many at once share out the messages', async () => {
    const client = await open()
    const queue = await queueWith(client, ...Array.from({ length: 50 }, (_, n) => `${n}`))
    const got = await Promise.all(Array.from({ length: 80 }, () => client.basicGet(queue)))
    const messages = got.filter(message => message !== null)
    expect(messages.map(message => Number(message.text())).sort((a, b) => a - b)).toEqual([
      ...Array(50).keys(),
    ])
    for (const message of messages) message.ack()
    await client.drain()
    expect((await (await open()).queueDelete(queue)).messageCount).toBe(0)
  })
})

describe('a message that was got', () => {
  const settlements: [string, (client: Client, message: Message) => boolean, boolean][] = [
    ['ack', (_, message) => message.ack(), false],
    ['nack', (_, message) => message.nack(), true],
    ['nack with requeue: false', (_, message) => message.nack({ requeue: false }), false],
    ['reject', (_, message) => message.reject(), true],
    ['reject with requeue: false', (_, message) => message.reject({ requeue: false }), false],
    ['basicAck', (client, message) => client.basicAck(message), false],
    ['basicNack', (client, message) => client.basicNack(message), true],
    [
      'basicNack with requeue: false',
      (client, message) => client.basicNack(message, { requeue: false }),
      false,
    ],
    ['basicReject', (client, message) => client.basicReject(message), true],
    [
      'basicReject with requeue: false',
      (client, message) => client.basicReject(message, { requeue: false }),
      false,
    ],
  ]

  test.each(settlements)('by %s is settled once, whether it comes again or not', async (_, settle, again) => {
    const client = await open()
    const queue = await queueWith(client, 'x')
    const message = await get(client, queue)
    expect(settle(client, message)).toBe(true)
    for (const [, other] of settlements) expect(() => other(client, message)).toThrow(AlreadySettledError)
    await client.close()
    const next = await open()
    await ready(next, queue, again ? 1 : 0)
    const second = await next.basicGet(queue)
    expect(second?.redelivered).toBe(again ? true : undefined)
  })

  test('is dead-lettered by reject without requeue', async () => {
    const client = await open()
    const dead = await newQueue(client)
    const queue = await newQueue(client, {
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead },
    })
    await client.basicPublish('', queue, 'unwanted')
    expect((await get(client, queue)).reject({ requeue: false })).toBe(true)
    await ready(client, dead, 1)
    expect((await getOne(client, dead)).headers['x-death']).toMatchObject([{ reason: 'rejected', queue }])
  })

  test('is settled together with the earlier ones of its queue by ack with multiple', async () => {
    const client = await open()
    const queue = await queueWith(client, 'a', 'b', 'c')
    const [first, second, third] = [
      await get(client, queue),
      await get(client, queue),
      await get(client, queue),
    ]
    expect(second.ack({ multiple: true })).toBe(true)
    expect(() => first.ack()).toThrow(AlreadySettledError)
    expect(third.nack()).toBe(true)
    await ready(client, queue, 1)
    expect((await get(client, queue)).text()).toBe('c')
  })

  test('is given back together with the earlier ones by nack with multiple', async () => {
    const client = await open()
    const queue = await queueWith(client, 'a', 'b', 'c')
    const [first, second] = [await get(client, queue), await get(client, queue)]
    expect(second.nack({ multiple: true })).toBe(true)
    expect(() => first.ack()).toThrow(AlreadySettledError)
    await ready(client, queue, 3)
  })

  test('returns false from when its client begins to close, and the message is back', async () => {
    const client = await open()
    const other = await open()
    const queue = await newQueue(other)
    await other.basicPublish('', queue, 'a')
    const message = await client.basicGet(queue)
    const closed = client.close()
    expect(message?.ack()).toBe(false)
    await closed
    expect(await other.queueDelete(queue)).toEqual({ messageCount: 1 })
  })

  test('returns false where its client is gone', async () => {
    const client = await open()
    const messages = [
      await queueWith(client, 'a'),
      await queueWith(client, 'b'),
      await queueWith(client, 'c'),
    ]
    const [a, b, c] = await Promise.all(messages.map(queue => get(client, queue)))
    await client.close()
    expect([a?.ack(), b?.nack(), c?.reject()]).toEqual([false, false, false])
  })
})

describe('queues do not get in the way of each other', () => {
  test('a queue that is missing leaves what was got from another one alone', async () => {
    const client = await open()
    const queue = await queueWith(client, 'mine')
    const message = await get(client, queue)
    expect(await errorOf(client.basicGet(uniqueName()))).toBeInstanceOf(NotFoundError)
    expect(message.ack()).toBe(true)
    await client.drain()
    expect((await (await open()).queueDelete(queue)).messageCount).toBe(0)
  })

  test('many that are missing, asked at once, each get an error of their own', async () => {
    const client = await open()
    const queue = await queueWith(client, ...Array.from({ length: 30 }, (_, n) => `${n}`))
    const [missing, other] = [uniqueName(), uniqueName()]
    const gets = Array.from({ length: 90 }, (_, n) =>
      client.basicGet([queue, missing, other][n % 3] as string),
    )
    expect(tally(await namesOf(gets))).toEqual({ ok: 30, NotFoundError: 60 })
    const errors = await Promise.allSettled(gets)
    const tickets = errors.flatMap(outcome =>
      outcome.status === 'rejected' ? [(outcome.reason as AmqpError).ticket] : [],
    )
    expect(new Set(tickets).size).toBe(60)
  })

  test('messages of two queues are settled in any order', async () => {
    const client = await open()
    const [one, two] = [await queueWith(client, 'a', 'b'), await queueWith(client, 'c', 'd')]
    const messages = [
      await get(client, one),
      await get(client, two),
      await get(client, one),
      await get(client, two),
    ]
    for (const message of messages.reverse()) expect(message.ack({ multiple: false })).toBe(true)
    await client.drain()
    const next = await open()
    expect(await Promise.all([next.queueDelete(one), next.queueDelete(two)])).toEqual([
      { messageCount: 0 },
      { messageCount: 0 },
    ])
  })
})
