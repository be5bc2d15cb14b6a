/** Covers what becomes of everybody else when a user transfers the memory of a body: nothing. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { type Client, type Message, NoRouteError } from '../../../src/index.js'
import { marksHold } from '../../../src/util/shared-memory.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import type { ScriptedPeer } from '../../support/memory/scripted-peer.js'

afterEach(closeClients)

/** Takes the memory of a body away, as far as the runtime lets one: for a worker, or by its own method. */
function takeAway(body: Buffer, all = true): void {
  const memory = body.buffer as ArrayBuffer & { transfer?: () => unknown }
  for (const way of [
    () => structuredClone(memory, { transfer: [memory] }),
    () => (all ? memory.transfer?.() : undefined),
  ]) {
    try {
      way()
    } catch {
      // It was refused.
    }
  }
}

const bodyOf = (index: number, size: number): Buffer => Buffer.alloc(size, `${index}.`)

/** Sends messages in one chunk, and gives what the client made of them. */
async function received(client: Client, peer: ScriptedPeer, size: number, room?: number): Promise<Message[]> {
  const consumer = client.basicConsume('q')
  await consumer.ready
  const [{ channel, method } = { channel: 0, method: undefined }] = peer.all('basic.consume')
  const consumerTag = method?.args.consumerTag ?? ''
  const chunk: Buffer[] = []
  for (let index = 1; index <= 6; index++) {
    const args = { consumerTag, deliveryTag: index, redelivered: false, exchange: '', routingKey: 'q' }
    chunk.push(
      peer.content(channel, 'basic.deliver', args, bodyOf(index, size), { messageId: `${index}` }, room),
    )
  }
  peer.raw(Buffer.concat(chunk))
  const messages: Message[] = []
  for await (const message of consumer) if (messages.push(message) === 6) break
  return messages
}

describe.each([
  ['small bodies, which share a block', 20, undefined],
  ['bodies that share their chunk', 5000, 8000],
  ['bodies that come in frames', 100_000, 4096],
] as const)('%s', (_, size, room) => {
  test('are all there when one of them is transferred, and the connection goes on', async () => {
    const { client, peer } = await connectToPeer()
    const [first, second, ...others] = await received(client, peer, size, room)
    for (const message of [first, second]) {
      // Where marks do not hold against everything, small bodies are not copied for it.
      if (message !== undefined) takeAway(message.body, marksHold || size > 4088)
    }
    expect(others).toHaveLength(4)
    for (const [index, { body, properties }] of others.entries()) {
      expect(body.equals(bodyOf(index + 3, size))).toBe(true)
      expect(properties).toEqual({ messageId: `${index + 3}` })
    }
    await expect(client.queueDeclare('still there')).resolves.toMatchObject({ queue: 'still there' })
  })
})

test('the body of a returned message is memory of its own', async () => {
  const { client, peer } = await connectToPeer()
  peer.on('basic.publish', ({ channel, method: { args }, body }) => {
    const { exchange, routingKey } = args
    const reason = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey }
    peer.sendContent(channel, 'basic.return', reason, body)
    peer.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false })
  })
  const error = await client.basicPublish('', 'nowhere', 'body', { mandatory: true }).catch(reason => reason)
  expect(error).toBeInstanceOf(NoRouteError)
  const { body } = (error as NoRouteError).returned
  expect(body.toString()).toBe('body')
  expect(body.buffer.byteLength).toBe(4)
})

test('messages that were got are all there when the body of one is transferred', async () => {
  const { client, peer } = await connectToPeer()
  let deliveryTag = 0
  peer.on('basic.get', ({ channel }) => {
    deliveryTag++
    const args = { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', messageCount: 0 }
    peer.sendContent(channel, 'basic.get-ok', args, bodyOf(deliveryTag, 50))
  })
  const [first, second] = await Promise.all([client.basicGet('q'), client.basicGet('q')])
  takeAway(first?.body ?? Buffer.alloc(0), marksHold)
  expect(second?.body.equals(bodyOf(2, 50))).toBe(true)
  expect((await client.basicGet('q'))?.body.equals(bodyOf(3, 50))).toBe(true)
})
