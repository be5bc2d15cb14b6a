/**
 * Covers a limit on the channels of a user over all connections (RabbitMQ, "User Limits"), of which the broker says
 * nothing until it ends the connection over the first channel too many.
 */
import { afterEach, expect, test } from '@jest/globals'
import { agree, closeRecoveringClients, recoveringClient } from '../../support/memory/recovering-client.js'
import type { ScriptedPeer } from '../../support/memory/scripted-peer.js'

afterEach(closeRecoveringClients)

/** Lets the user have so many channels on all connections together. */
class UserLimit {
  max = Number.POSITIVE_INFINITY
  refusals = 0
  readonly #open = new Map<ScriptedPeer, Set<number>>()

  watch(peer: ScriptedPeer): void {
    const own = new Set<number>()
    this.#open.set(peer, own)
    peer.on('channel.open', ({ channel }) => {
      if (!this.#open.has(peer)) return
      own.add(channel)
      if (this.#count <= this.max) peer.send(channel, 'channel.open-ok', {})
      else this.#refuse(peer)
    })
    peer.on('channel.close', ({ channel }) => {
      own.delete(channel)
      peer.send(channel, 'channel.close-ok', {})
    })
  }

  get #count(): number {
    let sum = 0
    for (const [peer, { size }] of this.#open) sum += peer.clientGone ? 0 : size
    return sum
  }

  #refuse(peer: ScriptedPeer): void {
    this.refusals++
    this.#open.delete(peer)
    peer.closeConnection(530, `NOT_ALLOWED - number of channels opened for user 'u' has reached ${this.max}`)
  }
}

test.each([
  ['publishing has its own', 'separate'],
  ['publishing shares it', 'shared'],
] as const)(
  'what the client had fits in again, whichever connection is refused a channel: %s',
  async (_, publishConnection) => {
    const limit = new UserLimit()
    const { client, hosts, peer, told, heard } = await recoveringClient({ publishConnection })
    const names = Array.from({ length: 8 }, (_, index) => `q${index}`)
    hosts.prepare = next => {
      agree(next)
      limit.watch(next)
      next.on('queue.declare', ({ channel, method: { args } }) => {
        setImmediate(() =>
          next.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 }),
        )
      })
    }
    const consumers = names.map(name => client.basicConsume(name, { noAck: true }))
    await Promise.all(consumers.map(({ ready }) => ready))
    // One for each consumer, one for operations, and one to publish.
    limit.max = names.length + 2
    peer.hangUp()
    await heard('disconnect CONNECTION_BROKEN')
    const useAll = (): Promise<unknown> => {
      const twice = [...names, ...names]
      return Promise.all(
        twice.flatMap(name => [client.queueDeclare(name), client.basicPublish('', name, 'x')]),
      )
    }
    await useAll()
    await heard('recovered')
    await useAll()
    const { refusals } = limit
    expect(refusals).toBeGreaterThan(0)
    expect(refusals).toBeLessThanOrEqual(4)
    await useAll()
    expect(limit.refusals).toBe(refusals)
    await Promise.all(consumers.map(({ ready }) => ready))
    expect(consumers.map(({ state }) => state.name)).toEqual(names.map(() => 'running'))
    expect(told.filter(text => text.includes(':'))).toEqual([])
  },
)
