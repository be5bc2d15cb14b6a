/**
 * Owns a way to a server that tests can break in every manner: cut it, stall it, slow it down, refuse it. Knows nothing
 * of what passes. It closes by itself after the test, unless it is kept.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach } from '@jest/globals'
import { reset } from '../../../scripts/demo/reset.js'

/** From the client to the server, or back. */
export type Direction = 'up' | 'down'
/** How a connection is cut, at both ends: by RST, or by FIN behind what has passed so far. */
export type Cut = 'reset' | 'end'

export interface ProxyOptions {
  /** Every connection is cut behind so many bytes of one direction; what lies behind does not pass. */
  readonly cutAfter?: { readonly direction: Direction; readonly bytes: number; readonly how: Cut }
  /** Every connection stalls, in one direction, behind so many bytes of it; what came with them passes still. */
  readonly stallAfter?: { readonly direction: Direction; readonly bytes: number }
  /** What comes passes so many milliseconds later. @default 0 */
  readonly delay?: number
  /** So many bytes pass per second in each direction. @default no limit */
  readonly rate?: number
}

/** How long throttled bytes are gathered, in milliseconds. */
const THROTTLE_TICK = 10

const proxies = new Set<TcpProxy>()

afterEach(() => Promise.all([...proxies].map(proxy => proxy.close())))

/** One direction of one connection. */
class Pipe {
  /** What has passed. */
  bytes = 0
  #stalled = false
  readonly #timers = new Set<NodeJS.Timeout>()
  /** When the last bytes leave that wait, by the clock of `performance`. */
  #busyUntil = 0

  constructor(
    readonly source: Socket,
    readonly target: Socket,
    readonly options: ProxyOptions,
    readonly direction: Direction,
    readonly onLimit: (how: Cut) => void,
  ) {
    source.on('data', chunk => this.#take(chunk))
    source.on('end', () => this.#later(0, () => target.end()))
    target.on('drain', () => {
      if (!this.#stalled) source.resume()
    })
  }

  /** Nothing passes until `resume`; what comes waits in the sockets. */
  stall(): void {
    this.#stalled = true
    this.source.pause()
  }

  resume(): void {
    this.#stalled = false
    this.source.resume()
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #take(chunk: Buffer): void {
    const { rate } = this.options
    const most = rate === undefined ? chunk.length : Math.max(1, Math.round((rate * THROTTLE_TICK) / 1000))
    for (let at = 0; at < chunk.length; at += most) {
      const piece = chunk.subarray(at, at + most)
      this.#later(piece.length, () => this.#pass(piece))
    }
  }

  #later(length: number, act: () => void): void {
    const { delay = 0, rate } = this.options
    if (delay === 0 && rate === undefined) {
      act()
      return
    }
    const now = performance.now()
    this.#busyUntil = Math.max(this.#busyUntil, now) + (rate === undefined ? 0 : (length / rate) * 1000)
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        act()
      },
      this.#busyUntil - now + delay,
    )
    this.#timers.add(timer)
  }

  #pass(chunk: Buffer): void {
    const { cutAfter, stallAfter } = this.options
    const limit = cutAfter?.direction === this.direction ? cutAfter.bytes : Number.POSITIVE_INFINITY
    const piece = chunk.subarray(0, Math.max(0, limit - this.bytes))
    this.bytes += piece.length
    const more = piece.length === 0 || this.target.write(piece)
    if (!more) this.source.pause()
    if (cutAfter !== undefined && this.bytes >= limit) this.onLimit(cutAfter.how)
    if (stallAfter?.direction === this.direction && this.bytes >= stallAfter.bytes) this.stall()
  }
}

/** One client's way through the proxy. */
export class ProxyConnection {
  /** Resolves when both ends are closed. */
  readonly closed: Promise<unknown>
  readonly #client: Socket
  readonly #server: Socket
  readonly #pipes: Readonly<Record<Direction, Pipe>>
  /** The server's end stays when the client's end goes. */
  #orphaned = false

