// From Puka: fileno, socket, on_read, on_write and needs_write. The client does no I/O of its own here: whoever owns
// the stream of bytes feeds it, and asks it what there is to send.

// #region transport
import { connect as connectTcp, type Socket } from 'node:net'
import { type Address, connect, type Transport, type TransportEvents } from 'puka-amqp'

class OwnTransport implements Transport {
  readonly #socket: Socket
  #events: TransportEvents | undefined
  #toSend: Uint8Array[] = []

  constructor(socket: Socket) {
    this.#socket = socket
  }

  start(events: TransportEvents): void {
    this.#events = events
    this.#socket.on('data', chunk => this.onRead(chunk))
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => events.onClose())
  }

  /** Puka's on_read: bytes have come. */
  onRead(chunk: Buffer): void {
    this.#events?.onData(chunk)
  }

  /** Puka's needs_write: whether there is anything to send. */
  get needsWrite(): boolean {
    return this.#toSend.length > 0
  }

  /** Puka's on_write: sends what there is. */
  onWrite(): void {
    this.#socket.write(Buffer.concat(this.#toSend.splice(0)))
    this.#events?.onDrain()
  }

  /** The client has something to send: once per turn of the event loop at most. */
  write(pieces: readonly Uint8Array[]): boolean {
    this.#toSend.push(...pieces)
    queueMicrotask(() => {
      if (this.needsWrite) this.onWrite()
    })
    return false // wait for onDrain before more is written
  }

  end(): void {
    queueMicrotask(() => this.#socket.end())
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

function openTransport({ host, port }: Address): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port }, () => resolve(new OwnTransport(socket)))
    socket.once('error', reject)
  })
}

const client = await connect(process.env.AMQP_URL ?? 'amqp://localhost', { transport: openTransport })
// #endregion

const { queue } = await client.queueDeclare('', { exclusive: true })
await client.basicPublish('', queue, 'x'.repeat(1_000_000))
console.log((await client.basicGet(queue, { noAck: true }))?.body.length)
await client.drain()
