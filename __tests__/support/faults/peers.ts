/**
 * Owns servers that are not quite a broker, for what goes wrong with them. Knows nothing of AMQP, and the client under
 * test. They close by themselves after the test.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach } from '@jest/globals'

const peers: Peer[] = []

afterEach(() => Promise.all(peers.splice(0).map(peer => peer.close())))

export class Peer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(onSocket: (socket: Socket) => void) {
    this.#server = createServer(socket => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
      onSocket(socket)
    })
  }

  /** How many clients are connected. */
  get connections(): number {
    return this.#sockets.size
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('it does not listen on a port')
    return address.port
  }

  get url(): string {
    return `amqp://127.0.0.1:${this.port}`
  }

  listen(path?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      if (path === undefined) this.#server.listen(0, '127.0.0.1', resolve)
      else this.#server.listen(path, resolve)
    })
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }
}

/** A server on a free port, or on a unix socket; `onSocket` gets every connection. */
export async function startPeer(onSocket: (socket: Socket) => void, path?: string): Promise<Peer> {
  const peer = new Peer(onSocket)
  peers.push(peer)
  await peer.listen(path)
  return peer
}
