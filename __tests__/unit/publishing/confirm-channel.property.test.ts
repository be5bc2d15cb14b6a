/**
 * Covers confirmed publishing against a model of RabbitMQ, with any mixture of messages that it takes, returns, refuses
 * by nack, or refuses by closing the channel without a hint as to which one it meant; some are never confirmed.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import {
  AmqpError,
  ConnectionBrokenError,
  ConnectionClosedError,
  connect,
  NackedError,
  NoRouteError,
  NotFoundError,
  PreconditionFailedError,
  TimeoutError,
} from '../../../src/index.js'
import { ignore, quiet } from '../../../src/util/promise.js'
import { bodiesOf } from '../../support/memory/publishes.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { type Fate, PublishingBroker } from './publishing-broker.js'

interface Publish {
  readonly fate: Fate
  readonly exchange: string
  readonly mandatory: boolean
  readonly confirmedAtOnce: boolean
  /** The next publish comes so many turns of the event loop later. */
  readonly pause: number
  /** Of one that is never confirmed: nobody waits for it for long. */
  readonly timesOut: boolean
}

interface Run {
  readonly publishes: readonly Publish[]
  readonly perTurn: number
  /** The highest channel number; 0 means no limit. */
  readonly channelMax: number
}

/** So long a publish that times out is waited for. */
const TIMEOUT = 100
/** A turn of the event loop takes so long. */
const TURN = 10

const fates = (...weights: [number, Fate][]): fc.Arbitrary<Fate> =>
  fc.oneof(...weights.map(([weight, fate]) => ({ weight, arbitrary: fc.constant(fate) })))

const publish = (fate: fc.Arbitrary<Fate>): fc.Arbitrary<Publish> =>
  fc
    .record({
      fate,
      exchange: fc.constantFrom('', '', 'one', 'two'),
      mandatory: fc.boolean(),
      confirmedAtOnce: fc.boolean(),
      pause: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(6) }),
      timesOut: fc.boolean(),
    })
    .map(one => ({
      ...one,
      mandatory: one.mandatory || one.fate === 'return',
      exchange: one.fate === 'missing' ? `missing ${one.exchange}` : one.exchange,
      timesOut: one.timesOut && one.fate === 'stuck',
    }))

const runOf = (fate: fc.Arbitrary<Fate>, ...channelMax: number[]): fc.Arbitrary<Run> =>
  fc.record({
    publishes: fc.array(publish(fate), { minLength: 1, maxLength: 40 }),
    perTurn: fc.constantFrom(1, 2, 5, 1000),
    channelMax: fc.constantFrom(0, ...channelMax),
  })

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
})

afterEach(() => {
  jest.useRealTimers()
})

describe('confirmed publishes', () => {
  test('settle as the broker treats each, with several culprits in flight', async () => {
    const run = runOf(fates([4, 'accept'], [2, 'refuse']), 1, 2, 3, 4)
    await fc.assert(fc.asyncProperty(run, settle), { numRuns: 75 })
  }, 60_000)

  test('settle as the broker treats each, returned and nacked ones among them', async () => {
    const run = runOf(
      fates([6, 'accept'], [1, 'refuse'], [1, 'missing'], [2, 'return'], [1, 'nack']),
      1,
      2,
      3,
    )
    await fc.assert(fc.asyncProperty(run, settle), { numRuns: 75 })
  }, 60_000)

  test('settle as the broker treats each, also where some are never confirmed', async () => {
    const run = runOf(
      fates([6, 'accept'], [2, 'stuck'], [1, 'refuse'], [1, 'missing'], [1, 'return'], [1, 'nack']),
      3,
      4,
    )
    await fc.assert(fc.asyncProperty(run, settle), { numRuns: 75 })
  }, 60_000)

  test('are sent once each, where only exchanges that do not exist close channels', async () => {
    const run = runOf(fates([6, 'accept'], [2, 'stuck'], [2, 'missing'], [1, 'return'], [1, 'nack']))
    const property = fc.asyncProperty(run, async one => {
      const { sent } = await check(one)
      expect(sent).toEqual([...new Set(sent)])
    })
    await fc.assert(property, { numRuns: 75 })
  }, 60_000)

  test('settle where every single one is refused', async () => {
    await check({ publishes: new Array(30).fill(anyOf('refuse')), perTurn: 1000, channelMax: 0 })
  })

  test('settle where the culprits are the first and the last of many', async () => {
    const publishes = Array.from({ length: 300 }, (_, at) => anyOf(at % 299 === 0 ? 'refuse' : 'accept'))
    await check({ publishes, perTurn: 1000, channelMax: 0 })
  })
})

