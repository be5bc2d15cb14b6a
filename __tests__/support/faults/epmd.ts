/**
 * Owns an epmd within this process, for one Erlang node and its command line tools: it takes their names, and tells them
 * where others listen, as a test wants. Knows nothing of why.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../../../scripts/broker/ports.js'

/** Requests and responses of the protocol, by their first byte (Erlang, "Distribution Protocol"). */
const ALIVE2_REQ = 120
const ALIVE2_X_RESP = 118
const PORT2_REQ = 122
const PORT2_RESP = 119
const NAMES_REQ = 110
const KILL_REQ = 107
const NOT_FOUND = 1

/** Where another node listens; undefined if it is not known. */
export type Lookup = (name: string) => Promise<number | undefined>

interface Registered {
  readonly port: number
  /** The request from the node's type on: versions, name and extra, which is told to whoever asks. */
  readonly details: Buffer
}

export class Epmd {
  readonly #server: Server
  readonly #elsewhere: Lookup
  readonly #names = new Map<string, Registered>()
  readonly #sockets = new Set<Socket>()
  #creation = 1

  private constructor(
    readonly port: number,
    elsewhere: Lookup,
  ) {
    this.#elsewhere = elsewhere
    this.#server = createServer(socket => this.#onSocket(socket))
  }

  /** Names that are not registered here are looked up elsewhere. */
  static async start(elsewhere: Lookup): Promise<Epmd> {
    const epmd = new Epmd(await freePort(), elsewhere)
    epmd.#server.listen(epmd.port, '127.0.0.1')
    await once(epmd.#server, 'listening')
    return epmd
  }

  portOf(name: string): number | undefined {
    return this.#names.get(name)?.port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #onSocket(socket: Socket): void {
    let received = Buffer.alloc(0)
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const request = received.subarray(2, 2 + received.readUInt16BE(0))
      received = received.subarray(2 + request.length)
      void this.#answer(socket, request)
    })
  }

  async #answer(socket: Socket, request: Buffer): Promise<void> {
    switch (request[0]) {
      case ALIVE2_REQ:
        return this.#register(socket, request)
      case PORT2_REQ:
        socket.end(await this.#located(request.toString('utf8', 1)))
        return
      case NAMES_REQ:
        socket.end(this.#listed())
        return
      case KILL_REQ:
        socket.end('OK')
        return this.close()
      default:
        socket.destroy()
    }
  }

  /** The name is taken as long as the connection lasts. */
  #register(socket: Socket, request: Buffer): void {
    const length = request.readUInt16BE(9)
    const name = request.toString('utf8', 11, 11 + length)
    if (this.#names.has(name)) {
      socket.end(Buffer.from([ALIVE2_X_RESP, 1, 0, 0, 0, 0]))
      return
    }
    this.#names.set(name, { port: request.readUInt16BE(1), details: request.subarray(3) })
    socket.on('close', () => this.#names.delete(name))
    const response = Buffer.from([ALIVE2_X_RESP, 0, 0, 0, 0, 0])
    response.writeUInt32BE(++this.#creation, 2)
    socket.write(response)
  }

  async #located(name: string): Promise<Buffer> {
    const own = this.#names.get(name)
    const port = own?.port ?? (await this.#elsewhere(name))
    if (port === undefined) return Buffer.from([PORT2_RESP, NOT_FOUND])
    const head = Buffer.from([PORT2_RESP, 0, 0, 0])
    head.writeUInt16BE(port, 2)
    return Buffer.concat([head, own?.details ?? detailsOf(name)])
  }

  #listed(): Buffer {
    const port = Buffer.alloc(4)
    port.writeUInt32BE(this.port)
    const lines = [...this.#names].map(([name, registered]) => `name ${name} at port ${registered.port}\n`)
    return Buffer.concat([port, Buffer.from(lines.join(''))])
  }
}

/** What is told of a node that is registered elsewhere: a usual one, TCP over IPv4, protocol version 6 (since Erlang 23). */
function detailsOf(name: string): Buffer {
  const bytes = Buffer.from(name)
  const details = Buffer.from([77, 0, 0, 6, 0, 5, 0, bytes.length])
  return Buffer.concat([details, bytes, Buffer.from([0, 0])])
}
