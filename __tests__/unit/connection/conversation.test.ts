/**
 * Covers the bytes of a whole conversation, both ways: written by hand from AMQP 0-9-1, not by our encoder. The server's
 * side comes in one piece per answer, cut at every offset, byte by byte, and cut at random: the outcome is the same.
 */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Client } from '../../../src/client/client.js'
import type { Message } from '../../../src/client/message.js'
import type { Transport, TransportFactory } from '../../../src/transport-types.js'
import { memoryPair } from '../../support/memory/transport.js'
import { bytes, cut } from '../../support/wire/vectors.js'

/** What the client is to send, and what the server answers. */
interface Step {
  readonly client: Buffer
  readonly server: Buffer
}

const header: Step = {
  client: bytes('"AMQP" 00 00 09 01'),
  server: bytes(`
    01 0000 0000005a                  // a method on channel 0, 90 bytes
    000a 000a                         // connection.start
    00 09                             // version 0-9
    00000035                          // server-properties, 53 bytes
      07 "product" 53 00000001 "R"
      0c "capabilities" 46 00000015
        12 "publisher_confirms" 74 01
    0000000e "PLAIN AMQPLAIN"
    00000005 "en_US"
    ce`),
}

/** The client's properties stand in for `CLIENT-PROPERTIES`: they are cut out before the bytes are compared. */
const startOk: Step = {
  client: bytes(`
    000a 000b                         // connection.start-ok
    "CLIENT-PROPERTIES"
    05 "PLAIN" 0000000a 00 "user" 00 "pass" 05 "en_US"
    ce`),
  server: bytes(`
    01 0000 0000000c
    000a 001e                         // connection.tune
    0040 00001000 0000                // 64 channels, frames of 4096 bytes, no heartbeat
    ce`),
}

const open: Step = {
  client: bytes(`
    01 0000 0000000c
    000a 001f                         // connection.tune-ok
    0040 00001000 0000
    ce
    01 0000 00000008
    000a 0028 01 "/" 00 00            // connection.open: the virtual host, two reserved fields
    ce`),
  server: bytes('01 0000 00000005  000a 0029 00  ce // connection.open-ok'),
}

const declare: Step = {
  client: bytes(`
    01 0003 00000005  0014 000a 00  ce // channel.open on channel 3; 1 and 2 belong to publishing
    01 0003 0000001f
    0032 000a 0000 05 "tasks"         // queue.declare
    02                                // durable
    0000000e 05 "x-max" 49 0000000a 01 "t" 56
    ce`),
  server: bytes(`
    01 0003 00000008  0014 000b 00000000  ce // channel.open-ok
    01 0003 00000012
    0032 000b 05 "tasks" 00000002 00000001 // queue.declare-ok: two messages, one consumer
    ce`),
}

const publish: Step = {
  client: bytes(`
    01 0001 00000005  0014 000a 00  ce // channel.open
    01 0001 00000005  0055 000a 00  ce // confirm.select
    01 0001 0000000e
    003c 0028 0000 00 05 "tasks" 01   // basic.publish to the default exchange, mandatory
    ce
    02 0001 00000036                  // a content header, 54 bytes
    003c 0000 0000000000000006        // class basic, weight 0, a body of 6 bytes
    b840                              // content-type, headers, delivery-mode, priority, timestamp
    0a "text/plain"
    0000000f 01 "a" 53 00000001 "b" 01 "n" 49 00000007
    02 09 0000000065920080
    ce
    03 0001 00000006 "h" c3a9 "llo" ce`),
  server: bytes(`
    01 0001 00000008  0014 000b 00000000  ce // channel.open-ok
    01 0001 00000004  0055 000b           ce // confirm.select-ok
    01 0001 0000000d  003c 0050 0000000000000001 00  ce // basic.ack 1`),
}

