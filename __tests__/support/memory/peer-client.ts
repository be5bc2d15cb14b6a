/** Owns clients that are connected to a scripted peer, for tests that end them all when they are done. */
import type { Client } from '../../../src/client/client.js'
import { connect } from '../../../src/client/connect.js'
import type { ClientOptions } from '../../../src/client-options.js'
import { type PeerOptions, ScriptedPeer } from './scripted-peer.js'

const clients: Client[] = []

/**
 * A client and its peer, the handshake done; a lost connection is the client's end, unless asked for. Call
 * {@link closeClients} after each test.
 */
export async function connectToPeer(options: ClientOptions = {}, peerOptions: PeerOptions = {}) {
  const peer = new ScriptedPeer(peerOptions)
  const own = { transport: peer.transport, heartbeat: 0, recovery: false } as const
  const client = await connect('amqp://test', { ...own, ...options })
  clients.push(client)
  return { client, peer }
}

export async function closeClients(): Promise<void> {
  await Promise.all(clients.splice(0).map(client => client.close()))
}
