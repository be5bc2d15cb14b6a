/**
 * Covers confirmed publishing against a model of RabbitMQ, with any mixture of messages that it takes, returns, refuses
 * by nack, or refuses by closing the channel without a hint as to which one it meant.
 */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { AmqpError, connect, NackedError, NoRouteError, PreconditionFailedError } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { type Fate, PublishingBroker } from './publishing-broker.js'

interface Publish {
  readonly fate: Fate
  readonly exchange: string
  readonly mandatory: boolean
  readonly confirmedAtOnce: boolean
  /** The next publish comes so many turns of the event loop later. */
  readonly pause: number
}

interface Run {
  readonly publishes: readonly Publish[]
  readonly perTurn: number
}

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
    })
    .map(one => ({ ...one, mandatory: one.mandatory || one.fate === 'return' }))

const runOf = (fate: fc.Arbitrary<Fate>): fc.Arbitrary<Run> =>
  fc.record({
    publishes: fc.array(publish(fate), { minLength: 1, maxLength: 40 }),
    perTurn: fc.constantFrom(1, 2, 5, 1000),
  })

describe('confirmed publishes', () => {
  test('settle as the broker treats each, with several culprits in flight', async () => {
    const run = runOf(fates([4, 'accept'], [2, 'refuse']))
    await fc.assert(fc.asyncProperty(run, check), { numRuns: 75 })
  }, 60_000)

  test('settle as the broker treats each, returned and nacked ones among them', async () => {
    const run = runOf(fates([6, 'accept'], [1, 'refuse'], [2, 'return'], [1, 'nack']))
    await fc.assert(fc.asyncProperty(run, check), { numRuns: 75 })
  }, 60_000)

  test('settle where every single one is refused', async () => {
    await check({ publishes: new Array(30).fill(anyOf('refuse')), perTurn: 1000 })
  })

  test('settle where the culprits are the first and the last of many', async () => {
    const publishes = Array.from({ length: 300 }, (_, at) => anyOf(at % 299 === 0 ? 'refuse' : 'accept'))
    await check({ publishes, perTurn: 1000 })
  })
})

function anyOf(fate: Fate): Publish {
  return { fate, exchange: '', mandatory: false, confirmedAtOnce: false, pause: 0 }
}

async function check({ publishes, perTurn }: Run): Promise<void> {
  const of = (body: string): Publish => publishes[Number(body)] as Publish
  const broker = new PublishingBroker({
    fateOf: body => of(body).fate,
    confirmsAtOnce: body => of(body).confirmedAtOnce,
    perTurn,
  })
  const client = await connect('amqp://test', { transport: broker.peer.transport, heartbeat: 0 })
  const promises: Promise<void>[] = []
  for (const [index, { exchange, mandatory, pause }] of publishes.entries()) {
    promises.push(quiet(client.basicPublish(exchange, 'key', String(index), { mandatory })))
    if (pause > 0) await turns(pause)
  }
  const outcomes = await within(Promise.allSettled(promises), publishes.length)
  await client.close()
  expect(outcomes.map(summaryOf)).toEqual(publishes.map(({ fate }, index) => expected(fate, index)))
  // What was in flight when the channel closed may have come in twice; nothing is missing, nothing overtakes.
  const firstComers = [...new Set(broker.accepted)]
  const good = [...publishes.keys()].filter(index => publishes[index]?.fate === 'accept').map(String)
  expect(firstComers).toEqual(good)
}

/** A hanging promise is a finding, not a matter of how fast the machine is. */
async function within<T>(promise: Promise<T>, size: number): Promise<T> {
  let over = false
  const outcome = promise.finally(() => {
    over = true
  })
  for (let turn = 0; turn < 1000 + 200 * size && !over; turn++) await turns(1)
  if (!over) throw new Error('some publishes never settle')
  return outcome
}

function summaryOf(outcome: PromiseSettledResult<void>) {
  if (outcome.status === 'fulfilled') return 'confirmed'
  const error: unknown = outcome.reason
  if (!(error instanceof AmqpError)) return error
  const returned = error instanceof NoRouteError ? error.returned.body.toString() : undefined
  return { name: error.name, ticket: error.ticket, operation: error.operation, returned }
}

function expected(fate: Fate, index: number) {
  if (fate === 'accept') return 'confirmed'
  const ErrorClass = { refuse: PreconditionFailedError, return: NoRouteError, nack: NackedError }[fate]
  const returned = fate === 'return' ? String(index) : undefined
  return { name: ErrorClass.name, ticket: index + 1, operation: 'basicPublish', returned }
}
