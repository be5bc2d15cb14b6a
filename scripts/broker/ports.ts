// Owns: choosing TCP ports on the loopback interface, and asking whether one answers.
// Must not know: which protocol is spoken on them.

import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { BrokerError } from './errors.js'

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
