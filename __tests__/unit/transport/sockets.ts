/** Owns: the peers and recorders of the transport's tests: servers of this process, and their end after each test. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type ServerOpts, type Socket } from 'node:net'
import { connectStream } from '../../../src/transport/stream.js'
import type { Address, Transport, TransportEvents } from '../../../src/transport-types.js'
import { defer } from '../../../src/util/promise.js'

export const NEVER = new AbortController().signal
/** More than any socket buffer of the system takes. */
export const MUCH = 16 * 1_048_576

export class Recorder implements TransportEvents {
  readonly chunks: Buffer[] = []
  readonly closes: (Error | undefined)[] = []
  readonly closed = defer<Error | undefined>()
  readonly drained = defer<void>()
  #waiting: (() => void)[] = []

  onData(chunk: Buffer): void {
    this.chunks.push(chunk)
    for (const wake of this.#waiting.splice(0)) wake()
  }
  onDrain(): void {
    this.drained.resolve()
  }
  onClose(error?: Error): void {
    this.closes.push(error)
    this.closed.resolve(error)
  }
  get text(): string {
    return Buffer.concat(this.chunks).toString()
  }
  async received(length: number): Promise<string> {
    while (this.text.length < length) await new Promise<void>(resolve => this.#waiting.push(resolve))
    return this.text
  }
}

/** Reads on until so much has come; the socket pauses then. */
export function read(socket: Socket, length: number): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  return new Promise(resolve => {
    const take = (chunk: Buffer): void => {
      chunks.push(chunk)
      size += chunk.length
      if (size < length) return
      socket.off('data', take)
      socket.pause()
      resolve(Buffer.concat(chunks).toString())
    }
    socket.on('data', take)
    socket.resume()
  })
}

/** How to close what a test has opened. */
const open: (() => Promise<unknown>)[] = []
const servers: Server[] = []

/** Listens, and hands out the next peer that connects. */
export async function listen(server: Server, where: { port: number } | { path: string } = { port: 0 }) {
  servers.push(server)
  server.on('connection', (socket: Socket) => {
    open.push(async () => {
      if (socket.closed) return
      socket.destroy()
      await once(socket, 'close')
    })
    socket.on('error', () => undefined)
  })
  server.listen({ host: '127.0.0.1', ...where })
  await once(server, 'listening')
  const address = server.address() as AddressInfo | string
  return typeof address === 'string' ? 0 : address.port
}

export async function connect(
  address: Address,
  signal = NEVER,
): Promise<{ transport: Transport; events: Recorder }> {
  const transport = await connectStream(address, signal)
  const events = new Recorder()
  transport.start(events)
  open.push(() => {
    transport.destroy()
    return events.closed.promise
  })
  return { transport, events }
}

export async function connectedPair(options: ServerOpts = {}) {
  const server = createServer(options)
  const port = await listen(server)
  const peer = once(server, 'connection') as Promise<[Socket]>
  const client = await connect({ host: '127.0.0.1', port })
  const [socket] = await peer
  return { ...client, socket, server }
}

/** Closes what a test has opened; for `afterEach`. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map(close => close()))
  for (const server of servers.splice(0))
    if (server.listening) await new Promise(resolve => server.close(resolve))
}
