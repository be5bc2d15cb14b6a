/** Owns links for unit tests: connected to hosts in memory, what each told, in order, and waiting until it told it. */
import { ConnectionClosedError } from '../../../src/errors.js'
import type { ClientOptions, TransportFactory, UrlSource } from '../../../src/options.js'
import { RecoveringConnection } from '../../../src/recovery/recovering-connection.js'
import { TicketCounter } from '../../../src/ticket.js'
import { PeerHosts } from './peer-hosts.js'

export interface WatchedLink {
  readonly link: RecoveringConnection
  /** What it told, in order. */
  readonly told: string[]
  /** Resolves when it has told this so often since it was made. */
  heard(text: string, times?: number): Promise<void>
  /** What is to be done when consumers are to come back. */
  onRestore: () => Promise<void>
}

export function linkTo(
  source: UrlSource,
  transport: TransportFactory,
  options: ClientOptions = {},
): WatchedLink {
  const told: string[] = []
  const waiting = new Set<() => void>()
  const tell = (text: string): void => {
    told.push(text)
    for (const look of waiting) look()
  }
  const link = new RecoveringConnection(
    source,
    { transport, heartbeat: 0, ...options },
    new TicketCounter(),
    {
      onConnect: ({ host }) => tell(`connect ${host}`),
      onDisconnect: error => tell(`disconnect ${error.name}`),
      onReconnecting: ({ attempt, host }) => tell(`reconnecting ${attempt} ${host}`),
      onRecovered: ({ host }) => tell(`recovered ${host}`),
      onBlocked: reason => tell(`blocked ${reason}`),
      onUnblocked: () => tell('unblocked'),
      onQueueRenamed: (from, to) => tell(`renamed ${from} ${to}`),
      onTopologyError: ({ kind, name }, error) => tell(`topology ${kind} ${name} ${error.name}`),
      restoreConsumers: () => {
        tell('restore consumers')
        return watched.onRestore()
      },
      onGivenUp: reason => tell(`given up ${reason.name}`),
    },
  )
  const watched: WatchedLink = {
    link,
    told,
    heard: (text, times = 1) =>
      new Promise(resolve => {
        const look = (): void => {
          if (told.filter(one => one === text).length < times) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    onRestore: () => Promise.resolve(),
  }
  return watched
}

const OVER = new ConnectionClosedError('over')
const links: RecoveringConnection[] = []

/** A link that is connected, and the peer that it is connected to. Call {@link closeLinks} after each test. */
export async function connectedLink(options: ClientOptions = {}, source: UrlSource = 'amqp://a') {
  const hosts = new PeerHosts()
  const watched = linkTo(source, hosts.transport, { recovery: { initialDelay: 0 }, ...options })
  links.push(watched.link)
  await watched.link.connect()
  const peer = await hosts.next()
  return { ...watched, watched, hosts, peer }
}

export async function closeLinks(): Promise<void> {
  await Promise.all(links.splice(0).map(link => link.close(OVER)))
}

/** Puts a queue on the link's record. */
export function declared({ link }: Pick<WatchedLink, 'link'>, queue: string): void {
  const args = { queue, passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
  link.record.queueDeclared({ ...args, arguments: {} }, queue)
}
