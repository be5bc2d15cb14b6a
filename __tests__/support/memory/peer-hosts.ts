/**
 * Owns hosts in memory for tests of recovery: each connection to one of them leads to a scripted peer of its own, unless
 * the host is down, or silent.
 */
import type { Address, TransportFactory } from '../../../src/transport-types.js'
import { type PeerOptions, ScriptedPeer } from './scripted-peer.js'

/** What a host does with those who come: a peer for each, none at all, or no word. */
export type HostMood = 'up' | 'down' | 'silent'

export class PeerHosts {
  /** Where connections were asked for, in order. */
  readonly asked: Address[] = []
  /** The peers that they led to, in order. */
  readonly peers: ScriptedPeer[] = []
  /** What is to be known of the peers to come. */
  peerOptions: PeerOptions = {}
  /** What is to be done to each peer before anything comes. */
  prepare: (peer: ScriptedPeer) => void = () => undefined
  readonly #moods = new Map<string, HostMood>()
  #mood: HostMood = 'up'
  #taken = 0
  #waiting: (() => void)[] = []

  /** All hosts that have no mood of their own. */
  set mood(mood: HostMood) {
    this.#mood = mood
  }

  setMood(host: string, mood: HostMood): void {
    this.#moods.set(host, mood)
  }

  /** The names of the hosts that were asked. */
  get askedHosts(): string[] {
    return this.asked.map(({ host }) => host)
  }

  /** For the client's `transport` option. */
  readonly transport: TransportFactory = (address, signal) => {
    this.asked.push(address)
    const mood = this.#moods.get(address.host) ?? this.#mood
    if (mood === 'down') throw new Error(`${address.host} refuses`)
    if (mood === 'silent') {
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const peer = new ScriptedPeer(this.peerOptions)
    this.prepare(peer)
    this.peers.push(peer)
    for (const wake of this.#waiting.splice(0)) wake()
    return peer.transport(address, signal)
  }

  /** Resolves with the next peer that was not asked for before. */
  async next(): Promise<ScriptedPeer> {
    const index = this.#taken++
    for (;;) {
      const peer = this.peers[index]
      if (peer !== undefined) return peer
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }
}
