/**
 * Owns a broker in memory that answers what it is asked, one for each connection; and its judgement of the client, whose
 * frames have to be in order whatever it gets (`client-order.ts`). Names mean something: a queue `missing` is not there, `empty` has no messages;
 * a message to `nowhere` comes back, one to `nack` is refused.
 */
import {
  type ArgsOf,
  decodeMethod,
  type Method,
  type MethodName,
  methods,
} from '../../../src/codec/methods.gen.js'
import { encodeBasicHeader } from '../../../src/codec/properties.gen.js'
import {
  FRAME_BODY,
  FRAME_HEADER,
  FRAME_HEARTBEAT,
  FRAME_METHOD,
  PROTOCOL_HEADER,
} from '../../../src/frame/constants.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { beginFrame, endFrame } from '../../../src/frame/writer.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { demand } from '../errors.js'
import { ClientOrder } from './client-order.js'
import type { Wire } from './wire.js'

/** What the broker says during the handshake. */
export type Tune = ArgsOf<'connection.tune'>

const NOT_FOUND = 404
const NO_ROUTE = 312
/** A body is sent in frames of so many bytes. */
const ROOM = 4000

export class Broker {
  /** It answers nothing. */
  mute = false
  readonly #wire: Wire
  readonly #tune: Tune
  readonly #writer = new Writer()
  readonly #parser: FrameParser
  #opening: Buffer | undefined = Buffer.alloc(0)
  readonly #order = new ClientOrder()
  /** The publishes on a channel in confirm mode, and the deliveries on any. */
  readonly #published = new Map<number, number>()
  readonly #delivered = new Map<number, number>()
  readonly #consumers: { readonly channel: number; readonly tag: string }[] = []
  #content: { readonly channel: number; readonly method: Method; left: number } | undefined

