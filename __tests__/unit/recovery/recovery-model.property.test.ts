/**
 * Covers random interleavings of calls with faults of the broker, of connections and of others, on a broker in memory: all
 * is settled once, what is confirmed has arrived, and what is on record comes back.
 */
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { handles } from '../../support/handles.js'
import { steps } from '../../support/memory/recovery-commands.js'
import { RecoveryRun } from '../../support/memory/recovery-run.js'
import { faultsOf } from '../../support/memory/recovery-verdict.js'
import { eventually } from '../../support/outcome.js'

/** A run waits more than it works: so many go on at once. */
const LANES = 12
const RUNS_OF_A_LANE = Number(process.env.FC_RUNS ?? 6)

const options = fc.record({
  separate: fc.boolean(),
  patience: fc.constantFrom(100, 300),
  slow: fc.boolean(),
})

test('whatever breaks, is refused or is not answered: all is settled, arrives, and comes back', async () => {
  const { Timeout: before = 0 } = handles()
  const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31)
  const path = process.env.FC_PATH === undefined ? {} : { path: process.env.FC_PATH }
  process.stdout.write(`  seed ${seed} (FC_SEED)\n`)
  let losses = 0
  const lane = (number: number): Promise<void> =>
    fc.assert(
      fc.asyncProperty(options, steps, async ({ separate, patience, slow }, all) => {
        const run = new RecoveryRun(separate, patience, slow)
        await run.client.connect()
        for (const step of all) await run.take(step)
        const wrong = await faultsOf(run)
        losses += run.told.filter(text => text.startsWith('disconnect')).length
        expect({ wrong, told: wrong.length > 0 ? run.told : [] }).toEqual({ wrong: [], told: [] })
      }),
      { seed: seed + number, numRuns: RUNS_OF_A_LANE, endOnFailure: true, ...path },
    )
  const count = process.env.FC_PATH === undefined ? LANES : 1
  // All come to their end before the first failure is told: nothing runs on behind the test.
  const lanes = await Promise.allSettled(Array.from({ length: count }, (_, number) => lane(number)))
  for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason
  expect(losses).toBeGreaterThan(0)
  // No client, and no broker, has left a timer.
  await eventually(() => (handles().Timeout ?? 0) <= before, 5000)
})
