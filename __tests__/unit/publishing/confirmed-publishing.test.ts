/** Covers publishes that may close their channel: each by a channel of its own, in order, and nobody waits for a confirm. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { NotFoundError } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import {
  answerBarrier,
  bodiesOf,
  confirmAll,
  confirmBodies,
  exchangeMissing,
  holdBarriers,
  openChannels,
  outcomeOf,
  placesOf,
  refuse,
} from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { messageOf } from '../../support/wire/messages.js'

const MAIN = 1
const TRIAL = 3

afterEach(async () => {
  await closeClients()
  await closeBareClients()
})

/** Behind how many publishes each barrier of the main channel came. */
function barriersOf(peer: ScriptedPeer): number[] {
  const places: number[] = []
  let published = 0
  for (const { channel, method } of peer.received) {
    if (channel !== MAIN) continue
    if (method.name === 'basic.publish') published++
    else if (method.name === 'confirm.select') places.push(published)
  }
  return places
}

describe('a barrier', () => {
  test.each([true, false])('comes behind each 128 publishes (mandatory: %p)', async mandatory => {
    const { client, peer } = await connectToPeer()
    for (let index = 0; index < 127; index++) {
      void quiet(client.basicPublish('', `k${index}`, 'x', { mandatory }))
    }
    await turns()
    expect(barriersOf(peer)).toEqual([0])
    for (let index = 127; index < 300; index++) {
      void quiet(client.basicPublish('', `k${index}`, 'x', { mandatory }))
    }
    await turns()
    expect(barriersOf(peer)).toEqual([0, 128, 256])
  })

  test('comes behind each 1024 while not everything may be in flight, after a lost connection', async () => {
    const { client, hosts, heard, peer } = await connectedBareClient()
    const publish = (body: string): Promise<void> =>
      quiet(client.publish(messageOf(body, { exchange: '' }), true, {}))
    const publishes = Array.from({ length: 2500 }, (_, at) => publish(`${at}`))
    await peer.several('basic.publish', 2500)
    // A confirm of its own for each would take a look at all that came before.
    hosts.prepare = one => {
      let tag = 0
      one.on('basic.publish', () => one.send(MAIN, 'basic.ack', { deliveryTag: ++tag, multiple: false }))
    }
    peer.hangUp()
    await heard('recovered a:5672')
    const next = await hosts.next()
    await Promise.all(publishes)
    expect(barriersOf(next)).toEqual([0, 1024, 2048])
    // Nothing waits any more: 452 lie behind the last one.
    await publish('one more')
    await turns()
    expect(barriersOf(next)).toEqual([0, 1024, 2048, 2501])
  })
})

