/** Covers method frames of the broker that end early, at any byte: a violation of the broker, and never a bug of this library. */
import { afterEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type ArgsOf, decodeMethod, type MethodName } from '../../../src/codec/methods.gen.js'
import {
  AmqpError,
  AmqpSyntaxError,
  type Client,
  CommandInvalidError,
  connect,
  FrameError,
  UnexpectedFrameError,
} from '../../../src/index.js'
import type { TransportFactory } from '../../../src/transport-types.js'
import { Reader } from '../../../src/wire/reader.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { ScriptedPeer } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

afterEach(closeClients)

const close = { replyCode: 404, replyText: 'NOT_FOUND', classId: 50, methodId: 10 }

/** A method of the broker, in place of the answer to one of the client's. */
interface Sample<N extends MethodName = MethodName> {
  readonly name: N
  readonly args: ArgsOf<N>
  /** What it comes in place of the answer to. */
  readonly after: MethodName
  /** It comes on channel 0. */
  readonly control?: boolean
}

function sample<N extends MethodName>(
  name: N,
  args: ArgsOf<N>,
  after: MethodName = 'queue.declare',
  control = false,
): Sample {
  return { name, args, after, control } as Sample
}

const handshake: readonly Sample[] = [
  sample('connection.secure', { challenge: Buffer.from('why') }, 'connection.start-ok', true),
  sample('connection.tune', { channelMax: 9, frameMax: 4096, heartbeat: 7 }, 'connection.start-ok', true),
  sample('connection.close', close, 'connection.open', true),
]

const samples: readonly Sample[] = [
  sample('connection.close', close, 'queue.declare', true),
  sample('connection.blocked', { reason: 'low on memory' }, 'queue.declare', true),
  sample('channel.flow', { active: false }),
  sample('channel.close', close),
  sample('exchange.declare-ok', {}, 'exchange.declare'),
  sample('queue.declare-ok', { queue: 'q', messageCount: 1, consumerCount: 2 }),
  sample('queue.purge-ok', { messageCount: 3 }, 'queue.purge'),
  sample('queue.delete-ok', { messageCount: 3 }, 'queue.delete'),
  sample('basic.qos-ok', {}, 'basic.qos'),
  sample('basic.consume-ok', { consumerTag: 'tag' }, 'basic.consume'),
  sample('basic.cancel-ok', { consumerTag: 'tag' }, 'basic.cancel'),
  sample('basic.cancel', { consumerTag: 'tag', noWait: false }, 'basic.cancel'),
  sample('confirm.select-ok', {}, 'confirm.select'),
  sample('basic.ack', { deliveryTag: 1, multiple: false }, 'basic.publish'),
  sample('basic.nack', { deliveryTag: 1, multiple: false, requeue: false }, 'basic.publish'),
  sample(
    'basic.return',
    { replyCode: 312, replyText: 'NO_ROUTE', exchange: 'x', routingKey: 'q' },
    'basic.publish',
  ),
  sample(
    'basic.get-ok',
    { deliveryTag: 1, redelivered: false, exchange: 'x', routingKey: 'q', messageCount: 0 },
    'basic.get',
  ),
  sample(
    'basic.deliver',
    { consumerTag: 'tag', deliveryTag: 1, redelivered: false, exchange: 'x', routingKey: 'q' },
    'basic.consume',
  ),
]

const contents: readonly MethodName[] = ['basic.return', 'basic.get-ok', 'basic.deliver']

/** What has the client send the method that a sample comes in place of the answer to. */
const begin: Partial<Record<MethodName, (client: Client) => unknown>> = {
  'exchange.declare': client => client.exchangeDeclare('x'),
  'queue.declare': client => client.queueDeclare('q'),
  'queue.purge': client => client.queuePurge('q'),
  'queue.delete': client => client.queueDelete('q'),
  'basic.qos': client => client.basicConsume('q', { consumerTag: 'tag' }).ready,
  'basic.consume': client => client.basicConsume('q', { consumerTag: 'tag' }).ready,
  'basic.cancel': async client => {
    const consumer = client.basicConsume('q', { consumerTag: 'tag' })
    await consumer.ready
    await consumer.cancel()
  },
  'basic.publish': client => client.basicPublish('x', 'q', 'body', { mandatory: true }),
  'confirm.select': client => client.basicPublish('x', 'q', 'body'),
  'basic.get': client => client.basicGet('q'),
}

/** The payload of a method. */
function payloadOf(peer: ScriptedPeer, { name, args }: Sample): Buffer {
  const frame = peer.method(0, name, args)
  return frame.subarray(7, -1)
}

/** Some fields are reserved, and nobody looks at them: without these, a method is whole. */
function isWhole(payload: Buffer): boolean {
  try {
    decodeMethod(new Reader(payload))
    return true
  } catch {
    return false
  }
}

