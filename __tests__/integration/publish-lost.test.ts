/** Covers publishes without a confirm that do not arrive: they are counted, and the client tells of them. */
import { describe, expect, test } from '@jest/globals'
import { type AmqpError, NotFoundError, type ReturnedMessage } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { getTexts, newExchange, newQueue, open, uniqueName } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf } from '../support/outcome.js'

const UNCONFIRMED = { confirm: false }

describe('publishes without a confirm', () => {
  test('that an exchange takes along which is gone are counted, and told', async () => {
    const [client, other] = [await open(), await open()]
    const queue = await newQueue(client)
    const exchange = await newExchange(client, { type: 'fanout' })
    await client.basicPublish(exchange, '', 'known to exist', UNCONFIRMED)
    await other.exchangeDelete(exchange)
    const lost = new Promise<[number, AmqpError]>(resolve => {
      client.once('lost', (count, error) => resolve([count, error]))
    })
    await Promise.all([
      client.basicPublish('', queue, 'before', UNCONFIRMED),
      client.basicPublish(exchange, '', 'bad', UNCONFIRMED),
      client.basicPublish('', queue, 'behind', UNCONFIRMED),
      client.basicPublish('', queue, 'behind, too', UNCONFIRMED),
    ])
    const [count, error] = await lost
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error.message).toContain(exchange)
    await client.basicPublish('', queue, 'later', UNCONFIRMED)
    await client.basicPublish('', queue, 'last')
    const arrived = await getTexts(other, queue)
    expect(new Set(arrived)).toEqual(new Set(['before', 'later', 'last']))
    // The one before is among those that may be lost: nothing says where the broker stopped.
    expect(count).toBe(4)
    expect(client.metrics().lost).toBe(4)
  })

  test('of which the first one to an exchange fails take nobody along', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const before = client.basicPublish('', queue, 'before', UNCONFIRMED)
    const bad = errorOf(client.basicPublish(uniqueName(), '', 'bad', UNCONFIRMED))
    const behind = client.basicPublish('', queue, 'behind', UNCONFIRMED)
    expect(await bad).toBeInstanceOf(NotFoundError)
    await Promise.all([before, behind])
    await client.drain()
    expect(await getTexts(await open(), queue)).toEqual(['before', 'behind'])
    expect(client.metrics().lost).toBe(0)
  })

  test('that the broker had not read when the connection was lost are counted; none is at a close', async () => {
    const proxy = await TcpProxy.start(brokerUrl(), {})
    const client = await open({ recovery: { initialDelay: 10 } }, proxy.url)
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'first', UNCONFIRMED)
    await client.basicPublish('', queue, 'read', { confirm: true })
    const recovered = new Promise<void>(resolve => client.once('recovered', () => resolve()))
    proxy.stall()
    for (let n = 0; n < 10; n++) await client.basicPublish('', queue, 'lost', UNCONFIRMED)
    proxy.cut('reset')
    await recovered
    expect(client.metrics().lost).toBe(10)
    for (let n = 0; n < 10; n++) await client.basicPublish('', queue, 'kept', UNCONFIRMED)
    await client.close()
    expect(client.metrics().lost).toBe(10)
    const texts = await getTexts(await open(), queue)
    expect(texts.filter(text => text === 'kept')).toHaveLength(10)
  })

  test('that are mandatory and that no queue gets come back by an event', async () => {
    const client = await open()
    const returned: [ReturnedMessage, number, string][] = []
    client.on('return', (...args) => returned.push(args))
    const routingKey = uniqueName()
    const options = { confirm: false, mandatory: true, type: 'order', headers: { a: 1 } }
    await client.basicPublish('', routingKey, 'one', options)
    await client.basicPublish('', routingKey, 'two', options)
    await client.drain()
    expect(returned.map(([{ body }]) => body.toString())).toEqual(['one', 'two'])
    expect(returned[0]).toMatchObject([
      { exchange: '', routingKey, properties: { type: 'order' }, headers: { a: 1 } },
      312,
      'NO_ROUTE',
    ])
    expect(client.metrics().returned).toBe(2)
  })
})