describe('a risky publish', () => {
  test('goes by a channel of its own, also where it is the first one of its connection', async () => {
    const { client, peer } = await connectToPeer()
    const publish = quiet(client.basicPublish('new', '', 'risky'))
    await peer.next('basic.publish')
    expect(placesOf(peer)).toEqual(['3:risky'])
    confirmBodies(peer, 'risky')
    await publish
  })

  test('goes when a barrier before it is answered, and those behind it when one behind it is', async () => {
    const { client, peer } = await connectToPeer()
    holdBarriers(peer)
    for (const [exchange, body] of [
      ['', 'stuck'],
      ['new', 'risky'],
      ['', 'behind'],
      ['new', 'proven'],
    ] as const) {
      void quiet(client.basicPublish(exchange, '', body))
    }
    await turns()
    expect(placesOf(peer)).toEqual(['1:stuck'])
    answerBarrier(peer, MAIN)
    await turns()
    expect(placesOf(peer)).toEqual(['1:stuck', '3:risky'])
    answerBarrier(peer, TRIAL)
    await turns()
    // Nothing was confirmed so far.
    expect(placesOf(peer)).toEqual(['1:stuck', '3:risky', '1:behind', '1:proven'])
    expect(client.metrics()).toMatchObject({ confirmed: 0, pendingPublishes: 4, resent: 0 })
  })

  test('goes without a barrier where nothing lies before it', async () => {
    const { client, peer } = await connectToPeer()
    holdBarriers(peer)
    const publishes = [quiet(client.basicPublish('', 'q', 'a'))]
    await turns()
    publishes.push(quiet(client.basicPublish('new', '', 'waits')))
    await turns()
    expect(placesOf(peer)).toEqual(['1:a'])
    answerBarrier(peer, MAIN)
    await turns()
    answerBarrier(peer, TRIAL)
    publishes.push(quiet(client.basicPublish('newer', '', 'does not wait')))
    await turns()
    expect(bodiesOf(peer)).toEqual(['a', 'waits', 'does not wait'])
    confirmBodies(peer, 'a', 'waits', 'does not wait')
    await Promise.all(publishes)
  })

  test('that is refused harms nothing on the main channel: nothing there is sent again', async () => {
    const { client, peer } = await connectToPeer()
    const before = ['a', 'b'].map(body => quiet(client.basicPublish('', 'q', body)))
    const bad = quiet(client.basicPublish('missing', '', 'bad'))
    const behind = quiet(client.basicPublish('', 'q', 'c', { retry: false }))
    refuse(peer, channel => exchangeMissing(peer, channel, 'missing'), 'bad')
    await expect(bad).rejects.toMatchObject({ constructor: NotFoundError, ticket: 3, replyCode: 404 })
    await turns()
    expect(placesOf(peer)).toEqual(['1:a', '1:b', '3:bad', '1:c'])
    confirmBodies(peer, 'a', 'b', 'c')
    await Promise.all([...before, behind])
    expect(client.metrics()).toMatchObject({ resent: 0, confirmed: 3 })
  })

  test('is doubted again after one like it failed', async () => {
    const { client, peer } = await connectToPeer()
    confirmAll(peer)
    await client.basicPublish('e', '', 'first')
    await turns()
    peer.on('basic.publish', ({ channel }) => exchangeMissing(peer, channel, 'e'))
    await expect(client.basicPublish('e', '', 'second')).rejects.toBeInstanceOf(NotFoundError)
    confirmAll(peer)
    holdBarriers(peer)
    const more = ['third', 'fourth'].map(body => quiet(client.basicPublish('e', '', body)))
    await turns()
    expect(placesOf(peer)).toEqual(['3:first', '1:second', '3:third'])
    answerBarrier(peer, TRIAL)
    await Promise.all(more)
    expect(placesOf(peer).slice(3)).toEqual(['1:fourth'])
  })
})

describe('the channel of a risky publish', () => {
  test('is closed when nothing is in flight on it, whichever comes first, the confirm or the answer', async () => {
    const { client, peer } = await connectToPeer()
    holdBarriers(peer)
    const publish = quiet(client.basicPublish('one', '', 'one'))
    await turns()
    confirmBodies(peer, 'one')
    await publish
    expect(openChannels(peer)).toEqual([MAIN, TRIAL])
    answerBarrier(peer, TRIAL)
    await peer.next('channel.close')
    const another = quiet(client.basicPublish('two', '', 'two'))
    await turns()
    answerBarrier(peer, TRIAL)
    await turns()
    expect(openChannels(peer)).toEqual([MAIN, TRIAL])
    confirmBodies(peer, 'two')
    await another
    await peer.next('channel.close')
    expect(openChannels(peer)).toEqual([MAIN])
  })

  test('is one of 64 at most: then the one with the least in flight is shared', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = Array.from({ length: 65 }, (_, at) => quiet(client.basicPublish(`e${at}`, '', `${at}`)))
    await peer.several('basic.publish', 65)
    await turns()
    expect(openChannels(peer)).toEqual([MAIN, ...Array.from({ length: 64 }, (_, at) => TRIAL + at)])
    expect(placesOf(peer).slice(63)).toEqual(['66:63', '3:64'])
    publishes.push(quiet(client.basicPublish('e65', '', '65')))
    await peer.next('basic.publish')
    expect(placesOf(peer).slice(65)).toEqual(['4:65'])
    confirmBodies(peer, ...publishes.map((_, at) => `${at}`))
    await Promise.all(publishes)
    await turns()
    expect(openChannels(peer)).toEqual([MAIN])
  })

  test('is closed when the one that is stuck on it is given up', async () => {
    const { client, peer } = await connectToPeer()
    const controller = new AbortController()
    const { signal } = controller
    const publishes = ['one', 'two'].map(body => quiet(client.basicPublish(body, '', body, { signal })))
    await peer.next('basic.publish')
    await turns()
    expect(openChannels(peer)).toEqual([MAIN, TRIAL, TRIAL + 1])
    controller.abort('enough')
    await turns()
    expect(openChannels(peer)).toEqual([MAIN])
    expect(await Promise.allSettled(publishes)).toMatchObject([{ reason: 'enough' }, { reason: 'enough' }])
  })

  test('is closed when one is given up while it is tried, but not before that did no harm', async () => {
    const { client, peer } = await connectToPeer()
    holdBarriers(peer)
    const controller = new AbortController()
    void quiet(client.basicPublish('one', '', 'given up', { signal: controller.signal }))
    const behind = quiet(client.basicPublish('', 'q', 'behind'))
    await peer.next('basic.publish')
    controller.abort('enough')
    await turns()
    expect(openChannels(peer)).toEqual([MAIN, TRIAL])
    expect(placesOf(peer)).toEqual(['3:given up'])
    answerBarrier(peer, TRIAL)
    await turns()
    expect(openChannels(peer)).toEqual([MAIN])
    expect(placesOf(peer)).toEqual(['3:given up', '1:behind'])
    confirmBodies(peer, 'behind')
    await behind
  })

  test('does not close while the next one is tried on it', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { channelMax: 3 } })
    holdBarriers(peer)
    const publishes = ['one', 'two'].map(exchange => quiet(client.basicPublish(exchange, '', exchange)))
    await turns()
    answerBarrier(peer, TRIAL)
    await turns()
    expect(placesOf(peer)).toEqual(['3:one', '3:two'])
    confirmBodies(peer, 'one', 'two')
    await Promise.all(publishes)
    expect(openChannels(peer)).toEqual([MAIN, TRIAL])
    answerBarrier(peer, TRIAL)
    await peer.next('channel.close')
  })
})

