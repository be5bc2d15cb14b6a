/** Covers the search for the publish that closed the main channel: who is tried, in what order, and what becomes of the rest. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { ConnectionBrokenError, NotFoundError, PreconditionFailedError } from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import {
  answerBarrier,
  bodiesOf,
  confirmAll,
  confirmBodies,
  exchangeMissing,
  holdBarriers,
  outcomeOf,
  placesOf,
  refuse,
} from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

const MAIN = 1
const TRIAL = 3

afterEach(closeClients)

/** A client, its peer, and publishing to the default exchange. */
async function begin() {
  const { client, peer } = await connectToPeer()
  const publish = (body: string, options = {}): Promise<unknown> =>
    outcomeOf(client.basicPublish('', 'q', body, options))
  return { client, peer, publish }
}

/** The main channel closes, and nobody says over which publish. */
function closeMain(peer: ScriptedPeer): void {
  peer.closeChannel(MAIN, 406, 'PRECONDITION_FAILED', 'basic.publish')
}

describe('suspects', () => {
  test('are tried one by one, in order, and none waits for a confirm', async () => {
    const { peer, publish } = await begin()
    const outcomes = ['0', '1', '2'].map(body => publish(body))
    await peer.several('basic.publish', 3)
    closeMain(peer)
    holdBarriers(peer)
    for (const sent of [['3:0'], ['3:0', '4:1'], ['3:0', '4:1', '5:2']]) {
      await turns()
      expect(placesOf(peer).slice(3)).toEqual(sent)
      answerBarrier(peer, TRIAL + sent.length - 1)
    }
    confirmBodies(peer, '2', '1', '0')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })

  test('are those between the last answered barrier and the next one: others are sent again at once', async () => {
    const { client, peer, publish } = await begin()
    const outcomes = ['before', 'before too'].map(body => publish(body))
    outcomes.push(outcomeOf(client.basicPublish('new', '', 'barrier')))
    await peer.several('basic.publish', 3)
    confirmBodies(peer, 'barrier')
    outcomes.push(...['behind', 'behind too'].map(body => publish(body)))
    await peer.several('basic.publish', 2)
    confirmAll(peer)
    closeMain(peer)
    expect(await Promise.all(outcomes)).toEqual(new Array(5).fill('confirmed'))
    expect(bodiesOf(peer).slice(5)).toEqual(['before', 'before too', 'behind', 'behind too'])
    const mains = peer.all('basic.publish').filter(({ channel }) => channel === MAIN)
    expect(mains.map(({ body }) => body.toString()).slice(4)).toEqual(['before', 'before too'])
  })

  test('are those to the exchange that the broker names', async () => {
    const { client, peer } = await begin()
    confirmAll(peer)
    for (const exchange of ['one', 'two']) await client.basicPublish(exchange, '', 'proof')
    await turns()
    peer.on('basic.publish', () => undefined)
    const outcomes = ['one', 'two', 'one', ''].map((exchange, at) =>
      outcomeOf(client.basicPublish(exchange, '', `${at}`)),
    )
    await turns()
    expect(placesOf(peer).slice(2)).toEqual(['1:0', '1:1', '1:2', '1:3'])
    confirmAll(peer)
    exchangeMissing(peer, MAIN, 'two')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', NotFoundError, 'confirmed', 'confirmed'])
    expect(placesOf(peer).slice(6)).toEqual(['1:0', '1:2', '1:3'])
  })

  test('are nobody any more once they did no harm: they go by the main channel again', async () => {
    const { peer, publish } = await begin()
    const outcomes = ['0', '1'].map(body => publish(body))
    await peer.several('basic.publish', 2)
    closeMain(peer)
    await peer.several('basic.publish', 2)
    peer.closeChannel(TRIAL, 541, 'INTERNAL_ERROR', undefined)
    confirmAll(peer)
    await peer.next('basic.publish')
    confirmBodies(peer, '1')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
    expect(placesOf(peer).slice(2)).toEqual(['3:0', '4:1', '1:0'])
  })

  test('of whom one is refused: it fails with the error of its own trial, and the others are confirmed', async () => {
    const { peer, publish } = await begin()
    const outcomes = ['0', 'bad', '2'].map(body => publish(body))
    await peer.several('basic.publish', 3)
    confirmBodies(peer, '0')
    refuse(peer, channel => peer.closeChannel(channel, 406, 'PRECONDITION_FAILED', 'basic.publish'), 'bad')
    closeMain(peer)
    await peer.several('basic.publish', 2)
    await turns()
    confirmBodies(peer, '2')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', PreconditionFailedError, 'confirmed'])
  })

  test('hold up what comes meanwhile, in its order', async () => {
    const { peer, publish } = await begin()
    const outcomes = ['0', '1'].map(body => publish(body))
    await peer.several('basic.publish', 2)
    closeMain(peer)
    holdBarriers(peer)
    await peer.next('channel.close-ok')
    outcomes.push(publish('late'))
    await turns()
    expect(placesOf(peer).slice(2)).toEqual(['3:0'])
    answerBarrier(peer, TRIAL)
    await turns()
    answerBarrier(peer, TRIAL + 1)
    await turns()
    expect(placesOf(peer).slice(2)).toEqual(['3:0', '4:1', '1:late'])
    confirmBodies(peer, '0', '1', 'late')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })
})

