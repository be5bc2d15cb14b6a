/** Covers publishes over several connections: what is sent again, in what order, and who is given up as the end of them. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { ConnectionBrokenError, FrameError, InternalError } from '../../../src/errors.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import {
  answerBarrier,
  bodiesOf,
  confirm,
  confirmAll,
  confirmBodies,
  holdBarriers,
  outcomeOf,
  placesOf,
} from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { messageOf } from '../../support/wire/messages.js'

const MAIN = 1
const TRIAL = 3

afterEach(closeBareClients)

async function begin() {
  const connected = await connectedBareClient()
  const { client, hosts, heard } = connected
  const publish = (body: string, exchange = '', retry = true): Promise<unknown> =>
    outcomeOf(quiet(client.publish(messageOf(body, { exchange, retry }), true, {})))
  let recoveries = 0
  /** The peer of the next connection. */
  const next = async (): Promise<ScriptedPeer> => {
    await heard('recovered a:5672', ++recoveries)
    const peer = await hosts.next()
    await turns()
    return peer
  }
  return { ...connected, publish, next }
}

/** The connection ends when one of these bodies comes, as over a frame that the broker cannot read. */
function failOn(peer: ScriptedPeer, wanted: string, replyCode = 541): void {
  const refused = (): boolean => bodiesOf(peer).includes(wanted)
  peer.on('confirm.select', ({ channel }) => {
    if (!refused()) answerBarrier(peer, channel)
  })
  peer.on('basic.publish', publish => {
    if (publish.body.toString() === wanted) peer.closeConnection(replyCode, 'ERROR', 'basic.publish')
    else if (!refused()) confirm(peer, publish)
  })
}

describe('after a lost connection', () => {
  test('what was in flight on all channels goes again in its first order, what is proven by the main one', async () => {
    const { client, peer, publish, next } = await begin()
    const outcomes = [publish('0'), publish('1', 'one'), publish('2'), publish('3', 'two'), publish('4')]
    await peer.several('basic.publish', 5)
    await turns()
    expect(placesOf(peer)).toEqual(['1:0', '3:1', '1:2', '4:3', '1:4'])
    peer.hangUp()
    const second = await next()
    expect(placesOf(second)).toEqual(['1:0', '1:1', '1:2', '1:3', '1:4'])
    confirmBodies(second, '4', '3', '2', '1', '0')
    expect(await Promise.all(outcomes)).toEqual(new Array(5).fill('confirmed'))
    expect(client.metrics).toMatchObject({ resent: 5, confirmed: 5 })
  })

  test('what was being tried is tried again in its place, and what waited behind it waits', async () => {
    const { peer, publish, next } = await begin()
    const outcomes = [publish('0'), publish('1', 'one'), publish('2')]
    await peer.next('basic.publish')
    holdBarriers(peer)
    await peer.next('basic.publish')
    peer.hangUp()
    const second = await next()
    expect(placesOf(second).slice(0, 2)).toEqual(['1:0', '3:1'])
    confirmAll(second)
    confirmBodies(second, '0', '1')
    await turns()
    expect(placesOf(second).slice(2)).toEqual(['1:2'])
    confirmBodies(second, '2')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })

  test('the first one of the next connection is tried by a channel of its own, if it is risky', async () => {
    const { peer, publish, next } = await begin()
    void publish('0', 'one')
    holdBarriers(peer)
    await peer.next('basic.publish')
    peer.hangUp()
    expect(placesOf(await next())).toEqual(['3:0'])
  })

  test('what must not be sent twice fails, on whichever channel it was', async () => {
    const { peer, publish, next } = await begin()
    const outcomes = [
      publish('main', '', false),
      publish('risky', 'one', false),
      publish('again'),
      publish('waits', 'two', false),
    ]
    await peer.next('basic.publish')
    holdBarriers(peer)
    await peer.next('basic.publish')
    answerBarrier(peer, TRIAL)
    await peer.next('basic.publish')
    peer.hangUp()
    const second = await next()
    confirmAll(second)
    confirmBodies(second, 'again', 'waits')
    expect(await Promise.all(outcomes)).toEqual([
      ConnectionBrokenError,
      ConnectionBrokenError,
      'confirmed',
      'confirmed',
    ])
    expect(bodiesOf(second)).toEqual(['again', 'waits'])
  })
})