test('a risky publish that finds no channel number goes when one is free again', async () => {
  const { client, peer } = await connectToPeer({}, { tune: { channelMax: 3 } })
  peer.on('channel.close', () => undefined)
  const stuck = quiet(client.basicPublish('', 'q', 'stuck'))
  const first = client.basicPublish('one', '', 'first')
  await peer.several('basic.publish', 2)
  confirmBodies(peer, 'first')
  await first
  await peer.next('channel.close')
  const second = quiet(client.basicPublish('two', '', 'second'))
  await turns()
  expect(placesOf(peer)).toEqual(['1:stuck', '3:first'])
  peer.send(TRIAL, 'channel.close-ok', {})
  await turns()
  expect(placesOf(peer)).toEqual(['1:stuck', '3:first', '3:second'])
  confirmBodies(peer, 'second')
  await second
  void stuck
})

describe.each([1, 2])('where no other channel is to be had (channelMax: %i)', channelMax => {
  test('a risky publish goes alone on the main channel, and those behind it follow when it did no harm', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { channelMax } })
    const publishes = [
      quiet(client.basicPublish('', 'q', 'first')),
      quiet(client.basicPublish('new', '', 'risky')),
      quiet(client.basicPublish('', 'q', 'behind')),
    ]
    holdBarriers(peer)
    await turns()
    answerBarrier(peer, MAIN)
    await turns()
    expect(placesOf(peer)).toEqual(['1:first'])
    confirmBodies(peer, 'first')
    await turns()
    expect(placesOf(peer)).toEqual(['1:first', '1:risky'])
    answerBarrier(peer, MAIN)
    await turns()
    expect(placesOf(peer)).toEqual(['1:first', '1:risky', '1:behind'])
    confirmBodies(peer, 'risky', 'behind')
    await Promise.all(publishes)
    expect(openChannels(peer)).toEqual([MAIN])
  })

  test('one that is refused is the only one in flight', async () => {
    const { client, peer } = await connectToPeer({}, { tune: { channelMax } })
    refuse(peer, channel => exchangeMissing(peer, channel, 'missing'), 'missing')
    const outcomes = ['', 'missing', ''].map((exchange, at) =>
      outcomeOf(client.basicPublish(exchange, '', exchange || `${at}`, { retry: false })),
    )
    await peer.next('basic.publish')
    confirmBodies(peer, '0')
    await peer.several('basic.publish', 2)
    confirmBodies(peer, '2')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', NotFoundError, 'confirmed'])
    expect(client.metrics().resent).toBe(0)
  })
})
