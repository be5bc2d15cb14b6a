/** Owns whole frames, encoded ahead of time: methods, and messages with their headers and bodies. */
import { shortString, type Table, table, u8, u16, u32, u64 } from './bytes.js'

export const FRAME_METHOD = 1
export const FRAME_HEADER = 2
export const FRAME_BODY = 3
const FRAME_END = u8(0xce)
/** Type, channel and size before the payload, the end octet behind it. */
const FRAME_OVERHEAD = 8

/** A class id and a method id, as the one number that a method frame begins with. */
export const Id = {
  connectionStart: 0x000a000a,
  connectionStartOk: 0x000a000b,
  connectionTune: 0x000a001e,
  connectionTuneOk: 0x000a001f,
  connectionOpen: 0x000a0028,
  connectionOpenOk: 0x000a0029,
  connectionClose: 0x000a0032,
  connectionCloseOk: 0x000a0033,
  channelOpen: 0x0014000a,
  channelOpenOk: 0x0014000b,
  channelClose: 0x00140028,
  channelCloseOk: 0x00140029,
  queueDeclare: 0x0032000a,
  queueDeclareOk: 0x0032000b,
  queuePurge: 0x0032001e,
  queuePurgeOk: 0x0032001f,
  queueDelete: 0x00320028,
  queueDeleteOk: 0x00320029,
  basicQos: 0x003c000a,
  basicQosOk: 0x003c000b,
  basicConsume: 0x003c0014,
  basicConsumeOk: 0x003c0015,
  basicCancel: 0x003c001e,
  basicCancelOk: 0x003c001f,
  basicPublish: 0x003c0028,
  basicDeliver: 0x003c003c,
  basicAck: 0x003c0050,
  basicReject: 0x003c005a,
  basicNack: 0x003c0078,
  confirmSelect: 0x0055000a,
  confirmSelectOk: 0x0055000b,
} as const

const CLASS_BASIC = 60

export function frame(type: number, channel: number, payload: Buffer): Buffer {
  return Buffer.concat([u8(type), u16(channel), u32(payload.length), payload, FRAME_END])
}

export function methodFrame(channel: number, id: number, ...args: Buffer[]): Buffer {
  return frame(FRAME_METHOD, channel, Buffer.concat([u32(id), ...args]))
}

/** The properties that the benchmark uses. */
export interface Properties {
  readonly contentType?: string
  readonly headers?: Table
  readonly deliveryMode?: number
  readonly correlationId?: string
  readonly messageId?: string
  /** Seconds. */
  readonly timestamp?: number
}

/** The method, its header frame, and as many body frames as the limit on frames asks for. */
export function contentFrames(
  channel: number,
  method: Buffer,
  properties: Properties,
  body: Buffer,
  frameMax: number,
): Buffer {
  const pieces = [method, headerFrame(channel, properties, body.length)]
  const most = frameMax === 0 ? body.length : frameMax - FRAME_OVERHEAD
  for (let at = 0; at < body.length; at += most) {
    pieces.push(frame(FRAME_BODY, channel, body.subarray(at, at + most)))
  }
  return Buffer.concat(pieces)
}

function headerFrame(channel: number, properties: Properties, bodySize: number): Buffer {
  let flags = 0
  const fields: Buffer[] = []
  const add = (bit: number, bytes: Buffer | undefined): void => {
    if (bytes === undefined) return
    flags |= 1 << bit
    fields.push(bytes)
  }
  const { contentType, headers, deliveryMode, correlationId, messageId, timestamp } = properties
  add(15, contentType === undefined ? undefined : shortString(contentType))
  add(13, headers === undefined ? undefined : table(headers))
  add(12, deliveryMode === undefined ? undefined : u8(deliveryMode))
  add(10, correlationId === undefined ? undefined : shortString(correlationId))
  add(7, messageId === undefined ? undefined : shortString(messageId))
  add(6, timestamp === undefined ? undefined : u64(timestamp))
  const payload = [u16(CLASS_BASIC), u16(0), u64(bodySize), u16(flags), ...fields]
  return frame(FRAME_HEADER, channel, Buffer.concat(payload))
}
