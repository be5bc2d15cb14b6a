/** Covers ack, nack and reject: one by one, several at once, in any order, and when it is too late. */
import { describe, expect, test } from '@jest/globals'
import type { Client, Message } from '../../src/index.js'
import { newExchange, newQueue, open } from '../support/broker/client.js'
import { fill, iterate, numbers, take, textsOf, untilReady } from '../support/broker/consuming.js'

const ALREADY_SETTLED = expect.objectContaining({ code: 'ALREADY_SETTLED' })

/** Takes so many numbered messages of a new queue, without settling them. */
async function hold(client: Client, count: number): Promise<{ queue: string; messages: Message[] }> {
  const queue = await newQueue(client)
  await fill(client, queue, count)
  const consumer = client.basicConsume(queue)
  const messages = await take(iterate(consumer), count)
  await consumer.cancel()
  return { queue, messages }
}

/** What comes back when the client that held them is gone: so many messages, a little after its connection has ended. */
async function leftOf(client: Client, queue: string, count: number): Promise<string[]> {
  await client.close()
  const other = await open()
  await untilReady(other, queue, count)
  return textsOf(await take(iterate(other.basicConsume(queue)), count))
}

/** 0 to count - 1 in an order that only the seed decides (mulberry32). */
function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  let state = seed
  for (let left = count - 1; left > 0; left--) {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    const other = ((mixed ^ (mixed >>> 14)) >>> 0) % (left + 1)
    ;[order[left], order[other]] = [order[other] as number, order[left] as number]
  }
  return order
}

describe('settling', () => {
  test.each([1, 2, 3])(
    'a thousand messages in random order leaves exactly the others (seed %i)',
    async seed => {
      const client = await open()
      const { queue, messages } = await hold(client, 1000)
      const order = shuffled(1000, seed)
      for (const [turn, index] of order.slice(0, 700).entries()) {
        expect(messages[index]?.ack()).toBe(true)
        // Many ticks of different sizes.
        if (turn % (1 + (index % 40)) === 0) await new Promise(resolve => setImmediate(resolve))
      }
      const left = order.slice(700).sort((a, b) => a - b)
      expect(await leftOf(client, queue, 300)).toEqual(left.map(String))
    },
  )

  test('acks, nacks and rejects mixed within a tick have each their own outcome', async () => {
    const client = await open()
    const { queue, messages } = await hold(client, 300)
    const back: string[] = []
    for (const [turn, index] of shuffled(300, 4).entries()) {
      const message = messages[index] as Message
      const kind = turn % 6
      if (kind === 0) message.nack({ requeue: false })
      else if (kind === 1) message.reject({ requeue: false })
      else if (kind === 2 || kind === 3) message.ack()
      else {
        back.push(message.text())
        if (kind === 4) message.nack()
        else message.reject()
      }
    }
    await untilReady(client, queue, 100)
    expect(new Set(await leftOf(client, queue, 100))).toEqual(new Set(back))
  })

  test('with `multiple` acks all before it that are not settled', async () => {
    const client = await open()
    const { queue, messages } = await hold(client, 10)
    messages[2]?.nack({ requeue: false })
    messages[4]?.ack()
    expect(client.basicAck(messages[6] as Message, { multiple: true })).toBe(true)
    for (const message of messages.slice(0, 7)) expect(() => message.ack()).toThrow(ALREADY_SETTLED)
    expect(await leftOf(client, queue, 3)).toEqual(['7', '8', '9'])
  })

  test('with `multiple` nacks all before it that are not settled, acks of the same tick apart', async () => {
    const client = await open()
    const { queue, messages } = await hold(client, 10)
    messages[1]?.ack()
    messages[5]?.ack()
    client.basicNack(messages[4] as Message, { multiple: true })
    await untilReady(client, queue, 4)
    client.basicNack(messages[8] as Message, { multiple: true, requeue: false })
    expect(await leftOf(client, queue, 5)).toEqual(['0', '2', '3', '4', '9'])
  })

  test('without requeue drops a message, or dead-letters it', async () => {
    const client = await open()
    const dead = await newQueue(client)
    const exchange = await newExchange(client, { type: 'fanout' })
    await client.queueBind(dead, exchange)
    const queue = await newQueue(client, { arguments: { 'x-dead-letter-exchange': exchange } })
    await fill(client, queue, 2)
    const messages = await take(iterate(client.basicConsume(queue)), 2)
    client.basicReject(messages[0] as Message, { requeue: false })
    client.basicNack(messages[1] as Message, { requeue: false })
    const lost = await take(iterate(client.basicConsume(dead)), 2)
    expect(textsOf(lost)).toEqual(['0', '1'])
    expect(lost[0]?.headers['x-death']).toMatchObject([{ reason: 'rejected', queue }])
  })

  test('with requeue gives a message back', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 2)
    const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
    const [first] = await take(messages, 1)
    expect(client.basicReject(first as Message)).toBe(true)
    const [again] = await take(messages, 1)
    expect(client.basicNack(again as Message)).toBe(true)
    const [third] = await take(messages, 1)
    expect([first, again, third].map(message => message?.text())).toEqual(['0', '0', '0'])
  })
})

