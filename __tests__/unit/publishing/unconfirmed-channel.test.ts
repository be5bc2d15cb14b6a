/** Covers publishes without confirms: when one counts as published, what is lost with the channel, and what comes back. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  ConnectionClosedError,
  InternalError,
  NotFoundError,
  type ReturnedMessage,
} from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { bodiesOf, exchangeMissing, outcomeOf } from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { messageOf } from '../../support/wire/messages.js'

const UNCONFIRMED = 2

afterEach(async () => {
  await closeClients()
  await closeBareClients()
})

/** A client that publishes without confirms, what it was told, and its peer, which answers no request. */
async function begin() {
  const { client, peer } = await connectToPeer()
  const losses: [number, Error][] = []
  client.on('lost', (count, error) => losses.push([count, error]))
  peer.on('basic.qos', () => undefined)
  const publish = (body: string, exchange = ''): Promise<void> =>
    quiet(client.basicPublish(exchange, 'q', body, { confirm: false }))
  const publishMany = (count: number): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, (_, at) => publish(`${at}`)))
  const lost = (): number => client.metrics().lost
  return { client, peer, losses, publish, publishMany, lost }
}

function answer(peer: ScriptedPeer): void {
  peer.send(UNCONFIRMED, 'basic.qos-ok', {})
}

describe('a risky publish without a confirm', () => {
  test('is proven by a request behind it, and its failure is its own', async () => {
    const { client, peer } = await connectToPeer()
    await client.basicPublish('e', '', 'good', { confirm: false })
    const bad = quiet(client.basicPublish('missing', '', 'bad', { confirm: false }))
    const next = client.basicPublish('e', '', 'next', { confirm: false })
    peer.on('basic.qos', () => undefined)
    await turns()
    expect(bodiesOf(peer)).toEqual(['good', 'bad'])
    exchangeMissing(peer, UNCONFIRMED, 'missing')
    await expect(bad).rejects.toMatchObject({ constructor: NotFoundError, ticket: 2 })
    await expect(next).resolves.toBeUndefined()
    await turns()
    expect(bodiesOf(peer)).toEqual(['good', 'bad', 'next'])
  })

  test('holds up what is behind it until it is proven', async () => {
    const { peer, publish } = await begin()
    const publishes = ['first', 'second'].map(body => publish(body, 'e'))
    await peer.next('basic.qos')
    expect(bodiesOf(peer)).toEqual(['first'])
    answer(peer)
    await Promise.all(publishes)
    await turns()
    expect(bodiesOf(peer)).toEqual(['first', 'second'])
  })

  test('that is refused for its exchange fails at once all that wait to go there, up to its own time', async () => {
    const { peer, publish } = await begin()
    const outcomes = ['tried', 'waits'].map(body => outcomeOf(publish(body, 'missing')))
    await peer.next('basic.qos')
    outcomes.push(outcomeOf(publish('later', 'missing')))
    await turns()
    peer.on('basic.qos', () => answer(peer))
    exchangeMissing(peer, UNCONFIRMED, 'missing')
    expect(await Promise.all(outcomes)).toEqual([NotFoundError, NotFoundError, 'confirmed'])
    expect(bodiesOf(peer)).toEqual(['tried', 'later'])
  })

  test('means that the broker has come as far as that one: nothing before it is lost', async () => {
    const { peer, publish, publishMany, lost } = await begin()
    await publishMany(5)
    const bad = publish('bad', 'missing')
    await peer.several('basic.publish', 5)
    answer(peer)
    await peer.next('basic.publish')
    exchangeMissing(peer, UNCONFIRMED, 'missing')
    await expect(bad).rejects.toBeInstanceOf(NotFoundError)
    expect(lost()).toBe(0)
  })

  test('is written when the broker has dealt with everything before it', async () => {
    const { peer, publish, publishMany } = await begin()
    await publishMany(3)
    await turns()
    await publishMany(2)
    const risky = publish('risky', 'e')
    await turns()
    expect(peer.all('basic.qos')).toHaveLength(2)
    answer(peer)
    await turns()
    // The answer was about the first three.
    expect(bodiesOf(peer)).toHaveLength(5)
    answer(peer)
    await turns()
    expect(bodiesOf(peer).slice(5)).toEqual(['risky'])
    answer(peer)
    await risky
  })

  test('is not taken for what made the broker close the channel before it was written', async () => {
    const { peer, publish, publishMany, lost } = await begin()
    await publishMany(3)
    const risky = publish('risky', 'e')
    await peer.next('basic.qos')
    peer.closeChannel(UNCONFIRMED, 403, 'ACCESS_REFUSED', 'basic.publish')
    await turns()
    expect(lost()).toBe(3)
    expect(bodiesOf(peer)).toEqual(['0', '1', '2', 'risky'])
    answer(peer)
    await risky
    expect(lost()).toBe(3)
  })
})

