/** Covers what confirms and returns mean for publishes in flight, in every order that a broker may send them. */
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  CommandInvalidError,
  ConnectionBrokenError,
  NackedError,
  NoRouteError,
  NotImplementedError,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

const CONFIRMED = 1

afterEach(closeClients)

/** Three publishes in flight, and the order in which they settle. */
async function threeInFlight() {
  const { client, peer } = await connectToPeer()
  const settled: string[] = []
  const publishes = ['1', '2', '3'].map(body =>
    client.basicPublish('', 'q', body).then(
      () => settled.push(`${body} confirmed`),
      error => settled.push(`${body} ${error.name}`),
    ),
  )
  await peer.several('basic.publish', 3)
  return { client, peer, settled, publishes }
}

function ack(peer: ScriptedPeer, deliveryTag: number, multiple = false): void {
  peer.send(CONFIRMED, 'basic.ack', { deliveryTag, multiple })
}

function nack(peer: ScriptedPeer, deliveryTag: number, multiple = false): void {
  peer.send(CONFIRMED, 'basic.nack', { deliveryTag, multiple, requeue: false })
}

describe('a confirm', () => {
  test('settles its own publish, whatever the order', async () => {
    const { peer, settled } = await threeInFlight()
    for (const tag of [3, 1, 2]) {
      ack(peer, tag)
      await turns()
    }
    expect(settled).toEqual(['3 confirmed', '1 confirmed', '2 confirmed'])
  })

  test('with multiple settles all up to its tag, and no more', async () => {
    const { peer, settled } = await threeInFlight()
    ack(peer, 2, true)
    await turns()
    expect(settled).toEqual(['1 confirmed', '2 confirmed'])
  })

  test('with multiple passes over what was settled before', async () => {
    const { peer, settled } = await threeInFlight()
    nack(peer, 2)
    ack(peer, 3, true)
    await turns()
    expect(settled).toEqual(['2 NackedError', '1 confirmed', '3 confirmed'])
  })

  test('with multiple and tag 0 settles all', async () => {
    const { peer, settled } = await threeInFlight()
    ack(peer, 0, true)
    await turns()
    expect(settled).toEqual(['1 confirmed', '2 confirmed', '3 confirmed'])
  })

  test('that comes twice means nothing the second time', async () => {
    const { client, peer, settled } = await threeInFlight()
    ack(peer, 1)
    ack(peer, 1)
    nack(peer, 1)
    ack(peer, 1, true)
    await turns()
    expect(settled).toEqual(['1 confirmed'])
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })

  test('of a tag that was never sent ends the connection', async () => {
    const { peer, publishes, client } = await threeInFlight()
    const last = client.basicPublish('', 'q', '4')
    ack(peer, 5)
    await expect(last).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      cause: expect.any(CommandInvalidError),
      operation: 'basicPublish',
      ticket: 4,
    })
    await Promise.all(publishes)
    expect((await peer.next('connection.close')).method.args.replyCode).toBe(503)
  })
})

describe('a nack', () => {
  test('rejects its own publish with NackedError', async () => {
    const { peer, settled } = await threeInFlight()
    nack(peer, 2)
    await turns()
    expect(settled).toEqual(['2 NackedError'])
  })

  test('with multiple rejects all up to its tag', async () => {
    const { peer, settled } = await threeInFlight()
    nack(peer, 2, true)
    ack(peer, 3)
    await turns()
    expect(settled).toEqual(['1 NackedError', '2 NackedError', '3 confirmed'])
  })

  test('names the operation and its ticket', async () => {
    const { client, peer } = await connectToPeer()
    const publish = client.basicPublish('', 'q', 'x')
    await peer.next('basic.publish')
    nack(peer, 1)
    await expect(publish).rejects.toMatchObject({
      constructor: NackedError,
      code: 'NACKED',
      operation: 'basicPublish',
      ticket: 1,
    })
  })
})

describe('a returned message', () => {
  test('rejects its own promise among identical ones', async () => {
    const { client, peer } = await connectToPeer()
    let count = 0
    peer.on('basic.publish', ({ header, body, method: { args } }) => {
      count++
      const { exchange, routingKey } = args
      if (count === 3) {
        const reply = { replyCode: 312, replyText: 'NO_ROUTE', exchange, routingKey }
        const method = peer.method(CONFIRMED, 'basic.return', reply)
        peer.raw(Buffer.concat([method, peer.frame(2, CONFIRMED, header), peer.frame(3, CONFIRMED, body)]))
      }
      ack(peer, count)
    })
    const same = () => client.basicPublish('', 'q', 'same', { mandatory: true, type: 't', headers: { h: 1 } })
    const outcomes = await Promise.allSettled([same(), same(), same(), same(), same()])
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    const { reason } = outcomes[2] as PromiseRejectedResult
    expect(reason).toBeInstanceOf(NoRouteError)
    expect(reason).toMatchObject({
      ticket: 3,
      replyCode: 312,
      returned: {
        exchange: '',
        routingKey: 'q',
        body: Buffer.from('same'),
        properties: { type: 't', deliveryMode: 2 },
        headers: { h: 1 },
      },
    })
  })

  test('that nobody waits for harms nobody', async () => {
    const { client, peer, settled } = await threeInFlight()
    const reply = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' }
    peer.sendContent(CONFIRMED, 'basic.return', reply, Buffer.from('stray'))
    ack(peer, 3, true)
    await turns()
    expect(settled).toEqual(['1 confirmed', '2 confirmed', '3 confirmed'])
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })

  test('needs no header of ours to be told from others', async () => {
    const { client, peer } = await connectToPeer()
    void client.basicPublish('', 'q', 'x', { mandatory: true }).catch(() => undefined)
    const { header } = await peer.next('basic.publish')
    // Class 60, weight 0, one byte of body; delivery-mode alone, persistent.
    expect(header.toString('hex')).toBe('003c00000000000000000001100002')
  })
})

describe('a broker without publisher confirms', () => {
  test('is told from one with them: NotImplementedError, and nothing is sent', async () => {
    const { client, peer } = await connectToPeer({}, { capabilities: {} })
    await expect(client.basicPublish('', 'q', 'x')).rejects.toBeInstanceOf(NotImplementedError)
    await turns()
    expect(peer.all('channel.open')).toEqual([])
    await expect(client.basicPublish('', 'q', 'x', { confirm: false })).resolves.toBeUndefined()
  })
})
