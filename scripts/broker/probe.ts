// Owns: the test of readiness: RabbitMQ opens its listeners last, the one for TLS behind the one for TCP, so a
// broker that answers a protocol header with connection.start, and takes connections for TLS, is up.
// Must not know: how the broker was started. It shares no code with the client under test on purpose.

import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { answersTcp } from './ports.js'

export interface Greeting {
  readonly product: string
  readonly version: string
}

const PROTOCOL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1])
const FRAME_OVERHEAD = 8

/** A long string of connection.start's server properties, found by its key; empty when it is not there. */
function property(frame: Buffer, key: string): string {
  const marker = Buffer.concat([Buffer.from([key.length]), Buffer.from(`${key}S`)])
  const at = frame.indexOf(marker)
  if (at < 0) return ''
  const start = at + marker.length + 4
  return frame.toString('utf8', start, start + frame.readUInt32BE(start - 4))
}

export function amqpGreeting(port: number, host = '127.0.0.1', timeout = 5_000): Promise<Greeting> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    let received = Buffer.alloc(0)
    const fail = (reason: string): void => {
      socket.destroy()
      reject(new Error(`${host}:${port} ${reason}`))
    }
    socket.setTimeout(timeout, () => fail('did not answer in time'))
    socket.once('error', error => fail(error.message))
    socket.once('close', () => fail('closed the connection'))
    socket.once('connect', () => socket.write(PROTOCOL_HEADER))
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      if (received.length < FRAME_OVERHEAD || received.length < received.readUInt32BE(3) + FRAME_OVERHEAD)
        return
      if (received[0] !== 1 || received.readUInt32BE(7) !== 0x000a_000a)
        return fail('does not speak AMQP 0-9-1')
      socket.destroy()
      resolve({ product: property(received, 'product'), version: property(received, 'version') })
    })
  })
}

/** Asks again until the broker answers; rejects when `signal` aborts (the node died, or the time is over). */
export async function waitForAmqp(port: number, signal: AbortSignal, tlsPort?: number): Promise<Greeting> {
  for (;;) {
    signal.throwIfAborted()
    const greeting = await amqpGreeting(port).catch(() => undefined)
    const tls = tlsPort === undefined || (greeting !== undefined && (await answersTcp('127.0.0.1', tlsPort)))
    if (greeting !== undefined && tls) return greeting
    await delay(100, undefined, { signal })
  }
}
