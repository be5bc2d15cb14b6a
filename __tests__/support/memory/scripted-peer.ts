/**
 * Owns the server's end of a connection in memory: it takes the client's frames apart, answers what a test does not
 * answer itself, and sends whatever a test wants, also what no broker would.
 */

import {
  type ArgsOf,
  decodeMethod,
  type Method,
  type MethodName,
  methods,
} from '../../../src/codec/methods.gen.js'
import { encodeBasicHeader } from '../../../src/codec/properties.gen.js'
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD, PROTOCOL_HEADER } from '../../../src/frame/constants.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { beginFrame, endFrame } from '../../../src/frame/writer.js'
import type { MessageProperties } from '../../../src/options.js'
import type { Transport, TransportEvents, TransportFactory } from '../../../src/transport-types.js'
import type { Table } from '../../../src/util/field-value.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { memoryPair } from './transport.js'

/** A method that the client sent, with its content where it has one. */
interface AnyReceived {
  readonly channel: number
  readonly method: Method
  readonly header: Buffer
  readonly body: Buffer
}

/** The same, its method known by name. */
export type Received<N extends MethodName = MethodName> = AnyReceived & {
  readonly method: Extract<Method, { name: N }>
}

/** What the peer does when a method comes. */
type Answer = (received: Received) => void

export interface PeerOptions {
  /** @default 'peer' */
  readonly product?: string
  /** @default '1' */
  readonly version?: string
  /** @default { publisher_confirms: true } */
  readonly capabilities?: Table
  /** @default 'PLAIN AMQPLAIN' */
  readonly mechanisms?: string
  /** @default all three without limit, no heartbeat */
  readonly tune?: Partial<ArgsOf<'connection.tune'>>
}

export class ScriptedPeer {
  /** Everything that came, in order. */
  readonly received: Received[] = []
  /** What the client wrote, write by write. */
  readonly writes: Buffer[] = []
  /** The client's `write` returns false. */
  congested = false
  /** The client has let go of its transport. */
  clientGone = false
  /** Called once, when the connection is over, whoever has ended it. */
  onGone: () => void = () => undefined
  readonly #client: Transport
  readonly #server: Transport
  readonly #answers = new Map<MethodName, Answer>()
  readonly #taken = new Map<MethodName, number>()
  readonly #writer = new Writer()
  #waiting: { name: MethodName; resolve: () => void }[] = []
  #clientEvents: TransportEvents | undefined
  #header = Buffer.alloc(0)
  #parser: FrameParser | undefined
  #content: { channel: number; method: Method; header: Buffer; parts: Buffer[]; left: number } | undefined