/** Has the peer send these bytes as the method, and its content, if it has one. */
function sendInstead(peer: ScriptedPeer, given: Sample, payload: Buffer): void {
  peer.on(given.after, ({ channel }) => {
    const at = given.control === true ? 0 : channel
    const frames = [peer.frame(1, at, payload)]
    if (given.name === 'basic.deliver')
      frames.unshift(peer.method(at, 'basic.consume-ok', { consumerTag: 'tag' }))
    if (contents.includes(given.name)) frames.push(peer.contentHeader(at, 0))
    peer.raw(Buffer.concat(frames))
  })
}

/** Why the connection ended over bytes in place of a method; the outcome of whoever waits for it is an error, too. */
async function endOver(given: Sample, payload: Buffer): Promise<unknown> {
  const { client, peer } = await connectToPeer()
  const disconnected = new Promise(resolve => client.once('disconnect', resolve))
  sendInstead(peer, given, payload)
  const outcome = Promise.resolve(begin[given.after]?.(client)).catch((error: unknown) => error)
  const reason = await disconnected
  await client.closed
  // A cancel has done its work when the connection is gone.
  const failed = await outcome
  if (given.after !== 'basic.cancel' && given.name !== 'basic.deliver')
    expect(failed).toBeInstanceOf(AmqpError)
  return reason
}

function connectTo({ transport }: { transport: TransportFactory }): Promise<Client> {
  return connect('amqp://test', { transport, heartbeat: 0 })
}

/** A server that says no more than this. */
function greeter(greeting: Buffer): TransportFactory {
  return () => ({
    start: events => queueMicrotask(() => events.onData(greeting)),
    write: () => true,
    end: () => undefined,
    destroy: () => undefined,
  })
}

describe('a method that ends early', () => {
  test.each(samples.map(one => [one.name, one] as const))(
    'ends the connection, wherever that is: %s',
    async (_, given) => {
      const payload = payloadOf(new ScriptedPeer(), given)
      for (let end = 0; end < payload.length; end++) {
        const part = payload.subarray(0, end)
        if (isWhole(part)) continue
        expect({ end, reason: await endOver(given, part) }).toEqual({
          end,
          reason: expect.any(AmqpSyntaxError),
        })
      }
    },
  )

  test.each(handshake.map(one => [one.name, one] as const))(
    'fails the handshake, wherever that is: %s',
    async (_, given) => {
      const payload = payloadOf(new ScriptedPeer(), given)
      for (let end = 0; end < payload.length; end++) {
        const peer = new ScriptedPeer()
        sendInstead(peer, given, payload.subarray(0, end))
        expect({ end, error: await errorOf(connectTo(peer)) }).toEqual({
          end,
          error: expect.any(AmqpSyntaxError),
        })
      }
    },
  )

  test('fails the handshake, wherever that is: connection.start', async () => {
    const peer = new ScriptedPeer()
    const properties = { product: 'peer', capabilities: { publisher_confirms: true, other: {} } }
    const start = { versionMajor: 0, versionMinor: 9, serverProperties: properties }
    const texts = { mechanisms: Buffer.from('PLAIN'), locales: Buffer.from('en_US') }
    const payload = payloadOf(peer, sample('connection.start', { ...start, ...texts }))
    for (let end = 0; end < payload.length; end++) {
      const greeting = peer.frame(1, 0, payload.subarray(0, end))
      expect({ end, error: await errorOf(connectTo({ transport: greeter(greeting) })) }).toEqual({
        end,
        error: expect.any(AmqpSyntaxError),
      })
    }
  })
})

describe('a method of any bytes', () => {
  const violations = [AmqpSyntaxError, CommandInvalidError, UnexpectedFrameError, FrameError]

  test('is never taken for a bug of this library', async () => {
    const bytes = fc.uint8Array({ maxLength: 60 })
    const property = fc.asyncProperty(
      fc.constantFrom(...samples),
      bytes,
      fc.nat(),
      async (given, garbage, at) => {
        const whole = payloadOf(new ScriptedPeer(), given)
        // Its ids, and some of its fields, are right.
        const payload = Buffer.concat([whole.subarray(0, 4 + (at % (whole.length - 3))), garbage])
        const { client, peer } = await connectToPeer()
        const disconnected = new Promise(resolve => client.once('disconnect', resolve))
        sendInstead(peer, given, payload)
        void Promise.resolve(begin[given.after]?.(client)).catch(() => undefined)
        await peer.next(given.after)
        // The connection has ended by then, unless it was right by chance: this ends it anyway.
        queueMicrotask(() => peer.raw(peer.frame(1, 0, Buffer.from('00ff0001', 'hex'))))
        const reason = (await disconnected) as AmqpError
        const ofThePeer = violations.some(violation => reason instanceof violation)
        // It may also have been a whole connection.close.
        expect(ofThePeer || given.name === 'connection.close').toBe(true)
        expect(reason.message).not.toContain('a bug in puka-amqp')
        await client.closed
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })
})
