/**
 * Owns the way to the broker that breaks on purpose: what passes through it is cut off again and again. Knows nothing
 * of AMQP, and what passes.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { DemoError } from './errors.js'
import { reset } from './reset.js'

const DEFAULT_PORT = 5672
/** How often the connections are cut, in milliseconds. */
export const CUT_EVERY = 1000

export class Chaos {
  /** How often a connection was cut. */
  cuts = 0
  readonly #target: URL
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #timer: NodeJS.Timeout

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer(client => this.#join(client))
    this.#timer = setInterval(() => this.#cut(), CUT_EVERY)
  }

  /** Listens on a port of its own, and leads to the broker of a URL. */
  static async start(url: string): Promise<Chaos> {
    const target = new URL(url)
    if (target.protocol !== 'amqp:') throw new DemoError('--chaos needs a broker without TLS')
    const chaos = new Chaos(target)
    chaos.#server.listen(0, '127.0.0.1')
    await once(chaos.#server, 'listening')
    return chaos
  }

  /** The broker's URL, but by the way that breaks. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  /** Resets every connection: what is on its way is lost. */
  #cut(): void {
    if (this.#sockets.size > 0) this.cuts++
    for (const socket of this.#sockets) reset(socket)
  }

  #join(client: Socket): void {
    const { hostname, port } = this.#target
    const broker = connect(Number(port || DEFAULT_PORT), hostname.replace(/^\[|\]$/g, ''))
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(from)
      from.pipe(to)
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }
}
