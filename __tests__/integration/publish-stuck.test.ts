/** Covers a publish that the broker never confirms, and that is abandoned. */
import { describe, expect, test } from '@jest/globals'
import { NotFoundError, TimeoutError } from '../../src/index.js'
import { ctl } from '../support/broker/broker.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { errorOf, eventually } from '../support/outcome.js'

/** Stops the leader of a quorum queue in its work, or lets it go on: what is published meanwhile is not confirmed. */
async function leader(queue: string, order: 'suspend' | 'resume'): Promise<void> {
  await ctl('eval', `sys:${order}('%2F_${queue}').`)
}

/** A client, a quorum queue that confirms nothing, and a publish to it that is in flight. */
async function stuck(timeout?: number) {
  const client = await open()
  const queue = await newQueue(client, { arguments: { 'x-queue-type': 'quorum' } })
  await client.basicPublish('', queue, 'before')
  await leader(queue, 'suspend')
  const publish = client.basicPublish('', queue, 'stuck', { timeout })
  await eventually(() => client.metrics().pendingPublishes === 1)
  return { client, queue, publish }
}

describe('a publish that is never confirmed', () => {
  test('holds up nobody, whatever comes behind it', async () => {
    const { client, queue, publish } = await stuck()
    const healthy = await newQueue(client)
    const exchange = await newExchange(client, { type: 'fanout' })
    await client.queueBind(healthy, exchange)
    const large = 'x'.repeat(200_000)
    const missing = errorOf(client.basicPublish(uniqueName(), '', 'lost'))
    await Promise.all([
      client.basicPublish(exchange, '', 'new exchange'),
      client.basicPublish('', healthy, 'user', { userId: 'guest' }),
      client.basicPublish('', healthy, large),
      client.basicPublish('', healthy, 'after', { mandatory: true }),
    ])
    expect(await missing).toBeInstanceOf(NotFoundError)
    expect(await getTexts(client, healthy)).toEqual(['new exchange', 'user', large, 'after'])
    expect(client.metrics()).toMatchObject({ pendingPublishes: 1, resent: 0 })
    await leader(queue, 'resume')
    await publish
    expect(await getTexts(client, queue)).toEqual(['before', 'stuck'])
  })

  test('holds up nobody where it is itself the first one to an exchange', async () => {
    const client = await open()
    const queue = await newQueue(client, { arguments: { 'x-queue-type': 'quorum' } })
    const healthy = await newQueue(client)
    const exchanges = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const exchange = await newExchange(client, { type: 'fanout' })
        await client.queueBind(queue, exchange)
        return exchange
      }),
    )
    await client.basicPublish('', queue, 'before')
    await leader(queue, 'suspend')
    const stuck = exchanges.map(exchange => client.basicPublish(exchange, '', 'stuck'))
    await client.basicPublish('', healthy, 'behind')
    expect(client.metrics()).toMatchObject({ pendingPublishes: 12, resent: 0 })
    await leader(queue, 'resume')
    await Promise.all(stuck)
    expect(await getTexts(client, queue)).toHaveLength(13)
  })

  test('frees those behind it once it has timed out', async () => {
    const { client, queue, publish } = await stuck(500)
    const healthy = await newQueue(client)
    const exchange = await newExchange(client, { type: 'fanout' })
    await client.queueBind(healthy, exchange)
    const behind = [
      client.basicPublish(exchange, '', 'new exchange'),
      client.basicPublish('', healthy, 'user', { userId: 'guest' }),
      client.basicPublish('', healthy, 'after', { mandatory: true }),
    ]
    expect(await errorOf(publish)).toBeInstanceOf(TimeoutError)
    await Promise.all(behind)
    expect(await getTexts(client, healthy)).toEqual(['new exchange', 'user', 'after'])
    await leader(queue, 'resume')
  })

  test('is not waited for by drain once it has timed out', async () => {
    const { client, queue, publish } = await stuck(500)
    expect(await errorOf(publish)).toBeInstanceOf(TimeoutError)
    expect(client.metrics()).toMatchObject({ pendingPublishes: 0, pendingPublishBytes: 0 })
    await client.drain({ timeout: 20_000 })
    await leader(queue, 'resume')
  })
})
