/** Unacknowledged deliveries of a channel, and what is sent over the wire to settle them. */
import { decodeMethod, type Method } from '../../../src/codec/methods.gen.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { type Settlement, UnackedDeliveries } from '../../../src/session/settlement.js'
import { Reader } from '../../../src/wire/reader.js'

export const ACK: Settlement = { kind: 'ack', multiple: false }
export const ACK_ALL: Settlement = { kind: 'ack', multiple: true }
export const NACK: Settlement = { kind: 'nack', multiple: false, requeue: true }
export const NACK_ALL: Settlement = { kind: 'nack', multiple: true, requeue: false }
export const REJECT: Settlement = { kind: 'reject', requeue: false }

export function unackedWith(deliveries: number) {
  const sent: Method[] = []
  const parser = new FrameParser(
    {
      onFrame: (_type, _channel, buffer, start, end) =>
        sent.push(decodeMethod(new Reader(buffer, start, end))),
    },
    0,
  )
  const metrics = new Metrics()
  const outbox = new Outbox(0, metrics)
  outbox.transport = {
    write: pieces => {
      for (const piece of pieces) parser.push(Buffer.from(piece))
      return true
    },
  }
  const unacked = new UnackedDeliveries(1, outbox, metrics)
  for (let tag = 1; tag <= deliveries; tag++) unacked.add(tag)
  const acks = (): [number, boolean][] => {
    outbox.flush()
    return sent.splice(0).map(method => {
      if (method.name !== 'basic.ack') throw new Error(`${method.name} came`)
      return [method.args.deliveryTag, method.args.multiple]
    })
  }
  return { unacked, outbox, metrics, sent, acks }
}