  constructor(client: Socket, server: Socket, options: ProxyOptions) {
    this.#client = client
    this.#server = server
    const cut = (how: Cut): void => this.cut(how)
    this.#pipes = {
      up: new Pipe(client, server, options, 'up', cut),
      down: new Pipe(server, client, options, 'down', cut),
    }
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        // What the other side has still to say is lost with it.
        if (!other.destroyed && !(this.#orphaned && socket === client)) other.destroySoon()
      })
    }
    this.closed = Promise.all([closing(client), closing(server)]).then(() => {
      for (const pipe of Object.values(this.#pipes)) pipe.stop()
    })
  }

  /** How many bytes have passed. */
  passed(direction: Direction): number {
    return this.#pipes[direction].bytes
  }

  /** Cuts it, at both ends. */
  cut(how: Cut): void {
    for (const socket of [this.#client, this.#server]) {
      if (how === 'reset') reset(socket)
      else socket.destroySoon()
    }
  }

  /** Ends it, at both ends, without regard to what is under way. */
  destroy(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  /** Cuts the client's end by RST; the server does not hear of it. */
  orphan(): void {
    this.#orphaned = true
    reset(this.#client)
  }

  /** Nothing passes any more, in one direction or both; the connection stays open. */
  stall(...directions: Direction[]): void {
    for (const direction of which(directions)) this.#pipes[direction].stall()
  }

  /** Ends a stall. */
  resume(...directions: Direction[]): void {
    for (const direction of which(directions)) this.#pipes[direction].resume()
  }
}

export class TcpProxy {
  /** How new connections fare. */
  options: ProxyOptions = {}
  /** How the next connection fares, and no other. */
  nextOptions: ProxyOptions | undefined
  /** New connections are dropped at once, by RST. */
  refusing = false
  /** New connections are taken, and nothing passes on them. */
  stalling = false
  /** When connections came, refused ones included, by the clock of `performance`. */
  readonly arrivals: number[] = []
  readonly #target: URL
  readonly #server: Server
  readonly #live = new Set<ProxyConnection>()
  readonly #all: ProxyConnection[] = []
  /** A pipe knows no RST. */
  readonly #pipe: boolean
  #taken = 0
  #waiting: (() => void)[] = []

  private constructor(target: URL, pipe: boolean) {
    this.#target = target
    this.#pipe = pipe
    this.#server = createServer({ allowHalfOpen: true }, socket => this.#onSocket(socket))
  }

  /** A proxy to the host of a URL, on a free port, or on a unix socket. */
  static async start(target: string, options: ProxyOptions = {}, path?: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(new URL(target), path !== undefined)
    proxy.options = options
    proxies.add(proxy)
    if (path === undefined) proxy.#server.listen(0, '127.0.0.1')
    else proxy.#server.listen(path)
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** The target's URL, but leading here. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  /** The connections that are there. */
  get connections(): readonly ProxyConnection[] {
    return [...this.#live]
  }

  /** Resolves with the next connection that was not asked for before. */
  async next(): Promise<ProxyConnection> {
    const index = this.#taken++
    for (;;) {
      const connection = this.#all[index]
      if (connection !== undefined) return connection
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  /** Cuts all connections that are there; returns how many these were. */
  cut(how: Cut): number {
    const { connections } = this
    for (const connection of connections) connection.cut(how)
    return connections.length
  }

  /** Cuts the client's end of all connections that are there; the server does not hear of it. */
  orphan(): void {
    for (const connection of this.#live) connection.orphan()
  }

  /** Stalls all connections that are there. */
  stall(...directions: Direction[]): void {
    for (const connection of this.#live) connection.stall(...directions)
  }

  /** Ends the stall of all connections that are there. */
  resume(...directions: Direction[]): void {
    for (const connection of this.#live) connection.resume(...directions)
  }

  /** It lives on after the test: whoever started it closes it. */
  keep(): this {
    proxies.delete(this)
    return this
  }

  async close(): Promise<void> {
    proxies.delete(this)
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.refusing = true
    const { connections } = this
    for (const connection of connections) {
      if (this.#pipe) connection.destroy()
      else connection.cut('reset')
    }
    await Promise.all([closed, ...connections.map(connection => connection.closed)])
  }

  #onSocket(client: Socket): void {
    this.arrivals.push(performance.now())
    client.on('error', () => undefined)
    if (this.refusing) {
      reset(client)
      return
    }
    const port = Number(this.#target.port || 5672)
    const server = connect({ port, host: this.#target.hostname, allowHalfOpen: true })
    const connection = new ProxyConnection(client, server, this.nextOptions ?? this.options)
    this.nextOptions = undefined
    if (this.stalling) connection.stall()
    this.#live.add(connection)
    this.#all.push(connection)
    void connection.closed.then(() => this.#live.delete(connection))
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

function which(directions: readonly Direction[]): readonly Direction[] {
  return directions.length === 0 ? ['up', 'down'] : directions
}

function closing(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}
