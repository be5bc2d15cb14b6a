/** Owns clients that recover on hosts in memory, whose peers agree to any topology, and what these clients tell. */
import { Client } from '../../../src/client/client.js'
import type { ClientOptions } from '../../../src/client-options.js'
import { eventually } from '../outcome.js'
import { PeerHosts } from './peer-hosts.js'
import type { ScriptedPeer } from './scripted-peer.js'

const clients: Client[] = []

/** A peer that declares, binds and confirms all that it is asked for. */
export function agree(peer: ScriptedPeer): void {
  const tags = new Map<number, number>()
  peer.on('exchange.declare', ({ channel }) => peer.send(channel, 'exchange.declare-ok', {}))
  peer.on('exchange.bind', ({ channel }) => peer.send(channel, 'exchange.bind-ok', {}))
  peer.on('queue.bind', ({ channel }) => peer.send(channel, 'queue.bind-ok', {}))
  peer.on('confirm.select', ({ channel }) => {
    // It comes again and again, as a barrier.
    if (!tags.has(channel)) tags.set(channel, 0)
    peer.send(channel, 'confirm.select-ok', {})
  })
  peer.on('channel.close', ({ channel }) => {
    tags.delete(channel)
    peer.send(channel, 'channel.close-ok', {})
  })
  peer.on('basic.publish', ({ channel }) => {
    const tag = tags.get(channel)
    if (tag === undefined) return
    tags.set(channel, tag + 1)
    peer.send(channel, 'basic.ack', { deliveryTag: tag + 1, multiple: false })
  })
}

/**
 * A client that is connected, its peer, and what it has told. Its later connections come at once, to peers that `prepare`
 * has got ready. Call {@link closeRecoveringClients} after each test.
 */
export async function recoveringClient(options: ClientOptions = {}) {
  const hosts = new PeerHosts()
  hosts.prepare = agree
  const recovery = { initialDelay: 0, ...(options.recovery === false ? {} : options.recovery) }
  const client = new Client('amqp://a', { transport: hosts.transport, heartbeat: 0, ...options, recovery })
  clients.push(client)
  const told: string[] = []
  client.on('disconnect', error => told.push(`disconnect ${error.replyCode ?? error.code}`))
  client.on('recovered', () => told.push('recovered'))
  client.on('topologyError', ({ kind, name }, { code }) => told.push(`${kind} ${name}: ${code}`))
  client.on('topologyDelayed', ({ kind, name }) => told.push(`${kind} ${name} is late`))
  client.on('blocked', reason => told.push(`blocked ${reason}`))
  client.on('unblocked', () => told.push('unblocked'))
  await client.connect()
  const peer = await hosts.next()
  const heard = (text: string): Promise<void> => eventually(() => told.includes(text))
  return { client, hosts, peer, told, heard }
}

export async function closeRecoveringClients(): Promise<void> {
  await Promise.all(clients.splice(0).map(client => client.close()))
}
