/**
 * Owns a client with something of everything outstanding, and how all that ends: for tests of peers that do what no broker
 * would. Knows nothing of what they do.
 */
import { Client } from '../../../src/client/client.js'
import type { ClientOptions } from '../../../src/client-options.js'
import { AmqpError } from '../../../src/errors.js'
import { quiet } from '../../../src/util/promise.js'
import { PeerHosts } from './peer-hosts.js'
import type { ScriptedPeer } from './scripted-peer.js'

/** The channels that a busy client uses with its peer. */
export interface BusyChannels {
  readonly declaring: number
  readonly publishing: number
  readonly consuming: number
  readonly getting: number
  /** It was open once, and is closed. */
  readonly closed: number
}

export class BusyClient {
  readonly client: Client
  readonly hosts = new PeerHosts()
  /** Why connections were lost, in order. */
  readonly losses: Error[] = []
  /** What waits for the first peer, by name. */
  readonly outstanding = new Map<string, Promise<unknown>>()
  readonly #channels: Partial<Record<keyof BusyChannels, number>> = {}

  constructor(options: ClientOptions = {}) {
    this.hosts.peerOptions = { tune: { frameMax: 4096 } }
    const own: ClientOptions = {
      transport: this.hosts.transport,
      heartbeat: 0,
      recovery: { initialDelay: 0 },
    }
    this.client = new Client('amqp://hostile', { ...own, ...options })
    this.client.on('disconnect', error => void this.losses.push(error))
  }

  get channels(): BusyChannels {
    return this.#channels as BusyChannels
  }

  /** Connects to a peer that answers nothing of what is outstanding then; returns that peer. */
  async begin(): Promise<ScriptedPeer> {
    const { client, hosts } = this
    await client.connect()
    const peer = await hosts.next()
    const nothing = (): void => undefined
    const other = client.basicConsume('other')
    await other.ready
    this.#channels.closed = (await peer.next('basic.consume')).channel
    const closed = peer.next('channel.close')
    await other.cancel()
    await closed
    for (const name of ['queue.declare', 'queue.purge', 'basic.get', 'connection.update-secret'] as const)
      peer.on(name, nothing)
    const consumer = client.basicConsume('c', { consumerTag: 'mine' })
    await consumer.ready
    this.#channels.consuming = (await peer.next('basic.consume')).channel
    this.#wait('message', consumer[Symbol.asyncIterator]().next())
    this.#wait('declare', client.queueDeclare('d'))
    this.#wait('purge', client.queuePurge('p'))
    this.#wait('get', client.basicGet('g'))
    this.#wait('publish', client.basicPublish('x', 'k', 'a body'))
    this.#wait('mandatory', client.basicPublish('x', 'm', 'a body', { mandatory: true }))
    this.#wait('secret', client.updateSecret('s', 'expired'))
    this.#channels.declaring = (await peer.next('queue.declare')).channel
    this.#channels.getting = (await peer.next('basic.get')).channel
    this.#channels.publishing = (await peer.next('basic.publish')).channel
    return peer
  }

  /** Closes the client. Resolves with what all that was outstanding came to, by name, as the name of an error or 'done'. */
  async end(): Promise<Record<string, string>> {
    await this.client.close()
    const ends: Record<string, string> = {}
    for (const [name, promise] of this.outstanding) {
      ends[name] = await promise.then(
        () => 'done',
        error => (error instanceof AmqpError ? error.name : `no AmqpError: ${error}`),
      )
    }
    return ends
  }

  #wait(name: string, promise: Promise<unknown>): void {
    this.outstanding.set(name, quiet(promise))
  }
}
