/** Owns the answers to requests: enough for any client to believe that it talks to RabbitMQ. */
import { longString, shortString, table, u8, u16, u32, u64 } from '../wire/bytes.js'
import { Id, methodFrame } from '../wire/frames.js'
import { readU16, readU32 } from '../wire/walker.js'

export const START = methodFrame(
  0,
  Id.connectionStart,
  u8(0),
  u8(9),
  table({
    product: 'RabbitMQ',
    version: '3.13.0',
    platform: 'none',
    copyright: '',
    information: '',
    cluster_name: 'null-peer',
    capabilities: {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      consumer_priorities: true,
      authentication_failure_close: true,
      per_consumer_qos: true,
      direct_reply_to: true,
    },
  }),
  longString('PLAIN AMQPLAIN'),
  longString('en_US'),
)

export const FRAME_MAX = 131_072

export function tune(channelMax: number): Buffer {
  return methodFrame(0, Id.connectionTune, u16(channelMax), u32(FRAME_MAX), u16(0))
}

export function ack(channel: number, tag: number): Buffer {
  return methodFrame(channel, Id.basicAck, u64(tag), u8(1))
}

/** Methods without arguments answer most requests: their number is the request's plus one. */
const PLAIN = new Set([
  Id.channelClose,
  Id.connectionClose,
  Id.basicQos,
  Id.confirmSelect,
  0x00140014,
  0x0028000a,
  0x00280014,
  0x0028001e,
  0x00320014,
  0x00320032,
  0x003c006e,
])
/** The one number that does not follow: exchange.unbind is 40, and its answer 51. */
const EXCHANGE_UNBIND = 0x00280028
const EXCHANGE_UNBIND_OK = 0x00280033

/** The answer to a request; none to what is no request. `count` is what a queue is said to hold. */
export function reply(
  id: number,
  channel: number,
  bytes: Buffer,
  at: number,
  count: number,
): Buffer | undefined {
  if (PLAIN.has(id)) return methodFrame(channel, id + 1)
  switch (id) {
    case Id.connectionOpen:
      return methodFrame(channel, Id.connectionOpenOk, shortString(''))
    case Id.channelOpen:
      return methodFrame(channel, Id.channelOpenOk, longString(''))
    case EXCHANGE_UNBIND:
      return methodFrame(channel, EXCHANGE_UNBIND_OK)
    case Id.queueDeclare:
      return methodFrame(channel, Id.queueDeclareOk, shortAt(bytes, at + 6), u32(count), u32(0))
    case Id.queuePurge:
      return methodFrame(channel, Id.queuePurgeOk, u32(0))
    case Id.queueDelete:
      return methodFrame(channel, Id.queueDeleteOk, u32(0))
    case Id.basicCancel:
      return methodFrame(channel, Id.basicCancelOk, shortAt(bytes, at + 4))
    default:
      return undefined
  }
}

/** A short string with its length, where it stands. */
function shortAt(bytes: Buffer, at: number): Buffer {
  return Buffer.from(bytes.subarray(at, at + 1 + (bytes[at] as number)))
}

export interface ConsumeRequest {
  readonly queue: string
  readonly consumerTag: string
  readonly noAck: boolean
}

/** Reads basic.consume; `made` is the tag for a consumer that has none. */
export function readConsume(bytes: Buffer, at: number, made: string): ConsumeRequest {
  const queueAt = at + 6
  const tagAt = queueAt + 1 + (bytes[queueAt] as number)
  const flagsAt = tagAt + 1 + (bytes[tagAt] as number)
  return {
    queue: bytes.toString('utf8', queueAt + 1, tagAt),
    consumerTag: bytes.toString('utf8', tagAt + 1, flagsAt) || made,
    noAck: ((bytes[flagsAt] as number) & 2) !== 0,
  }
}

export function consumeOk(channel: number, consumerTag: string): Buffer {
  return methodFrame(channel, Id.basicConsumeOk, shortString(consumerTag))
}

/** The consumer tag of basic.cancel. */
export function readCancel(bytes: Buffer, at: number): string {
  const tagAt = at + 4
  return bytes.toString('utf8', tagAt + 1, tagAt + 1 + (bytes[tagAt] as number))
}

/** The count of basic.qos. */
export function readQos(bytes: Buffer, at: number): number {
  return readU16(bytes, at + 8)
}

/** The frame_max of connection.tune-ok. */
export function readTuneOk(bytes: Buffer, at: number): number {
  return readU32(bytes, at + 6)
}
