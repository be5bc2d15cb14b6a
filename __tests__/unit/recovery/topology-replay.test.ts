/** Covers the replay of a record on a new session: its order, what is reported, and what has to be waited for. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { MethodName } from '../../../src/codec/methods.gen.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { type AmqpError, ConnectionClosedError } from '../../../src/index.js'
import { TopologyRecord } from '../../../src/recovery/topology-record.js'
import { type ReplayEvents, TopologyReplay } from '../../../src/recovery/topology-replay.js'
import { TopologySuspects } from '../../../src/recovery/topology-suspects.js'
import { Session } from '../../../src/session/session.js'
import { TicketCounter } from '../../../src/ticket.js'
import { type Received, ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { eventually } from '../../support/outcome.js'

const sessions: Session[] = []

afterEach(() =>
  Promise.all(
    sessions.splice(0).map(session => session.close(new ConnectionClosedError('the test is over'))),
  ),
)

/** A session with a peer that agrees to everything, a record, and what a replay of it tells. */
async function prepare() {
  const peer = new ScriptedPeer()
  let names = 0
  peer.on('exchange.declare', ({ channel }) => peer.send(channel, 'exchange.declare-ok', {}))
  peer.on('queue.declare', ({ channel, method: { args } }) => {
    const queue = args.queue === '' ? `amq.gen-${++names}` : args.queue
    peer.send(channel, 'queue.declare-ok', { queue, messageCount: 0, consumerCount: 0 })
  })
  peer.on('queue.bind', ({ channel }) => peer.send(channel, 'queue.bind-ok', {}))
  peer.on('exchange.bind', ({ channel }) => peer.send(channel, 'exchange.bind-ok', {}))
  const config = resolveConfig('amqp://test', { transport: peer.transport, heartbeat: 0 })
  const silent = { onBlocked: () => undefined, onUnblocked: () => undefined, onEnd: () => undefined }
  const session = new Session(config, silent, new Metrics())
  await session.connect(new AbortController().signal)
  sessions.push(session)
  const told: string[] = []
  const events: ReplayEvents = {
    onQueueRenamed: (from, to) => told.push(`${from} is ${to}`),
    onTopologyError: ({ kind, name }, error: AmqpError) => told.push(`${kind} ${name}: ${error.code}`),
    onTopologyDelayed: ({ kind, name }) => told.push(`${kind} ${name} is late`),
    onLateRestored: () => undefined,
  }
  const record = new TopologyRecord()
  const suspects = new TopologySuspects()
  const replayOn = (on = session, of = record) =>
    new TopologyReplay({ record: of, suspects, counter: new TicketCounter(), events, patience: 60_000 }, on)
  return { peer, record, session, replay: replayOn(), replayOn, told }
}

function declareQueue(record: TopologyRecord, name: string, more: object = {}, as = name): void {
  const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
  record.queueDeclared({ queue: as, ...flags, arguments: {}, ...more }, name)
}

function declareExchange(record: TopologyRecord, exchange: string, more: object = {}): void {
  const flags = { passive: false, durable: true, internal: false, autoDelete: false, noWait: false }
  record.exchangeDeclared({ exchange, type: 'fanout', ...flags, arguments: {}, ...more })
}

function bindQueue(record: TopologyRecord, queue: string, exchange: string): void {
  record.queueBound({ queue, exchange, routingKey: '', noWait: false, arguments: {} })
}

function bindExchange(record: TopologyRecord, destination: string, source: string): void {
  record.exchangeBound({ destination, source, routingKey: '', noWait: false, arguments: {} })
}

const TOPOLOGY: readonly MethodName[] = ['exchange.declare', 'queue.declare', 'exchange.bind', 'queue.bind']

/** What was asked of the peer, in order. */
function asked(peer: ScriptedPeer): string[] {
  return peer.received.flatMap(({ method }: Received) => {
    if (!TOPOLOGY.includes(method.name)) return []
    const { queue, exchange, source, destination, passive } = method.args as Record<string, unknown>
    const passively = passive === true ? ' passively' : ''
    const parts = [source, destination, queue, exchange].filter(part => part !== undefined)
    return [`${method.name}${passively} ${parts.join(' ')}`]
  })
}

/** Refuses a method for a name, so many times. */
function refuse(
  peer: ScriptedPeer,
  name: 'queue.declare' | 'queue.bind',
  queue: string,
  code: number,
  times: number,
  text = 'no',
): void {
  let left = times
  peer.on(name, ({ channel, method: { args } }) => {
    if (args.queue === queue && left-- > 0) peer.closeChannel(channel, code, text, name)
    else if (name === 'queue.bind') peer.send(channel, 'queue.bind-ok', {})
    else peer.send(channel, 'queue.declare-ok', { queue: args.queue, messageCount: 0, consumerCount: 0 })
  })
}

