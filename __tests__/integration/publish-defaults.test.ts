/** Covers publishDefaults against the broker: what arrives, and that it stays the same where a message is sent again. */
import { expect, test } from '@jest/globals'
import type { Client, Message, PublishDefaultOptions } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getOne, newQueue, open } from '../support/broker/client.js'
import { untilReady } from '../support/broker/consuming.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { eventually } from '../support/outcome.js'

const ALL: PublishDefaultOptions = { messageId: 'uuid', timestamp: true, appId: 'loader', persistent: false }
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

async function take(client: Client, queue: string, count: number): Promise<Message[]> {
  await untilReady(client, queue, count)
  const messages: Message[] = []
  for (let taken = 0; taken < count; taken++) messages.push(await getOne(client, queue))
  return messages
}

test('publishDefaults arrive with every message, unless it has values of its own', async () => {
  const client = await open({ publishDefaults: ALL })
  const queue = await newQueue(client)
  const before = Math.floor(Date.now() / 1000)
  const own = { messageId: 'mine', timestamp: new Date(86_400_000), appId: 'other', deliveryMode: 2 }
  await client.basicPublish('', queue, 'a')
  await client.basicPublish('', queue, 'b', { contentType: 'text/plain', confirm: false })
  await client.publishMany([
    { exchange: '', routingKey: queue, body: 'c' },
    { exchange: '', routingKey: queue, body: 'd', ...own },
  ])
  const messages = await take(client, queue, 4)
  // Those with and without confirms have a channel each.
  const [a, b, c, d] = messages.toSorted((one, other) => one.text().localeCompare(other.text()))
  for (const message of [a, b, c]) {
    expect(message?.properties).toMatchObject({
      messageId: expect.stringMatching(UUID),
      appId: 'loader',
      deliveryMode: 1,
    })
    const seconds = Number(message?.properties.timestamp) / 1000
    expect(seconds).toBeGreaterThanOrEqual(before)
    expect(seconds).toBeLessThanOrEqual(Date.now() / 1000)
  }
  expect(b?.properties.contentType).toBe('text/plain')
  expect(d?.properties).toMatchObject(own)
  expect(new Set(messages.map(({ properties }) => properties.messageId)).size).toBe(4)
})

test('a message that is sent again after a lost connection has the same messageId and timestamp', async () => {
  const proxy = await TcpProxy.start(brokerUrl())
  const client = await open({ publishDefaults: ALL, recovery: { initialDelay: 20 } }, proxy.url)
  const queue = await newQueue(client)
  await client.basicPublish('', queue, 'opens the connection for publishing')
  // The broker gets them, and its confirms do not come through.
  proxy.stall('down')
  const published = [
    client.basicPublish('', queue, 'twice'),
    client.publishMany([{ exchange: '', routingKey: queue, body: 'twice' }]),
  ]
  const reader = await open()
  await eventually(async () => (await reader.queueDeclare(queue, { passive: true })).messageCount === 3)
  proxy.cut('reset')
  await Promise.all(published)
  expect(client.metrics().resent).toBe(2)
  const [, ...messages] = await take(reader, queue, 5)
  expect(messages.map(message => message.text())).toEqual(new Array(4).fill('twice'))
  const seen = messages.map(({ properties: { messageId, timestamp } }) => ({ messageId, timestamp }))
  expect(seen.slice(2)).toEqual(seen.slice(0, 2))
  expect(seen[0]?.messageId).toMatch(UUID)
  expect(seen[0]?.messageId).not.toBe(seen[1]?.messageId)
  await client.close()
  await proxy.close()
})
