/** Covers parts of the topology that are late: whoever needs them waits, nobody else does, and all is told. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { agree, closeRecoveringClients, recoveringClient } from '../../support/memory/recovering-client.js'
import type { ScriptedPeer } from '../../support/memory/scripted-peer.js'
import { eventually } from '../../support/outcome.js'

afterEach(closeRecoveringClients)

/** What to do with the declare of a queue: not to answer, or to say that another connection holds it. */
type Trouble = 'silence' | 'held'

/** Peers that have trouble with a queue, until `end` is called. */
function troubleWith(queue: string, trouble: Trouble) {
  let over = false
  const unanswered: (() => void)[] = []
  const prepare = (peer: ScriptedPeer): void => {
    agree(peer)
    peer.on('queue.declare', ({ channel, method: { args } }) => {
      const answer = (): void =>
        peer.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 })
      if (args.queue !== queue || over) answer()
      else if (trouble === 'silence') unanswered.push(answer)
      else peer.closeChannel(channel, 405, 'RESOURCE_LOCKED', 'queue.declare')
    })
  }
  const end = (): void => {
    over = true
    for (const answer of unanswered) answer()
  }
  return { prepare, end }
}

/** The routing keys that were published to, by exchange, on all connections. */
function published(peers: readonly ScriptedPeer[]): string[] {
  return peers.flatMap(peer =>
    peer.all('basic.publish').map(({ method: { args } }) => `${args.exchange}/${args.routingKey}`),
  )
}

describe.each<Trouble>(['silence', 'held'])('a queue that is late (%s)', trouble => {
  test('is waited for by publishes that may be meant for it, and by no other', async () => {
    const { client, hosts, peer, told, heard } = await recoveringClient()
    for (const exchange of ['near', 'far', 'spare', 'other']) {
      const alternate = exchange === 'spare' ? { 'alternate-exchange': 'far' } : {}
      await client.exchangeDeclare(exchange, { type: 'fanout', arguments: alternate })
    }
    for (const queue of ['late', 'well']) await client.queueDeclare(queue, { exclusive: true })
    await client.queueBind('late', 'near')
    await client.exchangeBind('near', 'far')
    await client.queueBind('well', 'other')
    // Each exchange is known to work.
    for (const exchange of ['near', 'far', 'spare', 'other'])
      await client.basicPublish(exchange, 'before', 'x')
    const { prepare, end } = troubleWith('late', trouble)
    hosts.prepare = prepare
    peer.hangUp()
    const meant = [
      client.basicPublish('', 'late', 'x'),
      client.basicPublish('', 'well', 'x', { headers: { CC: ['late'] } }),
      client.basicPublish('near', 'a', 'x'),
      client.basicPublish('far', 'b', 'x'),
      client.basicPublish('spare', 'c', 'x', { confirm: false }),
    ]
    const others = [client.basicPublish('', 'well', 'x'), client.basicPublish('other', 'd', 'x')]
    await heard('queue late is late')
    await Promise.all(others)
    meant.push(client.basicPublish('', 'late', 'y'))
    await client.queueDeclare('new')
    const [, ...later] = hosts.peers
    expect(published(later).sort()).toEqual(['/well', 'other/d'])
    expect(told).not.toContain('recovered')
    expect(client.state.name).toBe('open')
    end()
    await Promise.all(meant)
    await heard('recovered')
    expect(published(later).slice(2).sort()).toEqual([
      '/late',
      '/late',
      '/well',
      'far/b',
      'near/a',
      'spare/c',
    ])
    // In their order, and behind what they need.
    const peerOfAll = later.at(-1) as ScriptedPeer
    const bodies = peerOfAll.all('basic.publish').filter(({ method: { args } }) => args.routingKey === 'late')
    expect(bodies.map(({ body }) => String(body))).toEqual(['x', 'y'])
    const names = peerOfAll.received.map(({ method: { name, args } }) =>
      'exchange' in args && 'routingKey' in args && args.exchange === 'near' ? name : '',
    )
    expect(names.filter(name => name !== '')).toEqual(['queue.bind', 'basic.publish'])
    expect(told.filter(text => text.includes('ERROR') || text.includes('LOCKED'))).toEqual([])
  })

  test('is waited for by what is done with it, and by its consumer; other consumers run', async () => {
    const { client, hosts, peer, heard } = await recoveringClient()
    for (const queue of ['late', 'well']) await client.queueDeclare(queue)
    const consumers = ['late', 'well'].map(queue => client.basicConsume(queue))
    await Promise.all(consumers.map(consumer => consumer.ready))
    const { prepare, end } = troubleWith('late', trouble)
    hosts.prepare = next => {
      prepare(next)
      next.on('basic.consume', ({ channel, method: { args } }) => {
        if (args.queue === 'late' && trouble === 'held' && !ended)
          next.closeChannel(channel, 405, 'no', 'basic.consume')
        else if (args.queue !== 'late' || ended)
          next.send(channel, 'basic.consume-ok', { consumerTag: args.consumerTag })
      })
    }
    let ended = false
    peer.hangUp()
    await eventually(() => consumers[1]?.state.name === 'running' && hosts.peers.length === 2)
    let bound = false
    const binding = client.queueBind('late', 'amq.fanout').then(() => {
      bound = true
    })
    await heard('queue late is late')
    await client.queueBind('well', 'amq.fanout')
    expect(bound).toBe(false)
    ended = true
    end()
    await binding
    await heard('recovered')
  })

  test('that never comes is given up after its patience, and what waits for it goes on', async () => {
    const { client, hosts, peer, told, heard } = await recoveringClient({ recovery: { patience: 3000 } })
    await client.queueDeclare('late', { exclusive: true })
    hosts.prepare = troubleWith('late', trouble).prepare
    peer.hangUp()
    await client.basicPublish('', 'late', 'x')
    await heard('recovered')
    expect(told.slice(1)).toEqual([
      'queue late is late',
      trouble === 'held' ? 'queue late: RESOURCE_LOCKED' : 'queue late: TIMEOUT',
      'recovered',
    ])
  })

  test('keeps nothing back behind a close', async () => {
    const { client, hosts, peer, heard } = await recoveringClient()
    await client.queueDeclare('late', { exclusive: true })
    hosts.prepare = troubleWith('late', trouble).prepare
    peer.hangUp()
    await eventually(() => hosts.peers.length === 2)
    const outcomes = Promise.allSettled([
      client.basicPublish('', 'late', 'x'),
      client.basicPublish('', 'late', 'x', { confirm: false }),
      client.queuePurge('late'),
    ])
    await heard('queue late is late')
    await client.close()
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'ConnectionClosedError' } })
  })

  test('is tried again on the next connection, and publishes that waited go there', async () => {
    const { client, hosts, peer, heard } = await recoveringClient()
    await client.queueDeclare('late', { exclusive: true })
    const { prepare, end } = troubleWith('late', trouble)
    hosts.prepare = prepare
    peer.hangUp()
    const abort = new AbortController()
    const abandoned = client.basicPublish('', 'late', 'abandoned', { signal: abort.signal })
    const kept = client.basicPublish('', 'late', 'kept')
    await heard('queue late is late')
    abort.abort(new Error('enough'))
    await expect(abandoned).rejects.toThrow('enough')
    hosts.peers.at(-1)?.hangUp()
    end()
    await kept
    await heard('recovered')
    expect(published(hosts.peers)).toEqual(['/late'])
  })
})

