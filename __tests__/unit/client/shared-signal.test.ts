/** Covers one signal that a program shares among everything it does: it is listened to once, and not for longer. */
import { getEventListeners } from 'node:events'
import { afterAll, afterEach, expect, test } from '@jest/globals'
import { connect } from '../../../src/client/connect.js'
import { ignore, quiet } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { PeerHosts } from '../../support/memory/peer-hosts.js'
import { turns } from '../../support/memory/scripted-peer.js'

const MANY = 30

const warnings: string[] = []
const note = ({ name }: Error): void => {
  warnings.push(name)
}
process.on('warning', note)

afterEach(async () => {
  await closeClients()
  warnings.length = 0
})

afterAll(() => {
  process.off('warning', note)
})

const many = <T>(make: (index: number) => T): T[] => Array.from({ length: MANY }, (_, index) => make(index))
const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** A client whose peer confirms nothing and declares nothing. */
async function silentlyConnected() {
  const { client, peer } = await connectToPeer({ operationConcurrency: MANY })
  peer.on('queue.declare', () => undefined)
  return { client, peer }
}

test.each(['abort', 'close'] as const)(
  'consumers, forEach, publishes, publishMany and operations listen to it once, and no more after the %s',
  async end => {
    const { client } = await silentlyConnected()
    const controller = new AbortController()
    const { signal } = controller
    const outcomes = [
      ...many(index => client.basicConsume(`c${index}`, { signal }).ready),
      ...many(index => client.basicConsume(`f${index}`).forEach(ignore, { signal })),
      ...many(() => client.basicPublish('', 'q', 'x', { signal })),
      ...many(() => client.basicPublish('', 'q', 'x', { signal, confirm: false })),
      ...many(() => client.publishMany([{ exchange: '', routingKey: 'q', body: 'x', signal }], { signal })),
      ...many(index => client.queueDeclare(`d${index}`, { signal })),
      ...many(index => client.basicGet(`g${index}`, { signal })),
    ].map(promise => quiet(Promise.resolve<unknown>(promise)))
    expect(listeners(signal)).toBe(1)
    await turns(20)
    expect(listeners(signal)).toBe(1)
    if (end === 'abort') controller.abort(new Error('enough'))
    else await client.close()
    await Promise.allSettled(outcomes)
    await turns()
    expect(listeners(signal)).toBe(0)
    expect(warnings).toEqual([])
  },
)

test('a signal that outlives what it was passed to keeps no listener of it', async () => {
  const { client, peer } = await silentlyConnected()
  peer.on('queue.declare', ({ channel, method: { args } }) =>
    peer.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 }),
  )
  const { signal } = new AbortController()
  await Promise.all(many(index => client.queueDeclare(`q${index}`, { signal })))
  const consumers = many(index => client.basicConsume(`q${index}`, { signal }))
  await Promise.all(consumers.map(({ ready }) => ready))
  expect(listeners(signal)).toBe(1)
  await Promise.all(consumers.map(consumer => consumer.cancel()))
  expect(listeners(signal)).toBe(0)
})

test('a transport that is asked for again and again gets a signal with no listener of its own left behind', async () => {
  const hosts = new PeerHosts()
  const signals: AbortSignal[] = []
  const client = await connect('amqp://a', {
    heartbeat: 0,
    recovery: { initialDelay: 0, maxDelay: 1 },
    transport: (address, signal) => {
      signals.push(signal)
      return hosts.transport(address, signal)
    },
  })
  const peer = await hosts.next()
  hosts.mood = 'down'
  let attempts = 0
  const recovered = new Promise<void>(resolve => client.on('recovered', () => resolve()))
  client.on('reconnecting', () => {
    if (++attempts === MANY) hosts.mood = 'up'
  })
  peer.hangUp()
  await recovered
  expect(signals.length).toBeGreaterThanOrEqual(MANY)
  expect(signals.map(listeners)).toEqual(signals.map(() => 0))
  expect(warnings).toEqual([])
  await client.close()
})
