/** Covers consumers that come back on a connection where the broker, or the number of channels, does not let them at first. */
import { once } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import { Client } from '../../../src/client/client.js'
import type { ClientOptions, RecoveryOptions } from '../../../src/client-options.js'
import { InternalError, NotFoundError, ResourceError } from '../../../src/errors.js'
import { PeerHosts } from '../../support/memory/peer-hosts.js'
import type { Received, ScriptedPeer } from '../../support/memory/scripted-peer.js'
import { errorOf, eventually } from '../../support/outcome.js'

const clients: Client[] = []

afterEach(async () => {
  await Promise.all(clients.splice(0).map(client => client.close()))
})

/** A client and its first peer; lost connections are replaced at once. */
async function start(recovery: RecoveryOptions = {}, options: ClientOptions = {}) {
  const hosts = new PeerHosts()
  const own = { transport: hosts.transport, heartbeat: 0, recovery: { initialDelay: 0, ...recovery } }
  const client = new Client('amqp://a', { ...own, ...options })
  clients.push(client)
  await client.connect()
  return { client, hosts, peer: await hosts.next() }
}

/** Has a peer refuse consumers, so many times. Returns how often it was asked. */
function refuse(peer: ScriptedPeer, times: number, code = 541, text = 'INTERNAL_ERROR'): () => number {
  let asked = 0
  peer.on('basic.consume', ({ channel, method: { args } }) => {
    if (asked++ < times) peer.closeChannel(channel, code, text, 'basic.consume')
    else peer.send(channel, 'basic.consume-ok', { consumerTag: args.consumerTag })
  })
  return () => asked
}

describe('a consumer that the broker fails to let on after a lost connection', () => {
  test('comes back when the broker does not fail any more, and its loop goes on', async () => {
    const { client, hosts, peer } = await start()
    const consumer = client.basicConsume('q')
    await consumer.ready
    let asked = (): number => 0
    hosts.prepare = next => {
      asked = refuse(next, 3)
    }
    peer.hangUp()
    const second = (await once(client, 'recovered').then(() => hosts.peers.at(-1))) as ScriptedPeer
    await eventually(() => consumer.state.name === 'running')
    expect(asked()).toBe(4)
    const begun = second.all('basic.consume').at(-1) as Received<'basic.consume'>
    const { consumerTag } = begun.method.args
    const about = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    second.sendContent(begun.channel, 'basic.deliver', about, Buffer.from('on'))
    const { value } = await consumer[Symbol.asyncIterator]().next()
    expect(value?.text()).toBe('on')
  })

  test('ends with the error of the broker when its patience is over', async () => {
    const { client, hosts, peer } = await start({ patience: 0 })
    const consumer = client.basicConsume('q')
    await consumer.ready
    hosts.prepare = next => void refuse(next, Number.POSITIVE_INFINITY)
    const ended = once(client, 'consumerEnded')
    peer.hangUp()
    expect(await ended).toEqual([consumer, expect.any(InternalError)])
  })

  test('ends at once where its queue was deleted', async () => {
    const { client, hosts, peer } = await start({ patience: Number.POSITIVE_INFINITY })
    const consumer = client.basicConsume('q')
    await consumer.ready
    let asked = (): number => 0
    hosts.prepare = next => {
      asked = refuse(next, Number.POSITIVE_INFINITY, 404, "NOT_FOUND - no queue 'is down' in vhost '/'")
    }
    const ended = once(client, 'consumerEnded')
    peer.hangUp()
    expect(await ended).toEqual([consumer, expect.any(NotFoundError)])
    expect(asked()).toBe(1)
  })
})

test('a consumer that begins, and that the broker fails over, ends at once', async () => {
  const { client, peer } = await start()
  const asked = refuse(peer, 1)
  expect(await errorOf(client.basicConsume('q').ready)).toBeInstanceOf(InternalError)
  expect(asked()).toBe(1)
})

