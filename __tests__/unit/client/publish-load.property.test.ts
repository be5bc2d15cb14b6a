/**
 * Covers how a load of publishMany goes about its messages, for any of them: what is in flight, in what order, what is
 * taken when, and what is counted in the end.
 */
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { PublishManyMessage, PublishManyResult } from '../../../src/options.js'
import { PublishManyError } from '../../../src/publish-many-error.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { MemoryHost, messageOf } from './load-host.js'

interface Row {
  readonly fails: boolean
  /** Settles so many turns of the event loop after it is published; 0: at once. */
  readonly settlesAfter: number
  /** An asynchronous iterator gives it so many turns after it was asked. */
  readonly comesAfter: number
}

interface Run {
  readonly rows: readonly Row[]
  readonly window: number
  readonly kind: 'sync' | 'async'
  readonly reports: boolean
  /** The client is full of other publishes as these are published, and has room again some turns later. */
  readonly crowdedAt: readonly number[]
}

type Numbered = PublishManyMessage & { readonly number: number }

const runs: fc.Arbitrary<Run> = fc.record({
  rows: fc.array(
    fc.record({
      fails: fc.oneof(
        { weight: 9, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
      settlesAfter: fc.nat(3),
      comesAfter: fc.nat(2),
    }),
    { maxLength: 60 },
  ),
  window: fc.constantFrom(1, 2, 3, 10, 1000),
  kind: fc.constantFrom('sync' as const, 'async' as const),
  reports: fc.boolean(),
  crowdedAt: fc.array(fc.nat(60), { maxLength: 4 }),
})

async function later(count: number, then: () => void): Promise<void> {
  await turns(count)
  then()
}

/** An iterator that checks how it is used. */
class Source {
  taken = 0
  returned = 0
  outstanding = 0
  ended = false
  readonly #run: Run
  readonly #host: MemoryHost<Numbered>

  constructor(run: Run, host: MemoryHost<Numbered>) {
    this.#run = run
    this.#host = host
  }

  get messages(): Iterable<Numbered> | AsyncIterable<Numbered> {
    const finish = () => {
      this.returned++
      return { done: true as const, value: undefined }
    }
    const sync = { next: () => this.#next(), return: finish }
    const async = { next: () => this.#nextLater(), return: () => Promise.resolve(finish()) }
    return this.#run.kind === 'sync'
      ? { [Symbol.iterator]: () => sync }
      : { [Symbol.asyncIterator]: () => async }
  }

  #next(): IteratorResult<Numbered, undefined> {
    const number = this.taken
    if (this.ended || this.returned > 0) throw new Error('it was asked again after its end')
    this.ended = number === this.#run.rows.length
    if (this.ended) return { done: true, value: undefined }
    if (this.taken - this.#host.settled >= this.#run.window) throw new Error('it was asked too early')
    this.taken++
    return { done: false, value: { ...messageOf(number), number } }
  }

  async #nextLater(): Promise<IteratorResult<Numbered, undefined>> {
    if (++this.outstanding > 1) throw new Error('it was asked twice at once')
    await turns(this.#run.rows[this.taken]?.comesAfter ?? 0)
    this.outstanding--
    // What ends the load may have come meanwhile.
    return this.returned > 0 ? { done: true, value: undefined } : this.#next()
  }
}

test('a load keeps to its window and its order, takes no message too early, and counts each', async () => {
  await fc.assert(fc.asyncProperty(runs, check), { numRuns: 400 })
}, 120_000)

async function check(run: Run): Promise<void> {
  const host = new MemoryHost<Numbered>()
  const source = new Source(run, host)
  const failures: { readonly message: Numbered; readonly error: Error }[] = []
  const reported: unknown[] = []
  host.onPublish = one => {
    const { fails, settlesAfter } = run.rows[one.message.number] as Row
    const settle = (): void => {
      if (!fails) {
        one.confirm()
        return
      }
      const error = new Error(`${one.message.number} failed`)
      failures.push({ message: one.message, error })
      one.fail(error)
    }
    if (settlesAfter === 0) settle()
    else void later(settlesAfter, settle)
    if (run.crowdedAt.includes(one.message.number) && !host.crowded) {
      host.crowded = true
      void later(2, () => host.makeRoom())
    }
  }
  const onError = run.reports
    ? (error: unknown, message: Numbered, index: number) => reported.push({ error, message, index })
    : undefined
  const outcome = await within(
    host.load(source.messages, { window: run.window, onError }).catch((error: unknown) => error),
  )

  expect(host.peak).toBeLessThanOrEqual(run.window)
  expect(host.inFlight.size).toBe(0)
  expect(host.published.map(({ number }) => number)).toEqual([...host.published.keys()])
  const { failed, published } = outcome as PublishManyResult | PublishManyError
  expect(failed).toBe(failures.length)
  expect(published).toBe(host.published.length - failures.length)
  const [first] = failures
  if (run.reports || first === undefined) {
    expect(host.published).toHaveLength(run.rows.length)
    expect(outcome).not.toBeInstanceOf(Error)
    expect(source).toMatchObject({ ended: true, returned: 0 })
    const expected = failures.map(({ message, error }) => ({ error, message, index: message.number }))
    expect(reported).toEqual(run.reports ? expected : [])
  } else {
    expect(outcome).toBeInstanceOf(PublishManyError)
    expect(outcome).toMatchObject({ index: first.message.number, cause: first.error })
    expect((outcome as PublishManyError).failedMessage).toBe(first.message)
    expect(source.returned).toBe(source.ended ? 0 : 1)
  }
}

/** A load that hangs is a finding, not a matter of how fast the machine is. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let over = false
  const outcome = promise.finally(() => {
    over = true
  })
  for (let turn = 0; turn < 2000 && !over; turn++) await turns(1)
  if (!over) throw new Error('the load never ends')
  return outcome
}