test('many queues that are late keep none of the healthy ones waiting', async () => {
  const { client, hosts, peer } = await recoveringClient()
  const sick = Array.from({ length: 20 }, (_, index) => `sick ${index}`)
  for (const queue of [...sick, 'well']) await client.queueDeclare(queue)
  hosts.prepare = next => {
    agree(next)
    next.on('queue.declare', ({ channel, method: { args } }) => {
      if (args.queue === 'well')
        next.send(channel, 'queue.declare-ok', { queue: 'well', messageCount: 0, consumerCount: 0 })
    })
  }
  peer.hangUp()
  await client.basicPublish('', 'well', 'x')
  expect(
    hosts.peers
      .at(-1)
      ?.all('queue.declare')
      .some(({ method: { args } }) => args.queue === 'well'),
  ).toBe(true)
})

test('a queue whose declaration is never answered comes back when it is declared again', async () => {
  const { client, hosts, peer, told, heard } = await recoveringClient()
  await client.queueDeclare('late')
  let asked = 0
  hosts.prepare = next => {
    agree(next)
    next.on('queue.declare', ({ channel }) => {
      if (++asked > 1)
        next.send(channel, 'queue.declare-ok', { queue: 'late', messageCount: 0, consumerCount: 0 })
    })
  }
  peer.hangUp()
  await client.basicPublish('', 'late', 'x')
  await heard('recovered')
  expect([asked, told.slice(1)]).toEqual([2, ['queue late is late', 'recovered']])
})
