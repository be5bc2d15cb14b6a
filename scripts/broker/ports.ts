/**
 * Owns TCP ports: choosing free ones, and asking whether one answers, and whether it speaks AMQP. Knows nothing of how a
 * broker is started, and shares no code with the client under test on purpose.
 */
import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError } from './processes.js'

// Below the range from which systems take the ports of outgoing connections: a port we chose but have not
// yet bound cannot be given to somebody's client in the meantime.
const LOWEST = 20_000
const HIGHEST = 32_000

const handedOut = new Set<number>()

export function canBind(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A port nobody listens on; never the same one twice from one process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const port = randomInt(LOWEST, HIGHEST)
    if (handedOut.has(port)) continue
    if (await canBind(port)) {
      handedOut.add(port)
      return port
    }
  }
  throw new BrokerError(`no free TCP port between ${LOWEST} and ${HIGHEST}`)
}

export function answersTcp(host: string, port: number, timeout = 5_000): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const settle = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeout, () => settle(false))
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

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

/**
 * Asks again until the broker answers; rejects when `signal` aborts (the node died, or the time is over). RabbitMQ opens its
 * listeners last, the one for TLS behind the one for TCP: a broker that greets, and takes connections for TLS, is up.
 */
export async function waitForAmqp(port: number, signal: AbortSignal, tlsPort?: number): Promise<Greeting> {
  for (;;) {
    signal.throwIfAborted()
    const greeting = await amqpGreeting(port).catch(() => undefined)
    const tls = tlsPort === undefined || (greeting !== undefined && (await answersTcp('127.0.0.1', tlsPort)))
    if (greeting !== undefined && tls) return greeting
    await delay(100, undefined, { signal })
  }
}