  constructor({
    product = 'peer',
    version = '1',
    capabilities = { publisher_confirms: true },
    mechanisms = 'PLAIN AMQPLAIN',
    tune,
  }: PeerOptions = {}) {
    ;[this.#client, this.#server] = memoryPair()
    this.#answerByDefault(tune)
    this.#server.start({
      onData: chunk => this.#onData(chunk, { product, version, platform: 'none', capabilities }, mechanisms),
      onDrain: () => undefined,
      onClose: () => {
        this.clientGone = true
        this.onGone()
      },
    })
  }

  /** For the client's `transport` option; good for one connection. */
  readonly transport: TransportFactory = () => ({
    start: events => {
      this.#clientEvents = events
      this.#client.start(events)
    },
    write: pieces => {
      this.writes.push(Buffer.concat(pieces))
      this.#client.write(pieces)
      return !this.congested
    },
    end: () => this.#client.end(),
    destroy: () => this.#client.destroy(),
  })

  /** The client's transport takes more again: until the next write, if it stays congested. */
  drain(congested = false): void {
    this.congested = congested
    this.#clientEvents?.onDrain()
  }

  /** Sets what happens when a method comes, in place of the usual answer. */
  on<N extends MethodName>(name: N, answer: (received: Received<N>) => void): void {
    this.#answers.set(name, received => {
      if (isNamed(received, name)) answer(received)
    })
  }

  /** What came by this name so far. */
  all<N extends MethodName>(name: N): Received<N>[] {
    return this.received.filter(one => isNamed(one, name))
  }

  /** Resolves with the next one by this name that was not asked for before. */
  async next<N extends MethodName>(name: N): Promise<Received<N>> {
    const index = this.#taken.get(name) ?? 0
    this.#taken.set(name, index + 1)
    for (;;) {
      const found = this.all(name)[index]
      if (found !== undefined) return found
      await new Promise<void>(resolve => this.#waiting.push({ name, resolve }))
    }
  }

  /** Resolves with the next `count` by this name. */
  async several<N extends MethodName>(name: N, count: number): Promise<Received<N>[]> {
    const found: Received<N>[] = []
    while (found.length < count) found.push(await this.next(name))
    return found
  }

  send<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>): void {
    this.raw(this.method(channel, name, args))
  }

  /** A method with content: in one chunk, its body in frames of at most `room` bytes. */
  sendContent<N extends MethodName>(
    channel: number,
    name: N,
    args: ArgsOf<N>,
    body: Uint8Array,
    properties: MessageProperties = {},
    room = 4096,
  ): void {
    this.raw(this.content(channel, name, args, body, properties, room))
  }

  /** The frames of a method with content, its body in frames of at most `room` bytes. */
  content<N extends MethodName>(
    channel: number,
    name: N,
    args: ArgsOf<N>,
    body: Uint8Array,
    properties: MessageProperties = {},
    room = 4096,
  ): Buffer {
    const parts = [this.method(channel, name, args), this.contentHeader(channel, body.length, properties)]
    for (let at = 0; at < body.length; at += room)
      parts.push(this.frame(FRAME_BODY, channel, body.subarray(at, at + room)))
    return Buffer.concat(parts)
  }

  raw(bytes: Uint8Array): void {
    this.#server.write([bytes])
  }

  /** The peer hangs up. */
  hangUp(): void {
    this.#server.destroy()
  }

  method<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>): Buffer {
    return this.#framed(FRAME_METHOD, channel, writer => methods[name].encode(writer, args))
  }

  contentHeader(channel: number, size: number, properties: MessageProperties = {}): Buffer {
    return this.#framed(FRAME_HEADER, channel, writer =>
      encodeBasicHeader(writer, size, properties, undefined),
    )
  }

  frame(type: number, channel: number, payload: Uint8Array): Buffer {
    return this.#framed(type, channel, writer => writer.bytes(payload))
  }

  /** Closes a channel, as RabbitMQ does when it dislikes a method on it. */
  closeChannel(channel: number, replyCode: number, replyText: string, about?: MethodName): void {
    const id = about === undefined ? 0 : methods[about].id
    this.send(channel, 'channel.close', { replyCode, replyText, classId: id >>> 16, methodId: id & 0xffff })
  }

  /** Closes the connection, as RabbitMQ does for what it calls a hard error; `about` is whom it blames. */
  closeConnection(replyCode: number, replyText: string, about?: MethodName): void {
    const id = about === undefined ? 0 : methods[about].id
    this.send(0, 'connection.close', { replyCode, replyText, classId: id >>> 16, methodId: id & 0xffff })
  }

  #framed(type: number, channel: number, payload: (writer: Writer) => void): Buffer {
    const place = beginFrame(this.#writer, type, channel)
    payload(this.#writer)
    endFrame(this.#writer, place, 0)
    const frame = Buffer.from(this.#writer.unit())
    this.#writer.rollback()
    return frame
  }

  #answerByDefault(tune: PeerOptions['tune']): void {
    this.on('connection.start-ok', () =>
      this.send(0, 'connection.tune', { channelMax: 0, frameMax: 0, heartbeat: 0, ...tune }),
    )
    this.on('connection.open', () => this.send(0, 'connection.open-ok', {}))
    this.on('connection.close', () => {
      this.send(0, 'connection.close-ok', {})
      this.#server.end()
    })
    this.on('channel.open', ({ channel }) => this.send(channel, 'channel.open-ok', {}))
    this.on('channel.close', ({ channel }) => this.send(channel, 'channel.close-ok', {}))
    this.on('confirm.select', ({ channel }) => this.send(channel, 'confirm.select-ok', {}))
    this.on('basic.qos', ({ channel }) => this.send(channel, 'basic.qos-ok', {}))
    this.on('basic.consume', ({ channel, method: { args } }) =>
      this.send(channel, 'basic.consume-ok', { consumerTag: args.consumerTag }),
    )
    this.on('basic.cancel', ({ channel, method: { args } }) =>
      this.send(channel, 'basic.cancel-ok', { consumerTag: args.consumerTag }),
    )
    this.on('queue.declare', ({ channel, method: { args } }) =>
      this.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 }),
    )
  }

  #onData(chunk: Buffer, serverProperties: Table, mechanisms: string): void {
    if (this.#parser !== undefined) {
      this.#parser.push(chunk)
      return
    }
    this.#header = Buffer.concat([this.#header, chunk])
    if (this.#header.length < PROTOCOL_HEADER.length) return
    this.#parser = new FrameParser(
      {
        onFrame: (type, channel, buffer, start, end) =>
          this.#onFrame(type, channel, buffer.subarray(start, end)),
      },
      2 ** 31,
    )
    this.send(0, 'connection.start', {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties,
      mechanisms: Buffer.from(mechanisms),
      locales: Buffer.from('en_US'),
    })
    const rest = this.#header.subarray(PROTOCOL_HEADER.length)
    if (rest.length > 0) this.#parser.push(rest)
  }

  #onFrame(type: number, channel: number, payload: Buffer): void {
    if (type === FRAME_METHOD) {
      const method = decodeMethod(new Reader(payload))
      if (methods[method.name].content) {
        this.#content = { channel, method, header: Buffer.alloc(0), parts: [], left: 0 }
      } else {
        this.#take({ channel, method, header: Buffer.alloc(0), body: Buffer.alloc(0) })
      }
    } else if (this.#content !== undefined) {
      const content = this.#content
      if (type === FRAME_HEADER) {
        content.header = Buffer.from(payload)
        content.left = Number(payload.readBigUInt64BE(4))
      } else {
        content.parts.push(Buffer.from(payload))
        content.left -= payload.length
      }
      if (content.left > 0) return
      this.#content = undefined
      this.#take({ ...content, body: Buffer.concat(content.parts) })
    }
  }

  #take(received: Received): void {
    const { name } = received.method
    this.received.push(received)
    this.#answers.get(name)?.(received)
    const served = this.#waiting.filter(waiting => waiting.name === name)
    this.#waiting = this.#waiting.filter(waiting => waiting.name !== name)
    for (const { resolve } of served) resolve()
  }
}

function isNamed<N extends MethodName>(received: Received, name: N): received is Received<N> {
  return received.method.name === name
}

/** Lets the event loop turn so often: what is under way in memory has arrived by then. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
