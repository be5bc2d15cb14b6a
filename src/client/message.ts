/**
 * Owns what a user sees of a received message. It copies positions, not bytes: properties, headers and the rest are
 * decoded when they are asked for. How it is settled is its settler's business.
 */
import { inspect } from 'node:util'
import { decodeBasicHeader } from '../codec/header-field.js'
import { decodeBasicDeliver, decodeBasicGetOk } from '../codec/methods.gen.js'
import { decodeBasicHeaders, decodeBasicProperties } from '../codec/properties.gen.js'
import { bodyOf, type Content } from '../connection/content.js'
import { AlreadySettledError } from '../errors.js'
import { withOperation } from '../operation-errors.js'
import type { AckOptions, MessageProperties, NackOptions, RejectOptions } from '../options.js'
import { offsetOf, STREAM_OFFSET } from '../session/queue-consumer.js'
import type { Settlement, Settler } from '../session/settlement.js'
import { checkFlag } from '../util/check.js'
import type { FieldValue, Table } from '../util/field-value.js'
import { Reader } from '../wire/reader.js'
import { type Death, readDeaths } from './deaths.js'
import { checkOptionsOf } from './operation-options.js'
import { settles } from './trace-channels.js'

const NO_OPTIONS: AckOptions = {}
const ACK: Settlement = { kind: 'ack', multiple: false }
const ACK_MULTIPLE: Settlement = { kind: 'ack', multiple: true }

/** Decoding is synchronous: one cursor serves all messages. */
const reader = new Reader(Buffer.alloc(0))

interface Envelope {
  readonly redelivered: boolean
  readonly exchange: string
  readonly routingKey: string
  readonly consumerTag?: string
  readonly messageCount?: number
  readonly fromStream?: boolean
}

/** A message that was received: from a {@link Consumer}, or by {@link Client.basicGet}. */
export class Message {
  /** The number of the delivery on its channel (AMQP 0-9-1, section 1.1 "delivery-tag"). */
  readonly deliveryTag: number
  readonly #settler: Settler
  readonly #noAck: boolean
  readonly #fromGet: boolean
  readonly #methodBytes: Buffer
  readonly #methodAt: number
  readonly #methodEnd: number
  readonly #headerBytes: Buffer
  readonly #headerAt: number
  readonly #headerEnd: number
  readonly #bodyBytes: Buffer
  readonly #bodyAt: number
  readonly #bodyEnd: number
  #envelope: Envelope | undefined
  #properties: MessageProperties | undefined
  #headers: Table | undefined
  #body: Buffer | undefined
  #deaths: readonly Death[] | undefined

  /** @internal */
  constructor(content: Content, deliveryTag: number, settler: Settler, noAck: boolean, fromGet: boolean) {
    this.deliveryTag = deliveryTag
    this.#settler = settler
    this.#noAck = noAck
    this.#fromGet = fromGet
    this.#methodBytes = content.methodBytes
    this.#methodAt = content.methodAt
    this.#methodEnd = content.methodEnd
    this.#headerBytes = content.headerBytes
    this.#headerAt = content.headerAt
    this.#headerEnd = content.headerEnd
    this.#bodyBytes = content.bodyBytes
    this.#bodyAt = content.bodyAt
    this.#bodyEnd = content.bodyEnd
  }

  /** The exchange that it was published to; `''` is the default exchange. */
  get exchange(): string {
    return this.#decodeEnvelope().exchange
  }

  /** The routing key that it was published with. */
  get routingKey(): string {
    return this.#decodeEnvelope().routingKey
  }

  /** It may have been delivered before, to this consumer or to another one. */
  get redelivered(): boolean {
    return this.#decodeEnvelope().redelivered
  }

  /** The tag of the consumer that got it; undefined for a message of `basicGet`. */
  get consumerTag(): string | undefined {
    return this.#decodeEnvelope().consumerTag
  }

  /** How many messages were left in the queue; only for a message of `basicGet`. */
  get messageCount(): number | undefined {
    return this.#decodeEnvelope().messageCount
  }

  /** Its properties, headers apart. */
  get properties(): MessageProperties {
    this.#properties ??= decodeBasicProperties(
      reader.reset(this.#headerBytes, this.#headerAt, this.#headerEnd),
    )
    return this.#properties
  }

