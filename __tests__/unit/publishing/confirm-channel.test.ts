/** Covers one life of a channel with confirms: what its end means for those in flight, and what its barriers tell. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { ConnectionBrokenError, InternalError, PreconditionFailedError } from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { bodiesOf, outcomeOf } from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

const CONFIRMED = 1

afterEach(closeClients)

function ack(peer: ScriptedPeer, deliveryTag: number): void {
  peer.send(CONFIRMED, 'basic.ack', { deliveryTag, multiple: true })
}

describe('a channel that closes over one publish', () => {
  test('is opened again, and the publish is the one that fails', async () => {
    const { client, peer } = await connectToPeer()
    const bad = client.basicPublish('', 'q', 'bad')
    await peer.next('basic.publish')
    peer.closeChannel(CONFIRMED, 406, 'PRECONDITION_FAILED - no', 'basic.publish')
    await expect(bad).rejects.toMatchObject({
      constructor: PreconditionFailedError,
      message: 'basicPublish: PRECONDITION_FAILED - no (406)',
      replyCode: 406,
      operation: 'basicPublish',
      ticket: 1,
      classId: 60,
      methodId: 40,
    })
    const good = client.basicPublish('', 'q', 'good')
    await peer.next('basic.publish')
    ack(peer, 1)
    await good
    expect(peer.received.map(({ method }) => method.name).slice(3)).toEqual([
      'channel.open',
      'confirm.select',
      'basic.publish',
      'channel.close-ok',
      'channel.open',
      'confirm.select',
      'basic.publish',
    ])
  })

  test('leaves what was confirmed before as it is, and is never sent that again', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = ['a', 'b', 'bad'].map(body => outcomeOf(client.basicPublish('', 'q', body)))
    await peer.several('basic.publish', 3)
    ack(peer, 2)
    peer.closeChannel(CONFIRMED, 406, 'PRECONDITION_FAILED - no', 'basic.publish')
    expect(await Promise.all(publishes)).toEqual(['confirmed', 'confirmed', PreconditionFailedError])
    expect(bodiesOf(peer)).toEqual(['a', 'b', 'bad'])
  })
})

describe('what a closed channel still says', () => {
  test('does not count for the channel that follows it: a late confirm, a late answer', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = ['a', 'b'].map(body => outcomeOf(client.basicPublish('', 'q', body)))
    await peer.several('basic.publish', 2)
    peer.on('channel.open', () => undefined)
    peer.closeChannel(CONFIRMED, 541, 'INTERNAL_ERROR', undefined)
    ack(peer, 2)
    await peer.several('channel.open', 2)
    ack(peer, 2)
    peer.send(CONFIRMED, 'confirm.select-ok', {})
    await turns()
    peer.send(CONFIRMED, 'channel.open-ok', {})
    await peer.several('basic.publish', 2)
    let settled = false
    void Promise.race(publishes).then(() => {
      settled = true
    })
    await turns()
    expect(settled).toBe(false)
    ack(peer, 2)
    expect(await Promise.all(publishes)).toEqual(['confirmed', 'confirmed'])
  })
})

describe('a publish that is not to be sent twice', () => {
  test('fails with its channel where another one brought that down, unless it was confirmed before', async () => {
    const { client, peer } = await connectToPeer()
    const once = { retry: false }
    const publishes = ['confirmed', 'once', 'bad', 'again'].map(body =>
      outcomeOf(client.basicPublish('', 'q', body, body === 'again' ? {} : once)),
    )
    await peer.several('basic.publish', 4)
    ack(peer, 1)
    peer.closeChannel(CONFIRMED, 541, 'INTERNAL_ERROR', undefined)
    await peer.next('basic.publish')
    ack(peer, 1)
    expect(await Promise.all(publishes)).toEqual([
      'confirmed',
      ConnectionBrokenError,
      ConnectionBrokenError,
      'confirmed',
    ])
    expect(bodiesOf(peer)).toEqual(['confirmed', 'once', 'bad', 'again', 'again'])
  })

  test('gets the error of the broker where that is about it', async () => {
    const { client, peer } = await connectToPeer()
    const bad = outcomeOf(client.basicPublish('', 'q', 'bad', { retry: false }))
    await peer.next('basic.publish')
    peer.closeChannel(CONFIRMED, 406, 'PRECONDITION_FAILED - no', 'basic.publish')
    expect(await bad).toBe(PreconditionFailedError)
  })
})

describe('a channel that closes over no publish', () => {
  test('has what was in flight sent again, until that has been in vain three times', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = ['a', 'b'].map(body => outcomeOf(client.basicPublish('', 'q', body)))
    for (let attempt = 0; attempt < 4; attempt++) {
      await peer.several('basic.publish', 2)
      peer.closeChannel(CONFIRMED, 541, 'INTERNAL_ERROR', undefined)
    }
    expect(await Promise.all(publishes)).toEqual([InternalError, InternalError])
    expect(bodiesOf(peer)).toEqual(['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'])
  })

  test('has a fresh start after a confirm', async () => {
    const { client, peer } = await connectToPeer()
    for (let round = 0; round < 3; round++) {
      const publish = outcomeOf(client.basicPublish('', 'q', `${round}`))
      for (let attempt = 0; attempt < 3; attempt++) {
        await peer.next('basic.publish')
        peer.closeChannel(CONFIRMED, 541, 'INTERNAL_ERROR', undefined)
      }
      await peer.next('basic.publish')
      ack(peer, 1)
      expect(await publish).toBe('confirmed')
    }
  })
})