const consume: Step = {
  client: bytes(`
    01 0004 00000005  0014 000a 00  ce // channel.open
    01 0004 0000000b
    003c 000a 00000000 0005 00        // basic.qos: prefetch count 5, not global
    ce
    01 0004 00000015
    003c 0014 0000 05 "tasks" 03 "tag" 00 00000000 // basic.consume
    ce`),
  server: bytes(`
    01 0004 00000008  0014 000b 00000000  ce // channel.open-ok
    01 0004 00000004  003c 000b           ce // basic.qos-ok
    01 0004 00000008  003c 0015 03 "tag"  ce // basic.consume-ok
    01 0004 0000001a
    003c 003c 03 "tag" 0000000000000001 01 02 "ex" 05 "tasks" // basic.deliver 1, redelivered
    ce
    02 0004 0000002a                  // a content header, 42 bytes
    003c 0000 000000000000000a        // a body of 10 bytes
    2080                              // headers, message-id
    00000015 03 "key" 74 01 04 "list" 41 00000005 49 0000002a
    02 "m1"
    ce
    03 0004 00000004 "four" ce
    08 0000 00000000 ce               // a heartbeat between two frames of a body
    03 0004 00000006 "sixsix" ce`),
}

const ack: Step = {
  client: bytes('01 0004 0000000d  003c 0050 0000000000000001 00  ce // basic.ack 1'),
  server: bytes('08 0000 00000000 ce'),
}

const cancel: Step = {
  client: bytes('01 0004 00000009  003c 001e 03 "tag" 00  ce // basic.cancel'),
  server: bytes('01 0004 00000008  003c 001f 03 "tag"     ce // basic.cancel-ok'),
}

const closeChannel: Step = {
  client: bytes('01 0004 0000000b  0014 0028 00c8 00 0000 0000  ce // channel.close 200'),
  server: bytes('01 0004 00000004  0014 0029                    ce // channel.close-ok'),
}

const closeConnection: Step = {
  client: bytes('01 0000 00000012  000a 0032 00c8 07 "Goodbye" 0000 0000  ce // connection.close 200'),
  server: bytes('01 0000 00000004  000a 0033                              ce // connection.close-ok'),
}

const script: readonly Step[] = [
  header,
  startOk,
  open,
  declare,
  publish,
  consume,
  ack,
  cancel,
  closeChannel,
  closeConnection,
]
const serverSide = Buffer.concat(script.map(({ server }) => server))

describe('the vectors', () => {
  test('are whole frames, their sizes counted by hand', () => {
    expect(framesOf(serverSide)).toBe(20)
    const framed = script.filter(step => step !== header && step !== startOk).map(({ client }) => client)
    expect(framesOf(Buffer.concat(framed))).toBe(16)
  })
})

