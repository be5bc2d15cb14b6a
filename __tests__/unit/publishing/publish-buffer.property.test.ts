/**
 * Covers publishes over connections that are lost, against a model of RabbitMQ: some messages make it end the connection,
 * others close the channel, and the connection breaks for no reason now and then.
 */
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  ConnectionClosedError,
  connect,
  InternalError,
  NotFoundError,
  PreconditionFailedError,
} from '../../../src/index.js'
import { outcomeOf } from '../../support/memory/publishes.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { eventually } from '../../support/outcome.js'
import { type Fate, PublishingBroker } from './publishing-broker.js'

interface Run {
  readonly publishes: readonly { readonly fate: Fate; readonly exchange: string }[]
  readonly perTurn: number
  readonly publishConnection: 'shared' | 'separate'
  /** The first connections break after so many turns of the event loop. */
  readonly breaks: readonly number[]
}

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.constant('accept' as const) },
  { weight: 1, arbitrary: fc.constantFrom('poison' as const, 'refuse' as const, 'missing' as const) },
  { weight: 1, arbitrary: fc.constant('stuck' as const) },
)

const run: fc.Arbitrary<Run> = fc.record({
  publishes: fc.array(fc.record({ fate, exchange: fc.constantFrom('', '', 'one', 'two') }), {
    minLength: 1,
    maxLength: 25,
  }),
  perTurn: fc.constantFrom(1, 3, 1000),
  publishConnection: fc.constantFrom('shared', 'separate'),
  breaks: fc.array(fc.nat(30), { maxLength: 3 }),
})

test('publishes settle as the broker treats each, over any number of connections, and keep their order', async () => {
  await fc.assert(fc.asyncProperty(run, check), { numRuns: 60 })
}, 60_000)

const outcomes: Partial<Record<Fate, unknown>> = {
  accept: 'confirmed',
  poison: InternalError,
  refuse: PreconditionFailedError,
  missing: NotFoundError,
  stuck: ConnectionClosedError,
}

async function check({ publishes, perTurn, publishConnection, breaks }: Run): Promise<void> {
  const brokers: PublishingBroker[] = []
  const fateOf = (body: string): Fate => publishes[Number(body)]?.fate ?? 'accept'
  const client = await connect('amqp://test', {
    heartbeat: 0,
    publishConnection,
    retryInitial: true,
    recovery: { initialDelay: 0, maxDelay: 0 },
    transport: (address, signal) => {
      const behaviour = {
        fateOf,
        perTurn,
        channelMax: 0,
        confirmsAtOnce: (body: string) => Number(body) % 2 > 0,
      }
      const broker = new PublishingBroker(behaviour)
      const lifetime = breaks[brokers.push(broker) - 1]
      if (lifetime !== undefined) void turns(lifetime).then(() => broker.hangUp())
      return broker.peer.transport(address, signal)
    },
  })
  let open = publishes.filter(({ fate }) => fate !== 'stuck').length
  const settled = publishes.map(async ({ fate, exchange }, index) => {
    const to = fate === 'missing' ? `missing ${exchange}` : exchange
    const outcome = await outcomeOf(client.basicPublish(to, 'key', `${index}`))
    if (fate !== 'stuck') open--
    return outcome
  })
  const accepted = (): number[] => [...new Set(brokers.flatMap(broker => broker.accepted))].map(Number)
  const good = [...publishes.keys()].filter(index => ['accept', 'stuck'].includes(fateOf(`${index}`)))
  await eventually(() => open === 0 && accepted().length === good.length)
  await client.close()
  expect(await Promise.all(settled)).toEqual(publishes.map(({ fate }) => outcomes[fate]))
  expect(accepted()).toEqual(good)
}