function anyOf(fate: Fate): Publish {
  return { fate, exchange: '', mandatory: false, confirmedAtOnce: false, pause: 0, timesOut: false }
}

async function settle(run: Run): Promise<void> {
  await check(run)
}

/** Returns what was sent, in order. */
async function check({ publishes, perTurn, channelMax }: Run): Promise<{ sent: string[] }> {
  const of = (body: string): Publish => publishes[Number(body)] as Publish
  const broker = new PublishingBroker({
    fateOf: body => of(body).fate,
    confirmsAtOnce: body => of(body).confirmedAtOnce,
    perTurn,
    channelMax,
  })
  const client = await connect('amqp://test', { transport: broker.peer.transport, heartbeat: 0 })
  const promises: Promise<void>[] = []
  for (const [index, { exchange, mandatory, pause, timesOut }] of publishes.entries()) {
    const options = timesOut ? { mandatory, timeout: TIMEOUT } : { mandatory }
    promises.push(quiet(client.basicPublish(exchange, 'key', String(index), options)))
    for (let turn = 0; turn < pause; turn++) await pass(TURN)
  }
  let settled = 0
  const waiting = publishes.flatMap((one, index) => (isPending(one) ? [`${index}`] : []))
  const sure = promises.filter((_, index) => publishes[index]?.fate !== 'stuck')
  for (const promise of sure) void promise.finally(() => settled++).catch(ignore)
  // A hanging promise is a finding, not a matter of how fast the machine is.
  const isOver = (): boolean =>
    settled === sure.length && waiting.every(body => broker.accepted.includes(body))
  for (let turn = 0; turn < 1000 + 200 * publishes.length && !isOver(); turn++) await turns(1)
  if (!isOver()) throw new Error('some publishes never settle, or are never sent')
  await pass(TIMEOUT)
  expect(client.metrics().pendingPublishes).toBe(waiting.length)
  await client.close()
  const outcomes = await Promise.allSettled(promises)
  expect(outcomes.map(summaryOf)).toEqual(publishes.map(expected))
  // What was in flight when the channel closed may have come in twice; nothing is missing, nothing overtakes.
  const firstComers = [...new Set(broker.accepted)].map(Number)
  expect(firstComers).toEqual(firstComers.toSorted((one, other) => one - other))
  const good = [...publishes.keys()].filter(
    index => publishes[index]?.fate === 'accept' || isPending(of(`${index}`)),
  )
  // What times out may do so before it is sent.
  expect(firstComers.filter(index => !of(`${index}`).timesOut)).toEqual(good)
  return { sent: bodiesOf(broker.peer) }
}

/** It stays in flight until the client is closed. */
function isPending({ fate, timesOut }: Publish): boolean {
  return fate === 'stuck' && !timesOut
}

/** A turn of the event loop, which takes so many milliseconds. */
async function pass(milliseconds: number): Promise<void> {
  jest.advanceTimersByTime(milliseconds)
  await turns(1)
}

function summaryOf(outcome: PromiseSettledResult<void>) {
  if (outcome.status === 'fulfilled') return 'confirmed'
  const error: unknown = outcome.reason
  if (!(error instanceof AmqpError)) return error
  const returned = error instanceof NoRouteError ? error.returned.body.toString() : undefined
  return { name: error.name, ticket: error.ticket, operation: error.operation, returned }
}

function expected({ fate, timesOut }: Publish, index: number) {
  if (fate === 'accept') return 'confirmed'
  const stuck = timesOut ? TimeoutError : ConnectionClosedError
  const { name } = {
    refuse: PreconditionFailedError,
    missing: NotFoundError,
    return: NoRouteError,
    nack: NackedError,
    poison: ConnectionBrokenError,
    stuck,
  }[fate]
  const returned = fate === 'return' ? String(index) : undefined
  return { name, ticket: index + 1, operation: 'basicPublish', returned }
}