describe('a whole conversation', () => {
  test('is byte for byte what AMQP 0-9-1 has, and the server is understood', async () => {
    const outcome = await converse([])
    expect(outcome.sent).toEqual(script.map(({ client }) => client.toString('latin1')))
    expect(outcome).toMatchObject({
      info: { product: 'R', capabilities: { publisher_confirms: true }, mechanisms: ['PLAIN', 'AMQPLAIN'] },
      declared: { queue: 'tasks', messageCount: 2, consumerCount: 1 },
      message: {
        exchange: 'ex',
        routingKey: 'tasks',
        redelivered: true,
        deliveryTag: 1,
        consumerTag: 'tag',
        properties: { messageId: 'm1' },
        headers: { key: true, list: [42] },
        body: 'foursixsix',
      },
    })
  })

  test('has the same outcome when the server side is cut at any one offset', async () => {
    const whole = await converse([])
    for (let offset = 1; offset < serverSide.length; offset++) {
      expect({ offset, ...(await converse([offset])) }).toEqual({ offset, ...whole })
    }
  }, 60_000)

  test('has the same outcome when the server side comes byte by byte', async () => {
    const whole = await converse([])
    expect(await converse([...serverSide.keys()])).toEqual(whole)
  })

  test('has the same outcome when the server side is cut at random', async () => {
    const whole = await converse([])
    const offsets = fc.uniqueArray(fc.integer({ min: 1, max: serverSide.length - 1 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(offsets, async cuts => expect(await converse(cuts)).toEqual(whole)),
      { numRuns: 100 },
    )
  }, 60_000)
})

/** Holds the whole conversation, the server's side cut at the given offsets. */
async function converse(cuts: readonly number[]) {
  const server = new ScriptedServer(cuts)
  const client = new Client('amqp://user:pass@test', {
    transport: server.transport,
    heartbeat: 0,
  })
  const info = await client.connect()
  const declared = await client.queueDeclare('tasks', { arguments: { 'x-max': 10, t: null } })
  await client.basicPublish('', 'tasks', 'héllo', {
    mandatory: true,
    contentType: 'text/plain',
    headers: { a: 'b', n: 7 },
    priority: 9,
    timestamp: new Date('2024-01-01T00:00:00.999Z'),
  })
  const consumer = client.basicConsume('tasks', { prefetchCount: 5, consumerTag: 'tag' })
  const { value } = await consumer[Symbol.asyncIterator]().next()
  const message = summaryOf(value as Message)
  expect((value as Message).ack()).toBe(true)
  await server.done(ack)
  await consumer.cancel()
  await server.done(closeChannel)
  await client.close()
  await client.closed
  return { sent: server.sent, info, declared, message }
}

function summaryOf({
  exchange,
  routingKey,
  redelivered,
  deliveryTag,
  consumerTag,
  properties,
  headers,
  body,
}: Message) {
  const envelope = { exchange, routingKey, redelivered, deliveryTag, consumerTag }
  return { ...envelope, properties, headers, body: body.toString() }
}

/** Takes what each step expects, as far as its length, and then answers. */
class ScriptedServer {
  /** What came, step by step. */
  readonly sent: string[] = []
  readonly #cuts: readonly number[]
  readonly #client: Transport
  readonly #server: Transport
  #inbox = Buffer.alloc(0)
  #delivered = 0
  #waiting: (() => void)[] = []

  constructor(cuts: readonly number[]) {
    this.#cuts = cuts
    ;[this.#client, this.#server] = memoryPair()
    this.#server.start({
      onData: chunk => this.#onData(chunk),
      onDrain: () => undefined,
      onClose: () => undefined,
    })
  }

  /** Hands every chunk to the client in the pieces that the cuts make of it. */
  readonly transport: TransportFactory = () => ({
    start: events => this.#client.start({ ...events, onData: chunk => this.#deliver(chunk, events.onData) }),
    write: pieces => this.#client.write(pieces),
    end: () => this.#client.end(),
    destroy: () => this.#client.destroy(),
  })

  /** Resolves when the step's bytes have come and its answer is on its way. */
  async done(step: Step): Promise<void> {
    while (this.sent.length <= script.indexOf(step))
      await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  #deliver(chunk: Buffer, onData: (piece: Buffer) => void): void {
    const from = this.#delivered
    this.#delivered += chunk.length
    const inside = this.#cuts.map(offset => offset - from).filter(at => at > 0 && at < chunk.length)
    for (const piece of cut(chunk, inside)) onData(piece)
  }

  #onData(chunk: Buffer): void {
    this.#inbox = Buffer.concat([this.#inbox, chunk])
    for (let step = script[this.sent.length]; step !== undefined; step = script[this.sent.length]) {
      const came = step === startOk ? withoutProperties(this.#inbox) : { frames: this.#inbox, omitted: 0 }
      if (came === undefined || came.frames.length < step.client.length) return
      this.sent.push(came.frames.toString('latin1', 0, step.client.length))
      this.#inbox = this.#inbox.subarray(step.client.length + came.omitted)
      this.#server.write([step.server])
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
  }
}

/** connection.start-ok without its envelope's first bytes, a marker in place of the properties that the client may choose. */
function withoutProperties(inbox: Buffer): { frames: Buffer; omitted: number } | undefined {
  const tableAt = 11
  if (inbox.length < tableAt + 4) return undefined
  const size = inbox.readUInt32BE(tableAt)
  const marker = Buffer.from('CLIENT-PROPERTIES')
  expect(inbox.readUInt32BE(3)).toBe(4 + 4 + size + 6 + 14 + 6)
  expect(inbox.subarray(tableAt + 4, tableAt + 17)).toEqual(bytes('07 "product" 53 00000009'))
  const frames = Buffer.concat([inbox.subarray(7, tableAt), marker, inbox.subarray(tableAt + 4 + size)])
  return { frames, omitted: 7 + 4 + size - marker.length }
}

/** Counts the frames; throws where the bytes are not whole frames. */
function framesOf(stream: Buffer): number {
  let at = 0
  let count = 0
  for (; at < stream.length; count++) {
    at += 7 + stream.readUInt32BE(at + 3)
    expect(stream[at++]).toBe(0xce)
  }
  return count
}
