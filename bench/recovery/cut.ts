/** Owns the way to the broker, which can be cut: both ends then hear of it at once. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Way {
  readonly url: string
  /** Cuts all connections; new ones are taken at once. */
  cut(): void
  close(): void
}

export async function wayTo(target: string): Promise<Way> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const far = connect({ host: hostname, port: Number(port || 5672), noDelay: true })
    client.setNoDelay()
    client.pipe(far)
    far.pipe(client)
    for (const [socket, other] of [
      [client, far],
      [far, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: url.href,
    cut,
    close: () => {
      server.close()
      cut()
    },
  }
}
