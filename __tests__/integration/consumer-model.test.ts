/**
 * Covers random mixes of reading, settling, leaving, pausing and changing the prefetch count on classic queues, quorum queues
 * and streams, while the broker cancels consumers and closes channels, and connections break: every message is processed at
 * least once, none is lost, none is stuck.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Client } from '../../src/index.js'
import { brokerUrl } from '../support/broker/broker.js'
import { FrameProxy } from '../support/faults/frame-proxy.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { measured } from '../support/faults/traffic.js'
import { ConsumerRun } from '../support/models/consumer-run.js'
import { type Plan, plan } from '../support/models/consumer-steps.js'
import { tally } from '../support/outcome.js'

/** A run waits more than it works: so many go on at once. */
const LANES = 4
const RUNS_OF_A_LANE = Number(process.env.FC_RUNS ?? 5)
/** Milliseconds: no run begins later than this, unless the number of runs is given. */
const BUDGET = process.env.FC_RUNS === undefined ? 30_000 : Number.POSITIVE_INFINITY
const LIMIT = 60_000 + RUNS_OF_A_LANE * 20_000

const figures = { runs: 0, steps: 0, published: 0, handedOut: 0, duplicates: 0, lives: 0 }
const faults: string[] = []
let other: Client

beforeAll(async () => {
  other = new Client(brokerUrl())
  await other.connect()
})

afterAll(async () => {
  await other.close()
  measured('consumer model', { ...figures, faults: tally(faults) })
})

/** Takes the steps; returns what is wrong in the end. */
async function troublesAfter(steps: Plan): Promise<readonly string[]> {
  const frames = await FrameProxy.start(brokerUrl())
  const link = await TcpProxy.start(frames.url)
  const run = new ConsumerRun(other, link, frames, steps)
  try {
    await run.prepare()
    for (const step of steps.steps) await run.take(step)
    return await run.finish()
  } finally {
    await run.remove()
    await link.close()
    await frames.close()
    const { published, handedOut, duplicates } = run.ledger
    figures.runs++
    figures.steps += steps.steps.length
    figures.published += published
    figures.handedOut += handedOut
    figures.duplicates += duplicates
    figures.lives += run.actors.reduce((sum, { lives }) => sum + lives, 0)
    faults.push(...run.faults)
  }
}

test(
  'whatever stops a consumer, and however it reads: every message is processed, none is lost, none is stuck',
  async () => {
    const began = performance.now()
    const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31)
    process.stdout.write(`  seed ${seed} (FC_SEED)\n`)
    const property = fc.asyncProperty(plan, async steps => {
      if (performance.now() - began > BUDGET) return
      expect(await troublesAfter(steps)).toEqual([])
    })
    const path = process.env.FC_PATH
    const limits = { numRuns: RUNS_OF_A_LANE, endOnFailure: true, ...(path === undefined ? {} : { path }) }
    const lane = (number: number): Promise<void> => fc.assert(property, { seed: seed + number, ...limits })
    const count = path === undefined ? LANES : 1
    // All come to their end before the first failure is told: nothing runs on behind the test.
    const lanes = await Promise.allSettled(Array.from({ length: count }, (_, number) => lane(number)))
    measured('consumer model', { ms: performance.now() - began })
    for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason
  },
  LIMIT,
)