describe('settling twice', () => {
  test('throws AlreadySettledError, writes nothing, and harms nothing', async () => {
    const client = await open()
    const { queue, messages } = await hold(client, 4)
    const [a, b, c, d] = messages as [Message, Message, Message, Message]
    a.ack()
    b.nack({ requeue: false })
    c.reject({ requeue: false })
    for (const message of [a, b, c]) {
      expect(() => message.ack()).toThrow(ALREADY_SETTLED)
      expect(() => message.nack()).toThrow(ALREADY_SETTLED)
      expect(() => message.reject()).toThrow(ALREADY_SETTLED)
    }
    await client.queueDeclare(queue, { passive: true })
    expect(() => a.ack()).toThrow(ALREADY_SETTLED)
    expect(d.ack()).toBe(true)
    expect(await leftOf(client, queue, 0)).toEqual([])
  })

  test('throws for a message of basicGet, too', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const message = await client.basicGet(queue)
    expect(message?.ack()).toBe(true)
    expect(() => message?.ack()).toThrow(ALREADY_SETTLED)
  })
})

describe('settling too late', () => {
  test('returns false after the client is closed', async () => {
    const client = await open()
    const { queue, messages } = await hold(client, 3)
    await client.close()
    expect(messages.map(message => message.ack())).toEqual([false, false, false])
    expect(client.basicNack(messages[0] as Message)).toBe(false)
    expect(client.basicReject(messages[0] as Message)).toBe(false)
    const other = await open()
    await untilReady(other, queue, 3)
  })

  test('works as ever after cancel, after a break, and after a change of the prefetch count', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 6)
    const consumer = client.basicConsume(queue, { prefetchCount: 3 })
    const held = await take(iterate(consumer), 2)
    await consumer.qos(4)
    held.push(...(await take(iterate(consumer), 2)))
    await consumer.cancel()
    for await (const message of client.basicConsume(queue)) {
      held.push(message)
      break
    }
    expect(held.map(message => message.ack())).toEqual([true, true, true, true, true])
    expect(await leftOf(client, queue, 1)).toEqual(numbers(6).filter(text => !textsOf(held).includes(text)))
  })

  test('takes no option that makes no sense', async () => {
    const client = await open()
    const { messages } = await hold(client, 1)
    const [message] = messages as [Message]
    const argument = expect.objectContaining({ code: 'ARGUMENT' })
    expect(() => message.ack({ multiple: 1 as never })).toThrow(argument)
    expect(() => message.nack({ requeue: 'no' as never })).toThrow(argument)
    expect(() => message.reject({ requeue: null as never })).toThrow(argument)
    expect(() => client.basicAck({} as never)).toThrow(argument)
    expect(message.ack()).toBe(true)
  })
})