describe('a replay', () => {
  test('brings back exchanges, queues, and the bindings of both, each when what it needs is there', async () => {
    const { peer, record, replay, told } = await prepare()
    declareQueue(record, 'q')
    bindQueue(record, 'q', 'f')
    bindExchange(record, 'f', 'e')
    for (const name of ['e', 'f']) declareExchange(record, name)
    const late: (() => void)[] = []
    peer.on('exchange.declare', ({ channel }) =>
      late.push(() => peer.send(channel, 'exchange.declare-ok', {})),
    )
    const replayed = replay.run()
    await turns()
    expect(asked(peer)).toEqual(['exchange.declare e', 'exchange.declare f', 'queue.declare q'])
    for (const answer of late) answer()
    await replayed
    expect(asked(peer).slice(3)).toEqual(['exchange.bind e f', 'queue.bind q f'])
    expect(told).toEqual([])
  })

  test('reports what the broker refuses, and goes on', async () => {
    const { peer, record, replay, told } = await prepare()
    for (const name of ['a', 'b', 'c']) declareQueue(record, name)
    bindQueue(record, 'b', 'e')
    bindQueue(record, 'c', 'e')
    refuse(peer, 'queue.declare', 'b', 406, 1)
    await replay.run()
    expect(told).toEqual(['queue b: PRECONDITION_FAILED'])
    expect(asked(peer).slice(3)).toEqual(['queue.bind b e', 'queue.bind c e'])
  })

  test('rejects where the session is lost, and reports nothing then', async () => {
    const { peer, record, replay, told } = await prepare()
    declareQueue(record, 'q')
    peer.on('queue.declare', () => peer.hangUp())
    await expect(replay.run()).rejects.toMatchObject({ code: 'CONNECTION_BROKEN' })
    expect(told).toEqual([])
  })

  test('is done at once where all that was on record has expired', async () => {
    const { peer, replayOn, session } = await prepare()
    let now = 0
    const record = new TopologyRecord(() => now)
    declareQueue(record, 'brief', { arguments: { 'x-expires': 1000 } })
    now = 1000
    await replayOn(session, record).run()
    expect(asked(peer)).toEqual([])
  })

  test('says what cannot be sent at all', async () => {
    const { record, session, replayOn, told } = await prepare()
    declareQueue(record, 'q', { arguments: { long: 'x'.repeat(300_000) } })
    await expect(replayOn(withFrameMax(session, 4096)).run()).resolves.toBeUndefined()
    expect(told).toEqual(['queue q: ARGUMENT'])
  })
})

describe('a queue that the broker named', () => {
  test('gets another name where it was exclusive, and its bindings with it', async () => {
    const { peer, record, replay, told } = await prepare()
    declareQueue(record, 'old', { exclusive: true }, '')
    bindQueue(record, 'old', 'e')
    await replay.run()
    expect(asked(peer)).toEqual(['queue.declare ', 'queue.bind amq.gen-1 e'])
    expect(told).toEqual(['old is amq.gen-1'])
  })

  test('keeps its name where it is there still', async () => {
    const { peer, record, replay, told } = await prepare()
    declareQueue(record, 'old', {}, '')
    await replay.run()
    expect(asked(peer)).toEqual(['queue.declare passively old'])
    expect(told).toEqual([])
  })

  test('gets another name where it is gone, but not where its node is down', async () => {
    for (const [text, renamed] of [
      ["NOT_FOUND - no queue 'old'", ['old is ']],
      ["NOT_FOUND - home node 'x' of durable queue 'old' is down or inaccessible", []],
    ] as const) {
      const { peer, record, replay, told } = await prepare()
      declareQueue(record, 'old', {}, '')
      refuse(peer, 'queue.declare', 'old', 404, 1, text)
      await replay.run()
      expect(told).toEqual(renamed)
      replay.end()
    }
  })
})

