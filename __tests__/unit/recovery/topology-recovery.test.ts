/** Covers what recovery says of a queue that was not found: whether it has a part in it, and when it is back. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { ConnectionBrokenError, ConnectionClosedError } from '../../../src/errors.js'
import { TopologyRecovery } from '../../../src/recovery/topology-recovery.js'
import { Session } from '../../../src/session/session.js'
import { TicketCounter } from '../../../src/ticket.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { eventually } from '../../support/outcome.js'

const LOSS = { reason: new ConnectionBrokenError('the broker hung up'), blamed: [] }

const sessions: Session[] = []

afterEach(async () => {
  const over = new ConnectionClosedError('the test is over')
  await Promise.all(sessions.splice(0).map(session => session.close(over)))
})

/** A session with a peer that agrees to everything. */
async function connect() {
  const peer = new ScriptedPeer()
  peer.on('queue.bind', ({ channel }) => peer.send(channel, 'queue.bind-ok', {}))
  const config = resolveConfig('amqp://test', { transport: peer.transport, heartbeat: 0 })
  const silent = { onBlocked: () => undefined, onUnblocked: () => undefined, onEnd: () => undefined }
  const session = new Session(config, silent, new Metrics())
  await session.connect(new AbortController().signal)
  sessions.push(session)
  return { peer, session }
}

/** Recovery, and what it tells. */
function begin() {
  const told: string[] = []
  const recovery = new TopologyRecovery(new TicketCounter(), () => 60_000, {
    onQueueRenamed: (from, to) => told.push(`${from} is ${to}`),
    onTopologyError: ({ kind, name }, { code }) => told.push(`${kind} ${name}: ${code}`),
    onTopologyDelayed: ({ kind, name }) => told.push(`${kind} ${name} is late`),
    onLateRestored: () => undefined,
  })
  /** Puts a queue and its binding on record; the broker chose its name if `as` is empty. */
  const declare = (queue: string, more: object = {}, as = queue): void => {
    const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
    recovery.record.queueDeclared({ queue: as, ...flags, arguments: {}, ...more }, queue)
    recovery.record.queueBound({ queue, exchange: 'e', routingKey: '', noWait: false, arguments: {} })
  }
  return { recovery, told, declare }
}

/** Has the peer refuse to declare a queue, so many times. Returns how often the queue was asked for since. */
function refuse(peer: ScriptedPeer, queue: string, code: number, times: number): () => number {
  let asked = 0
  peer.on('queue.declare', ({ channel, method: { args } }) => {
    if (args.queue === queue && asked++ < times) peer.closeChannel(channel, code, 'no', 'queue.declare')
    else peer.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 })
  })
  return () => asked
}

/** What was asked of the peer about queues, in order. */
function askedOf(peer: ScriptedPeer): string[] {
  return peer.received.flatMap(({ method: { name, args } }) =>
    name === 'queue.declare' || name === 'queue.bind' ? [`${name} ${(args as { queue: string }).queue}`] : [],
  )
}

describe('attaching', () => {
  test('takes no time where nothing is on record', async () => {
    const { peer, session } = await connect()
    const { recovery } = begin()
    expect(recovery.attach(session)).toBeUndefined()
    await turns()
    expect(askedOf(peer)).toEqual([])
  })

  test('brings back what is on record, on each session anew', async () => {
    const { recovery, declare, told } = begin()
    declare('q')
    for (let round = 0; round < 2; round++) {
      const { peer, session } = await connect()
      await recovery.attach(session)
      expect(askedOf(peer)).toEqual(['queue.declare q', 'queue.bind q'])
      recovery.detach(LOSS)
    }
    expect(told).toEqual([])
  })
})

test.each([
  ['is deleted with its last consumer', { autoDelete: true }],
  ['expires', { arguments: { 'x-expires': 600_000 } }],
])('a queue that %s is restored when it was not found after it came back', async (_, more) => {
  const { peer, session } = await connect()
  const { recovery, declare } = begin()
  declare('q', more)
  await recovery.attach(session)
  await recovery.restoreMissing('q')
  expect(askedOf(peer).filter(asked => asked === 'queue.declare q')).toHaveLength(2)
})

describe('recovery has no part in', () => {
  test('a queue that is not on record', async () => {
    const { peer, session } = await connect()
    const { recovery, declare } = begin()
    declare('q', { autoDelete: true })
    await recovery.attach(session)
    expect(recovery.restoreMissing('unknown')).toBeUndefined()
    await turns()
    expect(askedOf(peer)).toEqual(['queue.declare q', 'queue.bind q'])
  })

  test('a queue that is back, and does not go by itself: somebody else has deleted it', async () => {
    const { peer, session } = await connect()
    const { recovery, declare } = begin()
    declare('q')
    await recovery.attach(session)
    expect(recovery.restoreMissing('q')).toBeUndefined()
    await turns()
    expect(askedOf(peer)).toEqual(['queue.declare q', 'queue.bind q'])
  })

  test('a queue that was deleted since', async () => {
    const { session } = await connect()
    const { recovery, declare } = begin()
    declare('q', { autoDelete: true })
    await recovery.attach(session)
    recovery.record.queueDeleted('q')
    expect(recovery.restoreMissing('q')).toBeUndefined()
  })

  test('any queue while there is no session', async () => {
    const { session } = await connect()
    const { recovery, declare } = begin()
    declare('q', { autoDelete: true })
    expect(recovery.restoreMissing('q')).toBeUndefined()
    await recovery.attach(session)
    recovery.detach(LOSS)
    expect(recovery.restoreMissing('q')).toBeUndefined()
  })
})

