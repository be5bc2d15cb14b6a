/** Covers a slow reader of a flooded queue: what waits in the client is bounded, and its other work goes on. */
import { describe, expect, test } from '@jest/globals'
import { newQueue, open } from '../support/broker/client.js'
import { ack, CLASSIC, fill, iterate, QUORUM, readyIn, take } from '../support/broker/consuming.js'
import { eventually } from '../support/outcome.js'

const MINUTE = 60_000
/** Many times as many as may wait in the client. */
const FLOOD = 20_000

describe('a noAck consumer with a slow loop', () => {
  test.each([CLASSIC, QUORUM])(
    'leaves all but a bounded number with the broker, while a declare, a publish and another consumer complete ($kind)',
    async ({ kind, declare }) => {
      const client = await open()
      const queue = await newQueue(client, { arguments: declare })
      const busy = await newQueue(client)
      const flood = kind === 'classic' ? FLOOD : 10_000
      const body = Buffer.alloc(1024)
      for (let sent = 0; sent < flood; sent += 5000) {
        await Promise.all(Array.from({ length: 5000 }, () => client.basicPublish('', queue, body)))
      }
      const others = iterate(client.basicConsume(busy))
      let turns = 0
      for await (const message of client.basicConsume(queue, { noAck: true })) {
        expect(message.body).toHaveLength(1024)
        await newQueue(client, { exclusive: true })
        await fill(client, busy, 10)
        await take(others, 10, ack)
        turns++
        // A thousand at most wait here (the default), and what was handed out is gone.
        expect(await readyIn(client, queue)).toBeGreaterThanOrEqual(flood - turns - 1000)
        if (turns === 10) break
      }
      await eventually(async () => (await readyIn(client, queue)) === flood - 10)
    },
    2 * MINUTE,
  )

  test('holds no more than its prefetch count', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 500)
    const messages = iterate(client.basicConsume(queue, { noAck: true, prefetchCount: 20 }))
    for (let taken = 1; taken <= 50; taken++) {
      await take(messages, 1)
      expect(await readyIn(client, queue)).toBeGreaterThanOrEqual(500 - taken - 20)
    }
    expect(await take(messages, 450)).toHaveLength(450)
  })
})

describe('a consumer that nobody reads', () => {
  test('holds no more than its prefetch count, or one message', async () => {
    const client = await open()
    const queues = [await newQueue(client), await newQueue(client), await newQueue(client)]
    const [plain = '', limited = '', noAck = ''] = queues
    await Promise.all(queues.map(queue => fill(client, queue, 50)))
    await client.basicConsume(plain).ready
    await client.basicConsume(limited, { prefetchCount: 30 }).ready
    await client.basicConsume(noAck, { noAck: true }).ready
    const ready = () => Promise.all(queues.map(queue => readyIn(client, queue)))
    await eventually(async () => String(await ready()) === '49,20,49')
    for (let roundTrip = 0; roundTrip < 20; roundTrip++) expect(await ready()).toEqual([49, 20, 49])
  })
})
