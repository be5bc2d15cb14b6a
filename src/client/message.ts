/**
 * Owns what a user sees of a received message. It copies positions, not bytes: properties, headers and the rest are
 * decoded when they are asked for. How it is settled is its settler's business.
 */
import { inspect } from 'node:util'
import { decodeBasicDeliver, decodeBasicGetOk } from '../codec/methods.gen.js'
import { decodeBasicHeaders, decodeBasicProperties } from '../codec/properties.gen.js'
import type { Content } from '../connection/content.js'
import { AlreadySettledError } from '../errors.js'
import type { AckOptions, MessageProperties, NackOptions, RejectOptions } from '../options.js'
import type { Settlement, Settler } from '../session/settlement.js'
import { checkFlag } from '../util/check.js'
import type { Table } from '../util/field-value.js'
import { Reader } from '../wire/reader.js'

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

  /** Its body. The bytes are the user's to keep. */
  get body(): Buffer {
    this.#body ??= this.#bodyBytes.subarray(this.#bodyAt, this.#bodyEnd)
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
   * @returns false if the channel that delivered it is gone, and the broker will deliver it again
   * @throws {@link AlreadySettledError} if it is settled already, or was received with `noAck`
   */
  ack(options: AckOptions = {}): boolean {
    return this.#settle(flag('ack', 'multiple', options.multiple, false) ? ACK_MULTIPLE : ACK)
  }

  /**
   * Refuses it (RabbitMQ, "Negative Acknowledgements"): it goes back to its queue, or, with `requeue: false`, is
   * dropped or dead-lettered.
   *
   * @returns false if the channel that delivered it is gone, and the broker will deliver it again
   * @throws {@link AlreadySettledError} if it is settled already, or was received with `noAck`
   */
  nack(options: NackOptions = {}): boolean {
    const multiple = flag('nack', 'multiple', options.multiple, false)
    return this.#settle({ kind: 'nack', multiple, requeue: flag('nack', 'requeue', options.requeue, true) })
  }

  /**
   * Refuses it (AMQP 0-9-1, `basic.reject`): as {@link nack} does, but never several at once.
   *
   * @returns false if the channel that delivered it is gone, and the broker will deliver it again
   * @throws {@link AlreadySettledError} if it is settled already, or was received with `noAck`
   */
  reject(options: RejectOptions = {}): boolean {
    return this.#settle({ kind: 'reject', requeue: flag('reject', 'requeue', options.requeue, true) })
  }

  /** What `console.log` shows. */
  [inspect.custom](): object {
    const { deliveryTag, exchange, routingKey, redelivered, consumerTag, properties, headers, body } = this
    return { deliveryTag, exchange, routingKey, redelivered, consumerTag, properties, headers, body }
  }

  #settle(settlement: Settlement): boolean {
    if (this.#noAck) throw new AlreadySettledError('a message that was received with noAck needs no settling')
    return this.#settler.settle(this.deliveryTag, settlement)
  }

  #decodeEnvelope(): Envelope {
    if (this.#envelope !== undefined) return this.#envelope
    reader.reset(this.#methodBytes, this.#methodAt, this.#methodEnd)
    if (this.#fromGet) {
      this.#envelope = decodeBasicGetOk(reader)
    } else {
      const deliver = decodeBasicDeliver(reader)
      this.#envelope = { ...deliver, consumerTag: this.#settler.publicTag(deliver.consumerTag) }
    }
    return this.#envelope
  }
}

function flag(method: string, name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault
  checkFlag(`${method}: ${name}`, value)
  return value
}