describe('a queue that the dead connection holds', () => {
  test('is restored when the broker has given it free, and what binds it is back', async () => {
    const { peer, session } = await connect()
    const { recovery, declare, told } = begin()
    declare('held')
    const asked = refuse(peer, 'held', 405, 2)
    await recovery.attach(session)
    const restored = recovery.restoreMissing('held')
    expect(restored).toBeInstanceOf(Promise)
    expect(asked()).toBe(1)
    await restored
    expect(asked()).toBe(3)
    expect(recovery.restoreMissing('held')).toBeUndefined()
    await eventually(() => recovery.missing === undefined)
    expect(askedOf(peer).at(-1)).toBe('queue.bind held')
    expect(told).toEqual([])
  })

  test('is waited for under its old name as well', async () => {
    const { recovery, declare } = begin()
    declare('first', {}, '')
    recovery.record.renameQueue('first', 'second')
    const { peer, session } = await connect()
    refuse(peer, 'second', 405, 1)
    await recovery.attach(session)
    expect(recovery.restoreMissing('first')).toBeInstanceOf(Promise)
    await recovery.restoreMissing('first')
    expect(recovery.restoreMissing('second')).toBeUndefined()
  })

  test('is not waited for any more when it turns out to be another one, which is reported', async () => {
    const { peer, session } = await connect()
    const { recovery, declare, told } = begin()
    declare('held')
    refuse(peer, 'held', 405, 1)
    await recovery.attach(session)
    const restored = recovery.restoreMissing('held')
    refuse(peer, 'held', 406, 1)
    await restored
    expect(told).toEqual(['queue held: PRECONDITION_FAILED'])
  })

  test.each(['detach', 'end'] as const)('is not waited for any more after %s', async leave => {
    const { peer, session } = await connect()
    const { recovery, declare, told } = begin()
    for (const name of ['p', 'q']) declare(name)
    peer.on('queue.declare', ({ channel }) => peer.closeChannel(channel, 405, 'no', 'queue.declare'))
    await recovery.attach(session)
    const restored = ['p', 'q'].map(name => recovery.restoreMissing(name))
    expect(restored).toEqual([expect.any(Promise), expect.any(Promise)])
    // Each is asked for but once: nothing has made them come back.
    recovery[leave](LOSS)
    await Promise.all(restored)
    expect(peer.all('queue.declare')).toHaveLength(2)
    expect(recovery.restoreMissing('p')).toBeUndefined()
    expect(told).toEqual([])
  })
})

describe('an auto-delete queue that has gone after it was found', () => {
  test('is declared and bound again', async () => {
    const { peer, session } = await connect()
    const { recovery, declare, told } = begin()
    declare('q', { autoDelete: true })
    declare('other', { autoDelete: true })
    await recovery.attach(session)
    const before = askedOf(peer).length
    await recovery.restoreMissing('q')
    expect(askedOf(peer).slice(before)).toEqual(['queue.declare q', 'queue.bind q'])
    expect(told).toEqual([])
  })

  test('is declared on the present session', async () => {
    const { recovery, declare } = begin()
    declare('q', { autoDelete: true })
    const [old, present] = [await connect(), await connect()]
    await recovery.attach(old.session)
    recovery.detach(LOSS)
    await recovery.attach(present.session)
    await recovery.restoreMissing('q')
    expect(askedOf(old.peer)).toHaveLength(2)
    expect(askedOf(present.peer)).toHaveLength(4)
  })

  test('is reported where the broker refuses it, and waited for no longer', async () => {
    const { peer, session } = await connect()
    const { recovery, declare, told } = begin()
    declare('q', { autoDelete: true })
    await recovery.attach(session)
    refuse(peer, 'q', 406, 1)
    await expect(recovery.restoreMissing('q')).resolves.toBeUndefined()
    expect(told).toEqual(['queue q: PRECONDITION_FAILED'])
  })

  test('is waited for no longer where the session is lost, which is no error', async () => {
    const { peer, session } = await connect()
    const { recovery, declare, told } = begin()
    declare('q', { autoDelete: true })
    await recovery.attach(session)
    peer.on('queue.declare', () => peer.hangUp())
    await expect(recovery.restoreMissing('q')).resolves.toBeUndefined()
    expect(told).toEqual([])
  })
})

test('recovery of topology is idle at all times: operations of its own count nowhere', async () => {
  await expect(begin().recovery.idle()).resolves.toBeUndefined()
})
