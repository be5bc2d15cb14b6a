/** Owns random steps that publish, get and settle messages. Knows nothing of how steps are run. */
import { expect } from '@jest/globals'
import fc from 'fast-check'
import { type GetOptions, type Message, TimeoutError } from '../../../src/index.js'
import {
  actor,
  bindingKey,
  EXCHANGES,
  exchangeName,
  NOWHERE,
  QUEUES,
  queueName,
  rarely,
} from './model-arbitraries.js'
import { type Actor, MISSING, type ModelBroker, type ModelMessage, REFUSED } from './model-broker.js'
import { type Observed, observe, predicted, type Step, type World } from './model-run.js'

const route = fc.oneof(
  { arbitrary: fc.record({ exchange: fc.constant(''), key: queueName }), weight: 5 },
  { arbitrary: fc.record({ exchange: exchangeName, key: bindingKey }), weight: 5 },
  { arbitrary: fc.record({ exchange: fc.constant(NOWHERE), key: bindingKey }), weight: 1 },
)
type Route = { readonly exchange: string; readonly key: string }

/** Empty, small, and several frames long. */
const size = fc.oneof(
  { arbitrary: fc.constant(9), weight: 8 },
  { arbitrary: fc.constant(0), weight: 1 },
  { arbitrary: fc.constant(300_000), weight: 1 },
)

let published = 0

/** A text that no other message has, unless it is empty. */
function textOf(length: number): string {
  return length === 0 ? '' : String(++published).padEnd(length, '.')
}

const wireKey = (world: World, { exchange, key }: Route): string => (exchange === '' ? world.full(key) : key)

interface Sent {
  readonly route: Route
  readonly mandatory: boolean
  readonly size: number
}

/** What a publish depends on, or changes. */
const touchedBy = ({ route: { exchange, key } }: Sent): string[] =>
  exchange === '' ? [key] : [...QUEUES, ...EXCHANGES, 'bindings']

/** Publishes all of them at once. */
export function publishStep(by: Actor, messages: readonly Sent[]): Step {
  const operation = 'basicPublish'
  return {
    title: `${operation}(${JSON.stringify({ by, messages })})`,
    touches: messages.flatMap(touchedBy),
    predict: model => {
      const texts = messages.map(message => textOf(message.size))
      const outcomes = messages.map(({ route: { exchange, key }, mandatory }, at) =>
        predicted(operation, () => model.publish(exchange, key, texts[at] ?? '', mandatory)),
      )
      // What is in flight before one that fails unforeseen may come twice: those are confirmed first.
      const apart = messages.map(({ route: { exchange } }) => model.failsUnforeseen(by, exchange))
      return {
        expected: [{ value: outcomes }],
        run: async (world, options) => {
          const observed: Promise<Observed>[] = []
          for (const [at, { route: to, mandatory }] of messages.entries()) {
            const [exchange, key] = [world.full(to.exchange), wireKey(world, to)]
            if (apart[at]) await Promise.all(observed)
            const promise = world.clients[by].basicPublish(exchange, key, texts[at] ?? '', {
              mandatory,
              ...options,
            })
            observed.push(observe(world, promise))
          }
          return Promise.all(observed)
        },
      }
    },
  }
}

/** Several at once, whose order counts: what fails must not take along, double or displace another. */
export const publish: fc.Arbitrary<Step> = fc
  .record({
    by: actor,
    messages: fc.array(fc.record({ route, mandatory: rarely, size }), { minLength: 1, maxLength: 6 }),
  })
  .map(({ by, messages }) => publishStep(by, messages))

/** One that is aborted, to be told by its own promise. */
export const lonePublish: fc.Arbitrary<Step> = fc
  .record({ actor, route })
  .map(({ actor: by, route: to }) => ({
    title: `basicPublish(${JSON.stringify({ by, to })})`,
    touches: [],
    predict: () => ({
      expected: [],
      run: (world, options) =>
        world.clients[by].basicPublish(world.full(to.exchange), wireKey(world, to), 'never', options),
    }),
  }))

/** Without confirms: what the broker refuses is told of, or not. */
export const publishUnconfirmed: fc.Arbitrary<Step> = fc
  .record({ actor, route })
  .map(({ actor: by, route: to }) => ({
    title: `basicPublish(${JSON.stringify({ by, to, confirm: false })})`,
    touches: [],
    predict: model => {
      const text = textOf(9)
      const outcome = predicted('basicPublish', () => model.publish(to.exchange, to.key, text, false))
      const client = (world: World) => world.clients[by]
      const options = { confirm: false }
      const failing = 'error' in outcome && [MISSING, REFUSED].includes(outcome.error)
      return {
        expected: [failing && to.exchange === NOWHERE ? outcome : { value: undefined }, outcome],
        run: async world => {
          const publishing = client(world).basicPublish(
            world.full(to.exchange),
            wireKey(world, to),
            text,
            options,
          )
          // The next step may run on another connection, and what fails without a word takes along what is behind it: so
          // wait until the broker has read it. A publish that fails behind it on the same channel says so.
          const barrier = client(world).basicPublish(world.full(NOWHERE), '', text, options)
          expect(await observe(world, barrier)).toMatchObject({ error: expect.any(String) })
          await publishing
        },
      }
    },
  }))