describe('the request behind what was written', () => {
  test('is sent at the end of the tick, one at a time', async () => {
    const { peer, publishMany } = await begin()
    await publishMany(3)
    await publishMany(3)
    await turns()
    await publishMany(3)
    await turns()
    expect(peer.all('basic.qos')).toHaveLength(1)
    answer(peer)
    await turns()
    expect(peer.all('basic.qos')).toHaveLength(2)
    answer(peer)
    await turns()
    expect(peer.all('basic.qos')).toHaveLength(2)
  })

  test('is sent behind each 512 within a tick', async () => {
    const { peer, publishMany } = await begin()
    await publishMany(1100)
    await turns()
    const names = peer.received.map(({ method }) => method.name).slice(4)
    const places = names.flatMap((name, at) => (name === 'basic.qos' ? [at] : []))
    expect(places.slice(0, 2)).toEqual([512, 1025])
  })
})

describe('what was written without a confirm', () => {
  test('is lost with its channel as far as the broker did not say that it has dealt with it', async () => {
    const { peer, losses, publish, publishMany, lost } = await begin()
    await publishMany(3)
    await peer.several('basic.publish', 3)
    answer(peer)
    await turns()
    await publishMany(4)
    await turns()
    peer.closeChannel(UNCONFIRMED, 541, 'INTERNAL_ERROR', undefined)
    await turns()
    expect(lost()).toBe(4)
    expect(losses).toEqual([[4, expect.any(InternalError)]])
    // The next channel counts anew.
    peer.on('basic.qos', () => answer(peer))
    await publish('next')
    await turns()
    peer.closeChannel(UNCONFIRMED, 541, 'INTERNAL_ERROR', undefined)
    await turns()
    expect(lost()).toBe(4)
  })

  test.each([
    ['waits', 3],
    ['is tried', 0],
  ])(
    'is lost with its connection, the risky one that %s not among it: it is sent by the next',
    async (how, lost) => {
      const { client, peer, hosts, told, heard } = await connectedBareClient()
      peer.on('basic.qos', () => undefined)
      const message = (body: string, exchange = '') => messageOf(body, { exchange })
      for (const body of ['a', 'b', 'c']) await client.publish(message(body), false, {})
      const risky = client.publish(message('risky', 'new'), false, {})
      await peer.several('basic.publish', 3)
      if (how === 'is tried') {
        answer(peer)
        await peer.next('basic.publish')
      }
      peer.hangUp()
      await heard('recovered a:5672')
      await risky
      const next = await hosts.next()
      expect(bodiesOf(next)).toEqual(['risky'])
      expect(told.filter(text => text.startsWith('lost'))).toEqual(lost === 0 ? [] : [`lost ${lost}`])
      expect(client.metrics.lost).toBe(lost)
    },
  )

  test('is not lost where the client is closed', async () => {
    const { client, publishMany, losses, lost } = await begin()
    await publishMany(3)
    await turns()
    await publishMany(3)
    await client.close()
    expect(lost()).toBe(0)
    expect(losses).toEqual([])
    await expect(client.basicPublish('', 'q', 'x', { confirm: false })).rejects.toBeInstanceOf(
      ConnectionClosedError,
    )
  })
})

test('a mandatory message without a confirm that comes back is told, and counted', async () => {
  const { client, peer } = await connectToPeer()
  const returned: ReturnedMessage[] = []
  client.on('return', message => returned.push(message))
  await client.basicPublish('', 'q', 'x', { confirm: false, mandatory: true })
  const reply = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
  await peer.next('basic.publish')
  peer.sendContent(UNCONFIRMED, 'basic.return', reply, Buffer.from('x'))
  await turns()
  expect(returned).toMatchObject([{ exchange: '', routingKey: 'q', body: Buffer.from('x') }])
  expect(client.metrics().returned).toBe(1)
})