describe('a publish that is not to be sent twice', () => {
  test('is sent again where it came behind the culprit: the broker has dropped it', async () => {
    const { client, peer, publish } = await begin()
    confirmAll(peer)
    await client.basicPublish('e', '', 'proof')
    await turns()
    peer.on('basic.publish', () => undefined)
    const outcomes = [
      publish('before', { retry: false }),
      outcomeOf(client.basicPublish('e', '', 'bad', { retry: false })),
      publish('behind', { retry: false }),
    ]
    await turns()
    confirmAll(peer)
    exchangeMissing(peer, MAIN, 'e')
    expect(await Promise.all(outcomes)).toEqual([ConnectionBrokenError, NotFoundError, 'confirmed'])
    expect(bodiesOf(peer).slice(1)).toEqual(['before', 'bad', 'behind', 'behind'])
  })

  test('fails where it may be the culprit, or come before that', async () => {
    const { peer, publish } = await begin()
    const outcomes = ['0', '1'].map(body => publish(body, { retry: body === '1' }))
    await peer.several('basic.publish', 2)
    confirmAll(peer)
    closeMain(peer)
    expect(await Promise.all(outcomes)).toEqual([ConnectionBrokenError, 'confirmed'])
    expect(placesOf(peer).slice(2)).toEqual(['3:1'])
  })
})

describe('an exchange that does not exist', () => {
  test('fails what waits to go there since before the trial, and nothing else', async () => {
    const { client, peer } = await begin()
    const publish = (exchange: string, body: string): Promise<unknown> =>
      outcomeOf(client.basicPublish(exchange, '', body))
    refuse(peer, () => undefined, 'tried')
    const outcomes = [publish('missing', 'tried'), publish('missing', 'waits'), publish('', 'other')]
    await peer.next('basic.publish')
    outcomes.push(publish('missing', 'later'))
    await turns()
    confirmAll(peer)
    peer.on('confirm.select', ({ channel }) => answerBarrier(peer, channel))
    exchangeMissing(peer, TRIAL, 'missing')
    expect(await Promise.all(outcomes)).toEqual([NotFoundError, NotFoundError, 'confirmed', 'confirmed'])
    expect(bodiesOf(peer)).toEqual(['tried', 'other', 'later'])
  })

  test('is told with the context of each publish', async () => {
    const { client, peer } = await begin()
    refuse(peer, channel => exchangeMissing(peer, channel, 'missing'), 'tried')
    const publishes = ['tried', 'waits'].map(body => client.basicPublish('missing', '', body))
    const text = "basicPublish: NOT_FOUND - no exchange 'missing' in vhost '/' (404)"
    const outcomes = await Promise.allSettled(publishes)
    expect(outcomes).toMatchObject([
      { reason: { message: text, ticket: 1 } },
      { reason: { message: text, ticket: 2 } },
    ])
  })
})
