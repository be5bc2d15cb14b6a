/** Covers what becomes of publishes in flight when the broker closes their channel, step by step. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  ConnectionBrokenError,
  InternalError,
  NotFoundError,
  PreconditionFailedError,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

const CONFIRMED = 1

afterEach(closeClients)

function bodiesOf(peer: ScriptedPeer): string[] {
  return peer.all('basic.publish').map(({ body }) => body.toString())
}

function ack(peer: ScriptedPeer, deliveryTag: number): void {
  peer.send(CONFIRMED, 'basic.ack', { deliveryTag, multiple: true })
}

/** What a promise comes to; from now on its rejection is looked after. */
function outcomeOf(publish: Promise<void>) {
  return publish.then(
    () => 'confirmed',
    error => error.constructor,
  )
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

describe('a channel that closes with several suspects', () => {
  test('fails the one whose exchange the broker names; the others are sent again in order, together', async () => {
    const { client, peer } = await connectToPeer()
    for (const exchange of ['one', 'two']) {
      const proof = client.basicPublish(exchange, '', 'proof')
      await peer.next('basic.publish')
      ack(peer, exchange === 'one' ? 1 : 2)
      await proof
    }
    const publishes = ['one', 'two', 'one', ''].map((exchange, at) =>
      outcomeOf(client.basicPublish(exchange, '', `${at}`)),
    )
    await peer.several('basic.publish', 4)
    peer.closeChannel(CONFIRMED, 404, "NOT_FOUND - no exchange 'two' in vhost '/'", 'basic.publish')
    await peer.several('basic.publish', 3)
    ack(peer, 3)
    expect(await Promise.all(publishes)).toEqual(['confirmed', NotFoundError, 'confirmed', 'confirmed'])
    expect(bodiesOf(peer).slice(2)).toEqual(['0', '1', '2', '3', '0', '2', '3'])
  })

  test('tries them one by one, then in growing numbers, when the broker gives no hint', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = [0, 1, 2, 3, 4].map(at => outcomeOf(client.basicPublish('', 'q', `${at}`)))
    await peer.several('basic.publish', 5)
    peer.closeChannel(CONFIRMED, 406, 'PRECONDITION_FAILED', 'basic.publish')
    await turns()
    expect(bodiesOf(peer).slice(5)).toEqual(['0'])
    ack(peer, 1)
    await turns()
    expect(bodiesOf(peer).slice(6)).toEqual(['1', '2'])
    ack(peer, 3)
    // It closes the channel over the next one; what comes behind, the barriers too, it drops.
    peer.on('confirm.select', () => undefined)
    await turns()
    expect(bodiesOf(peer).slice(8)).toEqual(['3', '4'])
    peer.closeChannel(CONFIRMED, 403, 'ACCESS_REFUSED', 'basic.publish')
    peer.on('confirm.select', () => peer.send(CONFIRMED, 'confirm.select-ok', {}))
    await turns()
    expect(await Promise.all(publishes.slice(0, 4))).toEqual([
      'confirmed',
      'confirmed',
      'confirmed',
      AccessRefusedError,
    ])
    expect(bodiesOf(peer).slice(10)).toEqual(['4'])
    ack(peer, 1)
    expect(await publishes[4]).toBe('confirmed')
  })

  test('lets publishes that come meanwhile wait their turn', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = [0, 1].map(at => outcomeOf(client.basicPublish('', 'q', `${at}`)))
    await peer.several('basic.publish', 2)
    peer.closeChannel(CONFIRMED, 406, 'PRECONDITION_FAILED', 'basic.publish')
    await peer.next('channel.close-ok')
    publishes.push(outcomeOf(client.basicPublish('', 'q', 'late')))
    await turns()
    expect(bodiesOf(peer).slice(2)).toEqual(['0'])
    ack(peer, 1)
    await turns()
    expect(bodiesOf(peer).slice(3)).toEqual(['1', 'late'])
    ack(peer, 3)
    expect(await Promise.all(publishes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
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

describe('a publish that may well bring the channel down', () => {
  test('travels alone: to an exchange that was not seen to work', async () => {
    const { client, peer } = await connectToPeer()
    const publishes = ['', 'new', 'new', ''].map((exchange, at) => client.basicPublish(exchange, '', `${at}`))
    await turns()
    expect(bodiesOf(peer)).toEqual(['0'])
    ack(peer, 1)
    await turns()
    expect(bodiesOf(peer)).toEqual(['0', '1'])
    ack(peer, 2)
    await turns()
    expect(bodiesOf(peer)).toEqual(['0', '1', '2', '3'])
    ack(peer, 4)
    await Promise.all(publishes)
  })

  test('is doubted again after it failed', async () => {
    const { client, peer } = await connectToPeer()
    const first = client.basicPublish('e', '', 'first')
    await peer.next('basic.publish')
    ack(peer, 1)
    await first
    const second = client.basicPublish('e', '', 'second')
    await peer.next('basic.publish')
    peer.closeChannel(CONFIRMED, 404, "NOT_FOUND - no exchange 'e' in vhost '/'", 'basic.publish')
    await expect(second).rejects.toBeInstanceOf(NotFoundError)
    const more = ['third', 'fourth'].map(body => client.basicPublish('e', '', body))
    await turns()
    expect(bodiesOf(peer).slice(2)).toEqual(['third'])
    ack(peer, 1)
    await turns()
    ack(peer, 2)
    await Promise.all(more)
  })
})

describe('without confirms', () => {
  test('a risky publish is proven by a question behind it, and its failure is its own', async () => {
    const { client, peer } = await connectToPeer()
    await client.basicPublish('e', '', 'good', { confirm: false })
    const bad = client.basicPublish('missing', '', 'bad', { confirm: false })
    const next = client.basicPublish('e', '', 'next', { confirm: false })
    peer.on('basic.qos', () => undefined)
    await turns()
    expect(bodiesOf(peer)).toEqual(['good', 'bad'])
    peer.closeChannel(2, 404, "NOT_FOUND - no exchange 'missing' in vhost '/'", 'basic.publish')
    await expect(bad).rejects.toMatchObject({ constructor: NotFoundError, ticket: 2 })
    await expect(next).resolves.toBeUndefined()
    await turns()
    expect(bodiesOf(peer)).toEqual(['good', 'bad', 'next'])
  })

  test('what waits behind a risky publish goes when that is proven', async () => {
    const { client, peer } = await connectToPeer()
    peer.on('basic.qos', () => undefined)
    const publishes = ['first', 'second'].map(body => client.basicPublish('e', '', body, { confirm: false }))
    await peer.next('basic.qos')
    expect(bodiesOf(peer)).toEqual(['first'])
    peer.send(2, 'basic.qos-ok', {})
    await Promise.all(publishes)
    await turns()
    expect(bodiesOf(peer)).toEqual(['first', 'second'])
    expect(peer.all('basic.qos')).toHaveLength(1)
  })
})