  /** Its headers; empty if it has none. */
  get headers(): Table {
    this.#headers ??= decodeBasicHeaders(reader.reset(this.#headerBytes, this.#headerAt, this.#headerEnd))
    return this.#headers
  }

  /**
   * How often it was delivered before in vain, as a quorum queue counts it in the header `x-delivery-count` (RabbitMQ,
   * "Quorum Queues", section "Poison Message Handling"): the queue drops or dead-letters the message when that exceeds its
   * delivery limit. Before RabbitMQ 4.3 each return counts, also by a `nack`; from 4.3 on a `reject` and a lost connection
   * do. Undefined if the queue has set no such header, as at the first delivery, and from classic queues.
   */
  get deliveryCount(): number | undefined {
    return countOf(this.#header('x-delivery-count'))
  }

  /**
   * How often it was delivered before, as a quorum queue of RabbitMQ 4.3 counts it in the header `x-acquired-count`, for
   * whatever reason it came back. Undefined if the queue has set no such header.
   */
  get acquiredCount(): number | undefined {
    return countOf(this.#header('x-acquired-count'))
  }

  /**
   * Why and where it was dead-lettered, the latest first, from the header `x-death` (RabbitMQ, "Dead Letter Exchanges",
   * section "Dead-Lettered Effects on Messages"). Empty if it never was. What is malformed is left out.
   */
  get deaths(): readonly Death[] {
    this.#deaths ??= readDeaths(this.#header('x-death'))
    return this.#deaths
  }

  /**
   * Where it stands in its stream (RabbitMQ, "Streams"). Undefined if it comes from no stream, whatever its headers say.
   * The client takes a queue for a stream if it has declared it as one (`x-queue-type`), or the consumer has an
   * `x-stream-offset` argument.
   */
  get streamOffset(): number | undefined {
    return this.isFromStream ? this.position : undefined
  }

  /**
   * Its body. The bytes are the user's to keep. Other messages may share their memory (`body.buffer`), which therefore is
   * marked as untransferable: transfer a copy to a worker, `Uint8Array.from(body)`.
   */
  get body(): Buffer {
    this.#body ??= bodyOf(this.#bodyBytes, this.#bodyAt, this.#bodyEnd)
    return this.#body
  }

  /** Its body as text: UTF-8. */
  text(): string {
    return this.#bodyBytes.toString('utf8', this.#bodyAt, this.#bodyEnd)
  }

  /** Its body as JSON. Throws the `SyntaxError` of `JSON.parse` where it is none. The type is the caller's promise. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T
  }

  /**
   * Acknowledges it: the broker may forget it (AMQP 0-9-1, `basic.ack`). The ack leaves with the next
   * output, at the end of this round of the event loop at the latest.
   *
   * @returns false if that has no effect: the channel that delivered it is gone, or the broker has cancelled its consumer.
   *   The broker delivers it again, unless its queue was deleted
   * @throws an {@link AlreadySettledError} if it is settled already, or was received with `noAck`
   */
  ack(options: AckOptions = NO_OPTIONS): boolean {
    if (options === NO_OPTIONS) return this.#settle(ACK)
    checkOptionsOf('ack', options)
    return this.#settle(flag('ack', 'multiple', options.multiple, false) ? ACK_MULTIPLE : ACK)
  }

  /**
   * Refuses it (RabbitMQ, "Negative Acknowledgements"): it goes back to its queue, or, with `requeue: false`, is
   * dropped or dead-lettered.
   *
   * @returns false if that has no effect: the channel that delivered it is gone, or the broker has cancelled its consumer.
   *   The broker delivers it again, unless its queue was deleted
   * @throws an {@link AlreadySettledError} if it is settled already, or was received with `noAck`
   */
  nack(options: NackOptions = {}): boolean {
    checkOptionsOf('nack', options)
    const multiple = flag('nack', 'multiple', options.multiple, false)
    return this.#settle({ kind: 'nack', multiple, requeue: flag('nack', 'requeue', options.requeue, true) })
  }

  /**
   * Refuses it (AMQP 0-9-1, `basic.reject`): as {@link nack} does, but never several at once.
   *
   * @returns false if that has no effect: the channel that delivered it is gone, or the broker has cancelled its consumer.
   *   The broker delivers it again, unless its queue was deleted
   * @throws an {@link AlreadySettledError} if it is settled already, or was received with `noAck`
   */
  reject(options: RejectOptions = {}): boolean {
    checkOptionsOf('reject', options)
    return this.#settle({ kind: 'reject', requeue: flag('reject', 'requeue', options.requeue, true) })
  }

  /** @internal Where it stands in its stream, if it comes from one. */
  get position(): number | undefined {
    return offsetOf(this.#header(STREAM_OFFSET))
  }

  /** @internal Acks it, and all before it, which need no settling by their user; `soon`, or some milliseconds later. */
  autoAck(soon: boolean): void {
    this.#settler.autoAck(this.deliveryTag, soon)
  }

  /** @internal It comes from a queue that is known to be a stream. */
  get isFromStream(): boolean {
    return this.#decodeEnvelope().fromStream === true
  }

  /** @internal It can still be settled. */
  get isOutstanding(): boolean {
    return this.#settler.isOutstanding(this.deliveryTag)
  }

  /** @internal Whoever settles it. */
  get settler(): Settler {
    return this.#settler
  }

  /** What `console.log` shows; in place of what cannot be decoded, why it cannot. */
  [inspect.custom](): object {
    return {
      deliveryTag: this.deliveryTag,
      exchange: shown(() => this.exchange),
      routingKey: shown(() => this.routingKey),
      redelivered: shown(() => this.redelivered),
      consumerTag: shown(() => this.consumerTag),
      properties: shown(() => this.properties),
      headers: shown(() => this.headers),
      body: this.body,
    }
  }

  #settle(settlement: Settlement): boolean {
    if (!settles.hasSubscribers) return this.#settleNow(settlement)
    const { kind } = settlement
    return settles.traceSync(() => this.#settleNow(settlement), { message: this, kind })
  }

  #settleNow(settlement: Settlement): boolean {
    try {
      if (this.#noAck) {
        throw new AlreadySettledError('a message that was received with noAck needs no settling')
      }
      return this.#settler.settle(this.deliveryTag, settlement)
    } catch (error) {
      throw withOperation(error, { operation: settlement.kind })
    }
  }

  #header(name: string): FieldValue {
    // A publisher may send a header of the same name; that of the broker comes first.
    return decodeBasicHeader(reader.reset(this.#headerBytes, this.#headerAt, this.#headerEnd), name)
  }

  #decodeEnvelope(): Envelope {
    if (this.#envelope !== undefined) return this.#envelope
    reader.reset(this.#methodBytes, this.#methodAt, this.#methodEnd)
    if (this.#fromGet) {
      this.#envelope = decodeBasicGetOk(reader)
    } else {
      const deliver = decodeBasicDeliver(reader)
      const consumerTag = this.#settler.publicTag(deliver.consumerTag)
      const fromStream = this.#settler.isFromStream(deliver.consumerTag)
      this.#envelope = { ...deliver, consumerTag, fromStream }
    }
    return this.#envelope
  }
}

/** Gives back messages that nobody has looked at, in as few frames as possible. */
export function giveBack(messages: readonly Message[]): void {
  const bySettler = new Map<Settler, number[]>()
  for (const { settler, deliveryTag } of messages) {
    const tags = bySettler.get(settler)
    if (tags === undefined) bySettler.set(settler, [deliveryTag])
    else tags.push(deliveryTag)
  }
  for (const [settler, tags] of bySettler) settler.giveBack(tags)
}

/** A part of a message; if it cannot be decoded, something that `console.log` shows as a text without quotes. */
function shown(part: () => unknown): unknown {
  try {
    return part()
  } catch (error) {
    const text = `<cannot be decoded: ${error instanceof Error ? error.message : String(error)}>`
    return { [inspect.custom]: () => text }
  }
}

function countOf(header: FieldValue): number | undefined {
  return Number.isSafeInteger(header) && (header as number) >= 0 ? (header as number) : undefined
}

function flag(method: string, name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault
  try {
    checkFlag(name, value)
    return value
  } catch (error) {
    throw withOperation(error, { operation: method })
  }
}