const HOW = ['ack', 'nack', 'reject', 'nack drop', 'reject drop', 'keep'] as const
type How = (typeof HOW)[number]

const requeues = (how: How): boolean => how === 'nack' || how === 'reject'

/** The method of a message that settles it so. */
const methodOf = (how: How): string => how.split(' ')[0] ?? how

function settle(message: Message, how: How): boolean {
  if (how === 'ack') return message.ack()
  const requeue = requeues(how)
  return how.startsWith('nack') ? message.nack({ requeue }) : message.reject({ requeue })
}

/** The model's message as the user is to see it. */
const shown = (message: ModelMessage) => ({
  text: message.text,
  redelivered: message.redelivered ?? expect.any(Boolean),
})

const seen = (message: Message) => ({ text: message.text(), redelivered: message.redelivered })

export function getStep(by: Actor, name: string, how: How | 'noAck'): Step {
  return {
    title: `basicGet(${JSON.stringify({ by, name, how })})`,
    touches: [name],
    predict: model => {
      let id: number | undefined
      const outcome = predicted('basicGet', () => {
        const got = model.get(by, name)
        if (got === undefined) return null
        const expected = { ...shown(got.held.message), left: got.left }
        if (how === 'keep') id = model.keep(got.held)
        if (how === 'keep' || how === 'noAck') return expected
        return { ...expected, settled: model.settle(got.held, requeues(how)) }
      })
      return {
        expected: [outcome],
        run: async (world, options) => {
          const noAck = how === 'noAck'
          const message = await world.clients[by].basicGet(world.full(name), { noAck, ...options })
          if (message === null) return null
          const result = { ...seen(message), left: message.messageCount }
          if (id !== undefined) world.kept.set(id, message)
          if (how === 'noAck' || how === 'keep') return result
          return { ...result, settled: settle(message, how) }
        },
      }
    },
  }
}

export const get: fc.Arbitrary<Step> = fc
  .tuple(actor, queueName, fc.constantFrom(...HOW, 'noAck' as const))
  .map(([by, name, how]) => getStep(by, name, how))

/** Settles a message that an earlier step has kept; also one that is settled already. */
export const settleKept: fc.Arbitrary<Step> = fc
  .record({ pick: fc.nat(), how: fc.constantFrom(...HOW.filter(how => how !== 'keep')) })
  .map(({ pick, how }) => ({
    title: `settle(${JSON.stringify({ pick, how })})`,
    touches: [],
    predict: (model: ModelBroker) => {
      const kept = [...model.kept]
      const [id, held] = kept[pick % kept.length] ?? []
      if (id === undefined || held === undefined)
        return { expected: [{ value: undefined }], run: async () => undefined }
      const outcome: Observed = predicted('', () => model.settle(held, requeues(how)))
      return {
        // The channel of a message that is settled may be gone: that comes first.
        expected:
          'error' in outcome
            ? [{ error: outcome.error, operation: methodOf(how) }, { value: false }]
            : [outcome],
        run: async (world: World) => settle(world.kept.get(id) as Message, how),
      }
    },
  }))

/** It may be in time, or not: the message is there afterwards in either case. */
export const getInTime: fc.Arbitrary<Step> = fc
  .record({ actor, name: queueName })
  .map(({ actor: by, name }) => ({
    title: `basicGet(${JSON.stringify({ by, name, timeout: 1 })})`,
    touches: [name],
    predict: model => {
      const outcome = predicted('basicGet', () => {
        const got = model.get(by, name)
        if (got === undefined) return null
        const expected = shown(got.held.message)
        model.settle(got.held, true)
        for (const message of model.queues.get(name)?.messages.slice(0, 2) ?? [])
          message.redelivered = undefined
        return expected
      })
      // One that fails takes its lane along: when, must be certain.
      const timeout = 'error' in outcome ? 10_000 : 1
      return {
        expected: [outcome, { error: 'TimeoutError', operation: 'basicGet' }],
        run: async world => {
          const get = (options?: GetOptions) => world.clients[by].basicGet(world.full(name), options)
          try {
            const message = await get({ timeout })
            message?.nack()
            return message === null ? null : seen(message)
          } catch (error) {
            // The answer to the next one comes when that to this one has been given back, on the same channel.
            if (error instanceof TimeoutError) (await get())?.nack()
            throw error
          }
        },
      }
    },
  }))
