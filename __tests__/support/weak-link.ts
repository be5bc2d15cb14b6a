// Owns: a way to a broker that a test can cut (RST or FIN), stall, make deaf, and take down. It closes after the test.
// Must not know: AMQP, and the client under test.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach } from '@jest/globals'
import { reset } from '../../scripts/demo/reset.js'

interface Pair {
  readonly client: Socket
  readonly broker: Socket
}

const links: WeakLink[] = []

afterEach(() => Promise.all(links.splice(0).map(link => link.close())))

export class WeakLink {
  /** Whether new connections get through. */
  up = true
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  readonly #sockets = new Set<Socket>()
  /** Connections whose broker's side stays when their client's side goes. */
  readonly #halfOpen = new Set<Pair>()

  constructor(target: URL) {
    this.#server = createServer(client => {
      if (!this.up) {
        reset(client)
        return
      }
      const broker = connect(Number(target.port || 5672), target.hostname)
      const pair = { client, broker }
      this.#pairs.add(pair)
      for (const socket of [client, broker]) {
        this.#sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => this.#sockets.delete(socket))
      }
      client.pipe(broker)
      broker.pipe(client)
      broker.on('close', () => {
        client.destroy()
        this.#halfOpen.delete(pair)
      })
      client.on('close', () => {
        this.#pairs.delete(pair)
        if (!this.#halfOpen.has(pair)) broker.destroy()
      })
    })
  }

  get url(): string {
    return `amqp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How many connections of clients there are. */
  get connections(): number {
    return this.#pairs.size
  }

  listen(): Promise<void> {
    return new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve))
  }

  /** Breaks every connection, on both sides. */
  cut(): void {
    for (const { client, broker } of this.#pairs) {
      reset(client)
      reset(broker)
    }
  }

  /** Ends every connection in order, on both sides. */
  end(): void {
    for (const { client, broker } of this.#pairs) {
      client.unpipe()
      broker.unpipe()
      client.end()
      broker.end()
    }
  }

  /** Nothing passes any more on the connections that there are, in either direction. */
  stall(): void {
    for (const { client, broker } of this.#pairs) {
      client.unpipe().resume()
      broker.unpipe().resume()
    }
  }

  /** Breaks the clients' side of every connection; the broker does not hear of it before its heartbeat does. */
  orphan(): void {
    for (const pair of this.#pairs) {
      this.#halfOpen.add(pair)
      pair.client.unpipe()
      pair.broker.unpipe().resume()
      reset(pair.client)
    }
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise(resolve => this.#server.close(() => resolve()))
  }
}

/** A weak link to the broker at `url`. */
export async function startWeakLink(url: string): Promise<WeakLink> {
  const link = new WeakLink(new URL(url))
  links.push(link)
  await link.listen()
  return link
}
