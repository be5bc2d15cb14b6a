/** Covers what a message says of what the broker has added to it: counts of deliveries, deaths, the place in a stream. */
import { describe, expect, test } from '@jest/globals'
import type { Message } from '../../src/index.js'
import { brokerIsAtLeast } from '../support/broker/broker.js'
import { newQueue, open } from '../support/broker/client.js'
import { fill, iterate, QUORUM, take } from '../support/broker/consuming.js'

const NACKS_ARE_FREE = brokerIsAtLeast(4, 3)

test('deliveryCount and acquiredCount are the counts of a quorum queue', async () => {
  const client = await open()
  const queue = await newQueue(client, { arguments: QUORUM.declare })
  await fill(client, queue, 1)
  const messages = iterate(client.basicConsume(queue, { prefetchCount: 1 }))
  const counts: unknown[] = []
  const note = (message: Message): void => void counts.push([message.deliveryCount, message.acquiredCount])
  await take(messages, 1, message => note(message) ?? message.reject())
  await take(messages, 1, message => note(message) ?? message.nack())
  await take(messages, 1, message => note(message) ?? message.ack())
  expect(counts).toEqual(
    NACKS_ARE_FREE
      ? [
          [undefined, undefined],
          [1, 1],
          [1, 2],
        ]
      : [
          [undefined, undefined],
          [1, undefined],
          [2, undefined],
        ],
  )
})

describe('deaths', () => {
  test.each([
    ['rejected', {}],
    ['expired', { 'x-message-ttl': 1 }],
  ])('say that a message was %s, where and how often', async (reason, args) => {
    const client = await open()
    const dead = await newQueue(client)
    const queue = await newQueue(client, {
      arguments: { ...args, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead },
    })
    await client.basicPublish('', queue, 'mortal')
    if (reason === 'rejected') {
      await take(iterate(client.basicConsume(queue)), 1, message => message.reject({ requeue: false }))
    }
    const [message] = await take(iterate(client.basicConsume(dead)), 1)
    expect(message?.deaths).toEqual([
      {
        queue,
        reason,
        count: 1,
        exchange: '',
        routingKeys: [queue],
        time: expect.any(Date),
        originalExpiration: undefined,
      },
    ])
  })

  test('are none of a message that was never dead-lettered', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await fill(client, queue, 1)
    const got = await client.basicGet(queue)
    expect([got?.deaths, got?.deliveryCount, got?.streamOffset]).toEqual([[], undefined, undefined])
    got?.ack()
  })
})
