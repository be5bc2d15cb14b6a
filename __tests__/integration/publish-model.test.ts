/**
 * Covers random mixes of good and bad publishes, while exchanges come and go, and connections break: each gets the outcome
 * that a model says, whatever happens to its neighbours, and the queues hold what they have to hold, in order.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Client } from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { open } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { measured } from '../support/faults/traffic.js'
import { PublishRun, type Surroundings } from '../support/models/publish-run.js'
import { type Mood, type Step, stepsIn } from '../support/models/publish-steps.js'
import { faultsOf } from '../support/models/publish-verdict.js'
import { tally } from '../support/outcome.js'

/** A run waits more than it works: so many go on at once. */
const LANES = 3
const RUNS_OF_A_LANE = Number(process.env.FC_RUNS ?? 15)
/** Milliseconds: the search for a smaller counterexample ends then. */
const SHRINKING_LIMIT = 100_000
/** A run that takes so many milliseconds hangs: then its steps are told. */
const HANG = 60_000
const RECOVERY = { initialDelay: 5, maxDelay: 50 }
const PASSWORD = 'secret'

const queueTypes = fc.oneof(
  { weight: 3, arbitrary: fc.constant('classic' as const) },
  { weight: 1, arbitrary: fc.constant('quorum' as const) },
)
const unique = (): string => `puka-test-${randomBytes(6).toString('hex')}`
const surroundings: Surroundings = { other: new Client(brokerUrl()), user: unique(), guarded: unique() }

beforeAll(async () => {
  const { other, user, guarded } = surroundings
  await other.connect()
  await other.exchangeDeclare(guarded, { type: 'topic' })
  await ctl('add_user', user, PASSWORD)
  await ctl('set_permissions', user, '.*', '.*', '.*')
  await ctl('set_topic_permissions', user, guarded, '^open\\.', '.*')
})

afterAll(async () => {
  const { other, user, guarded } = surroundings
  await ctl('delete_user', user)
  await other.exchangeDelete(guarded)
  await other.close()
})

/** Takes the steps; returns what is wrong in the end. */
async function faultsAfter(steps: readonly Step[], mood: Mood, queueType: 'classic' | 'quorum') {
  const url = new URL(brokerUrl())
  url.username = surroundings.user
  url.password = PASSWORD
  const proxy = mood === 'cuts' ? await TcpProxy.start(url.href) : undefined
  const client = await open({ recovery: RECOVERY }, proxy?.url ?? url.href)
  const run = new PublishRun(client, proxy, surroundings)
  try {
    await run.prepare(queueType)
    for (const step of steps) await run.take(step)
    await run.settle()
    const faults = await faultsOf(run)
    await client.drain()
    return { faults, run }
  } finally {
    await client.close()
    await proxy?.close()
    await run.remove()
  }
}

const TITLES = [
  ['where nothing happens that the client does not know of', 'calm'],
  ['where others delete exchanges, and permissions forbid what nobody could foresee', 'surprises'],
  ['where connections are cut besides', 'cuts'],
] as const

test.each(TITLES)(
  'each publish of a mixture gets the outcome that is its own, and the queues hold what was taken, %s',
  async (_, mood) => {
    const began = performance.now()
    const outcomes: string[] = []
    const runs: Promise<unknown>[] = []
    const figures = { runs: 0, cuts: 0, resent: 0, lost: 0 }
    const property = fc.asyncProperty(stepsIn(mood), queueTypes, async (steps, queueType) => {
      const running = faultsAfter(steps, mood, queueType)
      runs.push(running)
      const { faults, run } = await running
      const { resent, lost } = run.client.metrics()
      figures.runs++
      figures.cuts += run.cuts
      figures.resent += resent
      figures.lost += lost
      outcomes.push(...run.records.map(({ outcome }) => outcome))
      expect(faults).toEqual([])
    })
    const limits = { numRuns: RUNS_OF_A_LANE, interruptAfterTimeLimit: SHRINKING_LIMIT, timeout: HANG }
    const lane = (): Promise<void> => fc.assert(property, limits)
    // All come to their end before the first failure is told: nothing runs on behind the test.
    const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane))
    measured(mood, { ...figures, outcomes: tally(outcomes), ms: performance.now() - began })
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason
    // The time limit cuts a run off without ending it.
    await Promise.all(runs)
  },
  3 * SHRINKING_LIMIT,
)
