/** Covers the order of messages while the prefetch count of their consumer changes: it is that of the queue. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import type { Client, Message } from '../../src/index.js'
import { newQueue, open } from '../support/broker/client.js'
import { CLASSIC, numbers, QUORUM } from '../support/broker/consuming.js'

const COUNT = 400
const ROUNDS = 8

/** Publishes numbers: so fast that messages are always on their way, or slower than they are read. */
async function publish(client: Client, queue: string, size: number, slowly: boolean): Promise<void> {
  const published: Promise<void>[] = []
  for (let number = 0; number < COUNT; number++) {
    published.push(client.basicPublish('', queue, String(number).padEnd(size)))
    if (slowly && number % 5 === 0) await turn()
  }
  await Promise.all(published)
}

describe.each([CLASSIC, QUORUM])(
  'the messages of a consumer without a prefetch count ($kind)',
  ({ declare }) => {
    test.each([
      { declared: 'the same client', noAck: false, size: 1 },
      { declared: 'another client', noAck: false, size: 1 },
      { declared: 'another client', noAck: true, size: 1 },
      { declared: 'the same client', noAck: false, size: 20_000 },
    ])(
      'come in the order of the queue while the count grows (queue of $declared, noAck $noAck, $size bytes)',
      async ({ declared, noAck, size }) => {
        const [client, other] = await Promise.all([open(), open()])
        for (let round = 0; round < ROUNDS; round++) {
          const queue = await newQueue(other, { arguments: declare })
          if (declared === 'the same client') await client.queueDeclare(queue, { arguments: declare })
          const published = publish(other, queue, size, round % 2 === 0)
          if (round % 4 < 2) await published
          const messages: Message[] = []
          for await (const message of client.basicConsume(queue, { noAck })) {
            messages.push(message)
            if (!noAck) message.ack()
            if (round % 3 === 0) await turn()
            if (messages.length === COUNT) break
          }
          expect(messages.map(message => message.text().trim())).toEqual(numbers(COUNT))
          expect(messages.filter(({ redelivered }) => redelivered)).toEqual([])
          await published
        }
      },
      60_000,
    )

    test('come in the order of the queue where many are held, and from two queues at once', async () => {
      const [client, other] = await Promise.all([open(), open()])
      const queues = await Promise.all([1, 2].map(() => newQueue(other, { arguments: declare })))
      const published = queues.map(queue => publish(other, queue, 1, false))
      const texts = queues.map((): string[] => [])
      const held: Message[] = []
      for await (const message of client.basicConsumeMulti(queues)) {
        held.push(message)
        texts[queues.indexOf(message.routingKey)]?.push(message.text())
        if (held.length % 100 === 0) for (const each of held.slice(-50)) each.ack()
        if (held.length === 2 * COUNT) break
      }
      expect(texts).toEqual([numbers(COUNT), numbers(COUNT)])
      await Promise.all(published)
    })
  },
)
