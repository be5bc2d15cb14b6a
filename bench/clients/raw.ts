/**
 * Owns the workloads on no client at all: bytes that were encoded ahead of time go out in large chunks, frames that
 * come in are walked and dropped. It is the limit to what a client can reach.
 */

import { Id } from '../wire/frames.js'
import type { Ticker } from '../worker/ticker.js'
import { type Context, type Driver, inFlightFor, namesFor, PREFETCH, repeat } from './driver.js'
import { RawConnection } from './raw-connection.js'

const CHUNK = 65_536

/** Writes one message after the other, in chunks, until the meter says that it is enough. */
async function flood(connection: RawConnection, message: Buffer, meter: Ticker): Promise<void> {
  const count = Math.max(1, Math.floor(CHUNK / message.length))
  const chunk = copies(message, count)
  do if (!connection.write(chunk)) await connection.drained()
  while (!meter.ticks(count))
}

function copies(message: Buffer, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => message))
}

/** Consumes, acking all that a read brought with one ack; without acks if `prefetch` is 0. */
async function consume({ job, meter }: Context, prefetch: number): Promise<void> {
  const connection = await RawConnection.open(job.url)
  await new Promise<void>(resolve => {
    let last = 0
    let acked = 0
    connection.onDelivery = tag => {
      last = tag
      if (meter.tick()) resolve()
    }
    connection.onRead = () => {
      if (prefetch === 0 || last === acked) return
      acked = last
      connection.ack(last)
    }
    connection.consume(job.queue, prefetch)
  })
}

export const driver: Driver = {
  async publish(context) {
    const connection = await RawConnection.open(context.job.url)
    await flood(connection, connection.encode(context), context.meter)
  },

  async confirm(context) {
    const connection = await RawConnection.open(context.job.url)
    const message = connection.encode(context)
    const inFlight = inFlightFor(context.job.body)
    const messages = copies(message, inFlight)
    await connection.confirmSelect()
    await new Promise<void>(resolve => {
      let confirmed = 0
      const send = (count: number): void => {
        connection.write(messages.subarray(0, count * message.length))
      }
      connection.onConfirm = tag => {
        const count = tag - confirmed
        confirmed = tag
        if (context.meter.ticks(count)) resolve()
        else send(count)
      }
      send(inFlight)
    })
  },

  async 'one-by-one'(context) {
    const connection = await RawConnection.open(context.job.url)
    const message = connection.encode(context)
    await connection.confirmSelect()
    await new Promise<void>(resolve => {
      connection.onConfirm = () => {
        if (context.meter.tick()) resolve()
        else connection.write(message)
      }
      connection.write(message)
    })
  },

  consume: context => consume(context, 0),
  'consume-read': context => consume(context, 0),
  'consume-ack': context => consume(context, PREFETCH),
  'for-each': context => consume(context, PREFETCH),

  async request(context) {
    const { job } = context
    const connection = await RawConnection.open(job.url)
    const request = connection.declare(job.queue, true)
    await repeat(context, () => connection.request(request, Id.queueDeclareOk))
  },

  async declares(context) {
    const { job, meter } = context
    const connection = await RawConnection.open(job.url)
    for (let round = 0; ; round++) {
      const requests = namesFor(context, round).map(name => connection.declare(name, false))
      await connection.request(Buffer.concat(requests), Id.queueDeclareOk, requests.length)
      if (meter.ticks(requests.length)) return
    }
  },
}