describe('a connection that ends over a publish', () => {
  test('is lost a second time over it alone; then it is given up, and its neighbours are confirmed', async () => {
    const { client, hosts, peer, publish, next } = await begin()
    hosts.prepare = one => failOn(one, 'bad')
    const bad = quiet(client.publish(messageOf('bad', { exchange: '' }), true, {}))
    const outcomes = ['1', '2'].map(body => publish(body))
    await peer.several('basic.publish', 3)
    peer.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
    expect(placesOf(await next())).toEqual(['3:bad'])
    expect(placesOf(await next())).toEqual(['3:1', '4:2'])
    // The error is the broker's own.
    await expect(bad).rejects.toMatchObject({
      constructor: InternalError,
      message: 'basicPublish: ERROR (541)',
      operation: 'basicPublish',
      ticket: 1,
      replyCode: 541,
    })
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
    expect(hosts.asked).toHaveLength(3)
  })

  test('tries each suspect when the one before is confirmed', async () => {
    const { peer, publish, next } = await begin()
    const outcomes = ['0', '1', '2'].map(body => publish(body))
    await peer.several('basic.publish', 3)
    peer.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
    const second = await next()
    const tried: string[][] = []
    for (const body of ['0', '1', '2']) {
      // Its barrier is answered: that is not enough.
      tried.push(bodiesOf(second))
      confirmBodies(second, body)
      await turns()
    }
    expect(tried).toEqual([['0'], ['0', '1'], ['0', '1', '2']])
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })

  test('is lost twice over one that was alone at once', async () => {
    const { hosts, peer, publish, next } = await begin()
    hosts.prepare = one => failOn(one, 'bad', 501)
    const outcomes = [publish('bad')]
    await peer.next('basic.publish')
    peer.closeConnection(501, 'FRAME_ERROR')
    expect(placesOf(await next())).toEqual(['3:bad'])
    outcomes.push(publish('good'))
    await next()
    expect(await Promise.all(outcomes)).toEqual([FrameError, 'confirmed'])
    expect(hosts.asked).toHaveLength(3)
  })

  test('leaves everybody under suspicion also where it is a connection for publishing only', async () => {
    const { client, hosts, heard } = await connectedBareClient({ publishConnection: 'separate' })
    const outcomes = ['0', '1'].map(body =>
      outcomeOf(client.publish(messageOf(body, { exchange: '' }), true, {})),
    )
    const own = await hosts.next()
    await own.several('basic.publish', 2)
    hosts.prepare = one => confirmAll(one)
    own.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
    await heard('recovered a:5672')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
    expect(hosts.peers.map(placesOf)).toEqual([[], ['1:0', '1:1'], [], ['3:0', '4:1']])
  })

  test('leaves those alone that it has dealt with before', async () => {
    const { peer, publish, next } = await begin()
    const outcomes = [publish('0'), publish('1', 'one'), publish('2')]
    await peer.several('basic.publish', 3)
    // Barriers behind 0 and behind 1 are answered: 2 alone is left.
    peer.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
    const second = await next()
    // It waits for their confirms.
    expect(placesOf(second)).toEqual(['1:0', '1:1'])
    confirmBodies(second, '0')
    await turns()
    expect(placesOf(second)).toEqual(['1:0', '1:1'])
    confirmBodies(second, '1')
    await turns()
    expect(placesOf(second)).toEqual(['1:0', '1:1', '3:2'])
    confirmBodies(second, '2')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })

  test.each(['exchange.declare', 'basic.consume'] as const)(
    'is no reason for suspicion where it names another method: %s',
    async method => {
      const { peer, publish, next } = await begin()
      const outcomes = ['0', '1'].map(body => publish(body))
      let last = peer
      await last.several('basic.publish', 2)
      for (let time = 0; time < 3; time++) {
        last.closeConnection(541, 'INTERNAL_ERROR', method)
        last = await next()
        expect(placesOf(last)).toEqual(['1:0', '1:1'])
      }
      confirmBodies(last, '0', '1')
      expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
    },
  )

  test('is no reason for suspicion where it was no error', async () => {
    const { peer, publish, next } = await begin()
    const outcome = publish('0')
    let last = peer
    await last.next('basic.publish')
    for (let time = 0; time < 3; time++) {
      last.closeConnection(320, 'CONNECTION_FORCED')
      last = await next()
      expect(placesOf(last)).toEqual(['1:0'])
    }
    confirmBodies(last, '0')
    expect(await outcome).toBe('confirmed')
  })
})

describe('many suspects', () => {
  /** So many publishes in flight, of which the broker has dealt with none when it ends the connection. */
  async function suspects(count: number, bad: number) {
    const connected = await begin()
    const { hosts, peer, publish } = connected
    hosts.prepare = one => failOn(one, `${bad}`)
    holdBarriers(peer)
    const outcomes = Array.from({ length: count }, (_, at) => publish(`${at}`))
    await peer.several('basic.publish', count)
    peer.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
    return { ...connected, outcomes }
  }

  test.each([
    [256, 256],
    [257, 129],
    [600, 200],
  ])(
    'are tried several together where they are too many: %i of them in %i trials',
    async (count, trialCount) => {
      const { hosts, outcomes, next } = await suspects(count, -1)
      const second = await next()
      await Promise.all(outcomes)
      expect(bodiesOf(second)).toEqual(outcomes.map((_, at) => `${at}`))
      const trials = second.all('channel.open').filter(({ channel }) => channel !== MAIN)
      expect(trials).toHaveLength(trialCount)
      expect(hosts.asked).toHaveLength(2)
    },
  )

  test('are tried one by one where several together did harm', async () => {
    const { hosts, outcomes, next } = await suspects(300, 4)
    const second = await next()
    expect(bodiesOf(second)).toEqual(['0', '1', '2', '3', '4', '5'])
    const third = await next()
    // The trial of 2 and 3 did no harm.
    expect(bodiesOf(third)).toEqual(['4'])
    const fourth = await next()
    await Promise.all(outcomes)
    expect(bodiesOf(fourth)).toEqual(outcomes.slice(5).map((_, at) => `${at + 5}`))
    const settled = await Promise.all(outcomes)
    expect(settled.flatMap((outcome, at) => (outcome === 'confirmed' ? [] : [at]))).toEqual([4])
    expect(hosts.asked).toHaveLength(4)
  })
})
