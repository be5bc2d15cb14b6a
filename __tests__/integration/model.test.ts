/**
 * Covers random sequences of facade calls beside a model of the broker: none hangs, crashes, or comes out otherwise.
 */
import { randomBytes } from 'node:crypto'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Client } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { EXCHANGES, KEYS, QUEUES } from '../support/models/model-arbitraries.js'
import { ModelBroker } from '../support/models/model-broker.js'
import { consume } from '../support/models/model-consume.js'
import {
  get,
  getInTime,
  getStep,
  lonePublish,
  publish,
  publishStep,
  publishUnconfirmed,
  settleKept,
} from '../support/models/model-messages.js'
import {
  agreeOnCounts,
  type Step,
  take,
  takeTogether,
  World,
  withoutHanging,
} from '../support/models/model-run.js'
import { ask, bindOrUnbind, declareOrDelete, givenUp } from '../support/models/model-topology.js'

/** So many sequences go on at once, and so many one after the other, unless the time is up before. */
const LANES = 3
const SEQUENCES_OF_A_LANE = 40
const TIME_LIMIT = 35_000
const LONGEST = 40

type ModelCommand = fc.AsyncCommand<ModelBroker, World>

const commandOf = (steps: readonly Step[]): ModelCommand => ({
  check: () => true,
  run: (model, world) => {
    const [only, ...others] = steps
    if (only === undefined) return Promise.resolve()
    return others.length === 0 ? take(only, model, world) : takeTogether(steps, model, world)
  },
  toString: () => steps.map(({ title }) => title).join(' | '),
})

/** Those whose outcome does not depend on what the others do. */
function independent(steps: readonly Step[]): Step[] {
  const touched = new Set<string>()
  return steps.filter(({ touches }) => {
    if (touches.some(name => touched.has(name))) return false
    for (const name of touches) touched.add(name)
    return true
  })
}

const anyCall = fc.oneof(declareOrDelete, bindOrUnbind, get, lonePublish)
const single = (steps: fc.Arbitrary<Step>): fc.Arbitrary<ModelCommand> => steps.map(step => commandOf([step]))
const together = fc
  .array(fc.oneof({ arbitrary: declareOrDelete, weight: 3 }, bindOrUnbind, get, publish, consume), {
    minLength: 2,
    maxLength: 12,
  })
  .map(steps => commandOf(independent(steps)))

const commands = fc.commands(
  [
    single(declareOrDelete),
    single(declareOrDelete),
    single(bindOrUnbind),
    single(bindOrUnbind),
    single(publish),
    single(publish),
    single(publishUnconfirmed),
    single(get),
    single(getInTime),
    single(settleKept),
    single(consume),
    single(consume),
    single(givenUp(anyCall, 'before')),
    single(givenUp(fc.oneof(lonePublish, ask), 'at once')),
    together,
    together,
  ],
  { maxCommands: LONGEST, size: 'max' },
)

/** What is left at the end: what was kept goes back, then each route leads where it should, each message is in its place. */
async function agreeOnAll(model: ModelBroker, world: World): Promise<void> {
  for (const [id, held] of model.kept) {
    if (held.state !== 'settled') expect(world.kept.get(id)?.nack()).toBe(model.settle(held, true))
  }
  await agreeOnCounts(model, world)
  for (const exchange of EXCHANGES) {
    const probes = KEYS.map(key => ({ route: { exchange, key }, mandatory: true, size: 9 }))
    await take(publishStep('one', probes), model, world)
  }
  for (const name of QUEUES) {
    const queue = model.queues.get(name)
    for (let left = queue?.messages.length ?? 0; left >= 0; left--) {
      await take(getStep(queue?.owner ?? 'one', name, 'noAck'), model, world)
    }
  }
}

async function removeAll(prefix: string): Promise<void> {
  const janitor = new Client(brokerUrl(), { recovery: false })
  try {
    await janitor.connect()
    await Promise.all(QUEUES.map(name => janitor.queueDelete(prefix + name)))
    // One by one: RabbitMQ 3.10 crashes (541) where both ends of a binding are deleted at once.
    for (const name of EXCHANGES) await janitor.exchangeDelete(prefix + name)
  } finally {
    await janitor.close()
  }
}

test('the broker and a simple model of it agree on any sequence of calls', async () => {
  const rejections: unknown[] = []
  const onRejection = (reason: unknown): void => void rejections.push(reason)
  process.on('unhandledRejection', onRejection)
  const run = `puka-test-${randomBytes(6).toString('hex')}`
  let sequence = 0
  const runSequence = async (sequenceOfCommands: Iterable<ModelCommand>): Promise<void> => {
    const world = new World(brokerUrl(), `${run}-${++sequence}-`)
    try {
      const model = new ModelBroker()
      await world.connect()
      await fc.asyncModelRun(() => ({ model, real: world }), sequenceOfCommands)
      await agreeOnAll(model, world)
      expect([world.clients.one.state.name, world.clients.other.state.name]).toEqual(['open', 'open'])
      await withoutHanging('drain', Promise.all([world.clients.one.drain(), world.clients.other.drain()]))
      expect(rejections).toEqual([])
    } finally {
      await world.close()
      await removeAll(world.prefix)
    }
  }
  // fast-check prints the seed of a lane that fails.
  const lane = async (): Promise<void> => {
    // The time limit cuts a sequence off without ending it.
    let running: Promise<void> | undefined
    const property = fc.asyncProperty(commands, sequenceOfCommands => {
      running = runSequence(sequenceOfCommands)
      return running
    })
    const plugins = [fc.interruptAfterTimeLimit(TIME_LIMIT)]
    try {
      await fc.assert(property, { numRuns: SEQUENCES_OF_A_LANE, plugins })
    } finally {
      await running?.catch(() => undefined)
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane))
  process.off('unhandledRejection', onRejection)
  for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason
}, 300_000)