describe('a queue that the dead connection holds', () => {
  test('is waited for while the rest is there; what binds it follows', async () => {
    const { peer, record, replay, told } = await prepare()
    for (const name of ['held', 'free']) declareQueue(record, name, { exclusive: true })
    declareExchange(record, 'e', { autoDelete: true })
    bindExchange(record, 'e', 'f')
    for (const name of ['held', 'free']) bindQueue(record, name, 'e')
    refuse(peer, 'queue.declare', 'held', 405, 2)
    await replay.run()
    expect(replay.pending('queue', 'held') !== undefined).toBe(true)
    expect(replay.pending('queue', 'free') !== undefined).toBe(false)
    expect(asked(peer).slice(-2)).toEqual(['exchange.bind f e', 'queue.bind free e'])
    refuse(peer, 'queue.bind', 'held', 404, 1)
    await eventually(() => replay.late.size === 0)
    // The exchange has gone with the queue's old binding.
    expect(asked(peer).slice(-6)).toEqual([
      'queue.declare held',
      'queue.bind held e',
      'queue.declare held',
      'exchange.declare e',
      'exchange.bind f e',
      'queue.bind held e',
    ])
    expect(told).toEqual([])
  })

  test('is reported where it turns out to be another one', async () => {
    const { peer, record, replay, told } = await prepare()
    declareQueue(record, 'held')
    let codes = [405, 406]
    peer.on('queue.declare', ({ channel }) => {
      const [code = 0, ...rest] = codes
      codes = rest
      peer.closeChannel(channel, code, 'no', 'queue.declare')
    })
    await replay.run()
    await eventually(() => replay.pending('queue', 'held') === undefined)
    expect(told).toEqual(['queue held: PRECONDITION_FAILED'])
  })

  test('is not asked for any more once it is deleted', async () => {
    const { peer, record, session, replay, replayOn } = await prepare()
    declareQueue(record, 'held')
    refuse(peer, 'queue.declare', 'held', 405, 9)
    await replay.run()
    record.queueDeleted('held')
    const another = new TopologyRecord()
    declareQueue(another, 'held')
    await replayOn(session, another).run()
    await eventually(() => peer.all('queue.declare').length === 4)
    expect(peer.all('queue.declare')).toHaveLength(4)
  })

  test('is left to the next session where this one is lost', async () => {
    const { peer, record, replay, told } = await prepare()
    declareQueue(record, 'held')
    refuse(peer, 'queue.declare', 'held', 405, 9)
    await replay.run()
    peer.hangUp()
    replay.end()
    expect(replay.late.size).toBe(0)
    const next = await prepare()
    await next.replayOn(next.session, record).run()
    expect(told).toEqual([])
    expect(asked(next.peer)).toEqual(['queue.declare held'])
  })
})

describe('what goes by itself when the old connection goes', () => {
  test('is brought back again where it has gone before its binding', async () => {
    const { peer, record, replay, told } = await prepare()
    declareExchange(record, 'e', { autoDelete: true })
    declareQueue(record, 'q', { autoDelete: true })
    bindQueue(record, 'q', 'e')
    refuse(peer, 'queue.bind', 'q', 404, 1)
    await replay.run()
    const once = ['exchange.declare e', 'queue.declare q', 'queue.bind q e']
    expect(asked(peer).slice(0, 3)).toEqual(once)
    expect(asked(peer).slice(3).sort()).toEqual([...once].sort())
    expect(told).toEqual([])
  })

  test.each([{ autoDelete: true }, { arguments: { 'x-expires': 1000 } }])(
    'is reported where it cannot be brought back, once (%p)',
    async options => {
      const { peer, record, replay, told } = await prepare()
      declareQueue(record, 'q', options)
      bindQueue(record, 'q', 'e')
      refuse(peer, 'queue.bind', 'q', 404, 9)
      await replay.run()
      expect(asked(peer)).toEqual(['queue.declare q', 'queue.bind q e', 'queue.declare q', 'queue.bind q e'])
      expect(told).toEqual(['binding e -> q (): NOT_FOUND'])
    },
  )

  test('is not what somebody else has deleted: that is reported, and not made again', async () => {
    const { peer, record, replay, told } = await prepare()
    declareExchange(record, 'e')
    declareQueue(record, 'q')
    bindQueue(record, 'q', 'e')
    refuse(peer, 'queue.bind', 'q', 404, 9)
    await replay.run()
    expect(asked(peer)).toEqual(['exchange.declare e', 'queue.declare q', 'queue.bind q e'])
    expect(told).toEqual(['binding e -> q (): NOT_FOUND'])
  })

  test('is brought back for a consumer, with all that binds it', async () => {
    const { peer, record, replay } = await prepare()
    declareQueue(record, 'q', { autoDelete: true })
    declareQueue(record, 'other')
    for (const exchange of ['e', 'f']) bindQueue(record, 'q', exchange)
    await replay.restoreQueue('q')
    await replay.restoreQueue('unknown')
    expect(asked(peer)).toEqual(['queue.declare q', 'queue.bind q e', 'queue.bind q f'])
  })
})

/** The same session, with a lower limit on frames. */
function withFrameMax(session: Session, frameMax: number): Session {
  return new Proxy(session, {
    get: (target, name) => {
      if (name === 'frameMax') return frameMax
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