  constructor(wire: Wire, tune: Tune) {
    this.#wire = wire
    this.#tune = tune
    wire.onWrite = bytes => this.#receive(bytes)
    this.#parser = new FrameParser(
      {
        onFrame: (type, channel, buffer, start, end) =>
          this.#onFrame(type, channel, buffer.subarray(start, end)),
      },
      tune.frameMax,
    )
  }

  send<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>): void {
    this.#wire.frame(this.#framed(FRAME_METHOD, channel, writer => methods[name].encode(writer, args)))
  }

  /** A message for one of the consumers, the oldest being 0. */
  deliver(index: number, size: number): void {
    const consumer = this.#consumers[index % Math.max(1, this.#consumers.length)]
    if (consumer === undefined) return
    const { channel, tag } = consumer
    const deliveryTag = this.#next(this.#delivered, channel)
    const fields = { consumerTag: tag, deliveryTag, redelivered: false, exchange: '', routingKey: 'q' }
    this.#sendContent(channel, 'basic.deliver', fields, size)
  }

  /** Cancels one of the consumers. */
  cancel(index: number): void {
    const [consumer] = this.#consumers.splice(index % Math.max(1, this.#consumers.length), 1)
    if (consumer === undefined) return
    this.send(consumer.channel, 'basic.cancel', { consumerTag: consumer.tag, noWait: true })
  }

  closeChannel(channel: number, replyCode: number, about: MethodName | undefined): void {
    const id = about === undefined ? 0 : methods[about].id
    this.send(channel, 'channel.close', {
      replyCode,
      replyText: 'FUZZ',
      classId: id >>> 16,
      methodId: id & 0xffff,
    })
  }

  closeConnection(replyCode: number, about: MethodName | undefined): void {
    const id = about === undefined ? 0 : methods[about].id
    this.send(0, 'connection.close', {
      replyCode,
      replyText: 'FUZZ',
      classId: id >>> 16,
      methodId: id & 0xffff,
    })
  }

  #receive(bytes: Buffer): void {
    if (this.#opening === undefined) {
      this.#parser.push(bytes)
      return
    }
    this.#opening = Buffer.concat([this.#opening, bytes])
    if (this.#opening.length < PROTOCOL_HEADER.length) return
    const rest = this.#opening.subarray(PROTOCOL_HEADER.length)
    demand(this.#opening.indexOf(PROTOCOL_HEADER) === 0, 'the client does not begin with the protocol header')
    this.#opening = undefined
    const serverProperties = { product: 'fuzz', capabilities: { publisher_confirms: true } }
    const [mechanisms, locales] = [Buffer.from('PLAIN AMQPLAIN'), Buffer.from('en_US')]
    if (!this.mute) {
      this.send(0, 'connection.start', {
        versionMajor: 0,
        versionMinor: 9,
        serverProperties,
        mechanisms,
        locales,
      })
    }
    if (rest.length > 0) this.#parser.push(rest)
  }

  #onFrame(type: number, channel: number, payload: Buffer): void {
    if (type === FRAME_HEARTBEAT) return
    demand(!this.#order.isClosed || type === FRAME_METHOD, 'the client sends content after connection.close')
    if (type === FRAME_METHOD) {
      demand(this.#content === undefined, 'the client sends a method within a content')
      const method = decodeMethod(new Reader(payload))
      if (methods[method.name].content) this.#content = { channel, method, left: -1 }
      else this.#take(channel, method)
      return
    }
    const content = this.#content
    demand(content?.channel === channel, 'the client sends content that no method announced')
    if (type === FRAME_HEADER) content.left = Number(payload.readBigUInt64BE(4))
    else content.left -= payload.length
    demand(content.left >= 0 && type <= FRAME_BODY, 'the client sends more than it has announced')
    if (content.left > 0) return
    this.#content = undefined
    this.#take(channel, content.method)
  }

  #take(channel: number, method: Method): void {
    const { name } = method
    this.#order.take(channel, name)
    if (this.mute) return
    if (name === 'basic.publish') this.#onPublish(channel, method.args)
    else if (isMissing(method)) this.#refuse(channel, name)
    else this.#answer(channel, method)
  }

  #answer(channel: number, method: Method): void {
    switch (method.name) {
      case 'connection.start-ok':
        this.send(0, 'connection.tune', this.#tune)
        break
      case 'connection.close':
        this.send(0, 'connection.close-ok', {})
        this.#wire.hangUp()
        break
      case 'connection.open':
        this.send(0, 'connection.open-ok', {})
        break
      case 'connection.update-secret':
        this.send(0, 'connection.update-secret-ok', {})
        break
      case 'channel.open':
        this.#published.delete(channel)
        this.#delivered.delete(channel)
        this.send(channel, 'channel.open-ok', {})
        break
      case 'channel.close':
        this.#forget(channel)
        this.send(channel, 'channel.close-ok', {})
        break
      case 'queue.declare':
        this.send(channel, 'queue.declare-ok', {
          queue: method.args.queue || 'amq.gen-1',
          messageCount: 1,
          consumerCount: 0,
        })
        break
      case 'queue.purge':
        this.send(channel, 'queue.purge-ok', { messageCount: 1 })
        break
      case 'queue.delete':
        this.send(channel, 'queue.delete-ok', { messageCount: 1 })
        break
      case 'basic.get':
        this.#onGet(channel, method.args.queue)
        break
      case 'basic.consume':
        this.#consumers.push({ channel, tag: method.args.consumerTag })
        this.send(channel, 'basic.consume-ok', { consumerTag: method.args.consumerTag })
        break
      case 'basic.cancel': {
        const { consumerTag } = method.args
        const at = this.#consumers.findIndex(({ tag }) => tag === consumerTag)
        if (at >= 0) this.#consumers.splice(at, 1)
        this.send(channel, 'basic.cancel-ok', { consumerTag })
        break
      }
      case 'exchange.declare':
      case 'exchange.delete':
      case 'exchange.bind':
      case 'exchange.unbind':
      case 'queue.bind':
      case 'queue.unbind':
      case 'basic.qos':
      case 'confirm.select':
        this.send(channel, `${method.name}-ok`, {})
        break
      default:
    }
  }

  #onPublish(channel: number, { exchange, routingKey, mandatory }: ArgsOf<'basic.publish'>): void {
    if (exchange === 'missing') {
      this.#refuse(channel, 'basic.publish')
      return
    }
    const deliveryTag = this.#next(this.#published, channel)
    if (mandatory && routingKey === 'nowhere') {
      const fields = { replyCode: NO_ROUTE, replyText: 'NO_ROUTE', exchange, routingKey }
      this.#sendContent(channel, 'basic.return', fields, 4)
    }
    if (routingKey === 'nack')
      this.send(channel, 'basic.nack', { deliveryTag, multiple: false, requeue: false })
    else this.send(channel, 'basic.ack', { deliveryTag, multiple: false })
  }

  #onGet(channel: number, queue: string): void {
    if (queue === 'empty') {
      this.send(channel, 'basic.get-empty', {})
      return
    }
    const deliveryTag = this.#next(this.#delivered, channel)
    const fields = { deliveryTag, redelivered: false, exchange: '', routingKey: queue, messageCount: 7 }
    this.#sendContent(channel, 'basic.get-ok', fields, 10)
  }

  #refuse(channel: number, about: MethodName): void {
    this.#forget(channel)
    this.closeChannel(channel, NOT_FOUND, about)
  }

  #forget(channel: number): void {
    for (let at = this.#consumers.length - 1; at >= 0; at--) {
      if (this.#consumers[at]?.channel === channel) this.#consumers.splice(at, 1)
    }
  }

  #next(counts: Map<number, number>, channel: number): number {
    const count = (counts.get(channel) ?? 0) + 1
    counts.set(channel, count)
    return count
  }

  #sendContent<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>, size: number): void {
    this.send(channel, name, args)
    const headers = { 'x-death': [{ queue: 'q', reason: 'expired', count: 1 }], text: 'é' }
    this.#wire.frame(
      this.#framed(FRAME_HEADER, channel, writer =>
        encodeBasicHeader(writer, size, { messageId: 'm' }, headers),
      ),
    )
    for (let left = size; left > 0; left -= ROOM) {
      const body = Buffer.alloc(Math.min(left, ROOM), 'x')
      this.#wire.frame(this.#framed(FRAME_BODY, channel, writer => writer.bytes(body)))
    }
  }

  #framed(type: number, channel: number, payload: (writer: Writer) => void): Buffer {
    const place = beginFrame(this.#writer, type, channel)
    payload(this.#writer)
    endFrame(this.#writer, place, 0)
    const frame = Buffer.from(this.#writer.unit())
    this.#writer.rollback()
    return frame
  }
}

/** It is about a queue or an exchange that is not there. */
function isMissing({ args }: Method): boolean {
  return ['queue', 'exchange', 'source', 'destination'].some(
    name => (args as Readonly<Record<string, unknown>>)[name] === 'missing',
  )
}