describe('where the next connection has fewer channels', () => {
  /** Two consumers, and a connection on which there is room for one of them. */
  async function crowd(recovery: RecoveryOptions) {
    const { client, hosts, peer } = await start(recovery)
    const consumers = ['a', 'b'].map(queue => client.basicConsume(queue))
    await Promise.all(consumers.map(({ ready }) => ready))
    hosts.peerOptions = { tune: { channelMax: 3 } }
    const ended = once(client, 'consumerEnded')
    peer.hangUp()
    await once(client, 'recovered')
    return { client, consumers, ended }
  }

  test('a consumer waits for one, and comes back', async () => {
    const { consumers } = await crowd({})
    const states = consumers.map(({ state }) => state.name)
    expect(states).toEqual(['running', 'resuming'])
    await consumers[0]?.cancel()
    await eventually(() => consumers[1]?.state.name === 'running')
  })

  test('without patience it ends', async () => {
    const { consumers, ended } = await crowd({ patience: 0 })
    expect(await ended).toEqual([consumers[1], expect.any(ResourceError)])
  })

  test('it waits for no longer than its client lives', async () => {
    const { client, consumers } = await crowd({})
    await client.close()
    expect(consumers[1]?.state.name).toBe('ended')
  })
})

describe('a consumer over which the broker fails in a way that ends the connection', () => {
  /** Ends the connection over consumers of `sick`, so many times in all; lets on all others. */
  function failOver(hosts: PeerHosts, times: number): () => number {
    let asked = 0
    hosts.prepare = peer =>
      peer.on('basic.consume', ({ channel, method: { args } }) => {
        if (args.queue === 'sick' && asked++ < times)
          peer.closeConnection(541, 'INTERNAL_ERROR - noproc', 'basic.consume')
        else peer.send(channel, 'basic.consume-ok', { consumerTag: args.consumerTag })
      })
    return () => asked
  }

  test('comes back when the broker does not fail any more, and others run meanwhile', async () => {
    const { client, hosts, peer } = await start()
    const [sick, well] = [client.basicConsume('sick'), client.basicConsume('well')]
    await Promise.all([sick.ready, well.ready])
    const asked = failOver(hosts, 4)
    const wasReady: boolean[] = []
    client.on('recovered', () => wasReady.push(well.state.name === 'running'))
    peer.hangUp()
    await eventually(() => asked() === 5 && sick.state.name === 'running')
    expect(wasReady).not.toContain(false)
    expect(client.isHealthy).toBe(true)
  })

  test('costs fewer and fewer connections, and ends with the error of the broker when its patience is over', async () => {
    const { client, hosts, peer } = await start({ patience: 1000 })
    const consumer = client.basicConsume('sick')
    await consumer.ready
    const asked = failOver(hosts, Number.POSITIVE_INFINITY)
    const ended = once(client, 'consumerEnded')
    peer.hangUp()
    expect(await ended).toEqual([consumer, expect.objectContaining({ replyCode: 541 })])
    // At once, and after pauses of 250, 500 and 1,000 ms.
    expect(asked()).toBe(4)
  })

  test('comes back also beside a consumer to whom the broker does not answer', async () => {
    const { client, hosts, peer } = await start()
    const [hung, sick] = [client.basicConsume('hung'), client.basicConsume('sick')]
    await Promise.all([hung.ready, sick.ready])
    let asked = 0
    hosts.prepare = next =>
      next.on('basic.consume', ({ channel, method: { args } }) => {
        if (args.queue === 'hung') return
        if (asked++ === 0) next.closeConnection(541, 'INTERNAL_ERROR - noproc', 'basic.consume')
        else next.send(channel, 'basic.consume-ok', { consumerTag: args.consumerTag })
      })
    peer.hangUp()
    await eventually(() => asked === 2 && sick.state.name === 'running')
    expect(hung.state.name).not.toBe('ended')
  })

  test('begins at no later time when the client is closed', async () => {
    const { client, hosts, peer } = await start()
    const consumer = client.basicConsume('sick')
    await consumer.ready
    const asked = failOver(hosts, Number.POSITIVE_INFINITY)
    const ended = once(client, 'consumerEnded')
    peer.hangUp()
    await eventually(() => asked() === 2 && client.isOpen)
    await client.close()
    await ended
    expect(asked()).toBe(2)
  })
})
