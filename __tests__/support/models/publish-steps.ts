/** Owns the random steps of the test of publishing: good and bad publishes, changes of exchanges, cuts, pauses. */
import fc from 'fast-check'

/** Few, so that steps often meet; but more than there can be publishes on trial at once. */
export const EXCHANGE_TYPES = [
  'fanout',
  'direct',
  'topic',
  'fanout',
  'direct',
  'topic',
  'fanout',
  'direct',
  'topic',
  'fanout',
  'direct',
  'topic',
] as const
/** The exchange of each number leads to the queue of its number, by turns. */
export const QUEUES = 2
const MISSING = 3

export type Target =
  /** A queue, by the default exchange. */
  | { readonly to: 'queue'; readonly number: number }
  /** An exchange that others may delete; `routed`: by a key that leads somewhere. */
  | { readonly to: 'exchange'; readonly number: number; readonly routed: boolean }
  | { readonly to: 'missing'; readonly number: number }
  /** The exchange that lets some routing keys pass and forbids others. */
  | { readonly to: 'permitted' | 'forbidden' }
  /** `nowhere`: the default exchange, but no queue. `full`: a queue that refuses everything. */
  | { readonly to: 'nowhere' | 'full' | 'internal' }

export interface PublishStep {
  readonly do: 'publish'
  readonly target: Target
  readonly confirm: boolean
  readonly mandatory: boolean
  readonly retry: boolean
  readonly userId: 'none' | 'own' | 'foreign'
  /** Bytes of the body, at least. */
  readonly size: number
  /** Where it carries its number. */
  readonly mark: 'body' | 'messageId' | 'header'
  /** The client itself refuses it. */
  readonly invalid: boolean
}

export interface ChangeStep {
  readonly do: 'delete' | 'restore'
  readonly exchange: number
  readonly by: 'self' | 'other'
  /** It waits for what was published before, and what comes next waits for it. */
  readonly wait: boolean
}

export type Step =
  | PublishStep
  | ChangeStep
  | { readonly do: 'cut'; readonly how: 'reset' | 'end' }
  /** Lets the event loop turn. */
  | { readonly do: 'turn' }
  /** Waits for the outcome of one of the last publishes. */
  | { readonly do: 'await'; readonly back: number }
  /** Waits until the broker has dealt with all that was published. */
  | { readonly do: 'settle' }

/** What may happen in a run: `calm`: nothing that the client does not know of. */
export type Mood = 'calm' | 'surprises' | 'cuts'

const number = (below: number) => fc.integer({ min: 0, max: below - 1 })
const rarely = (weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })
const mostly = (weight: number) => rarely(weight).map(rare => !rare)

function targetIn(mood: Mood): fc.Arbitrary<Target> {
  const plain = (...to: ('nowhere' | 'full' | 'internal')[]) => fc.record({ to: fc.constantFrom(...to) })
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ to: fc.constant('queue' as const), number: number(QUEUES) }) },
    {
      weight: 12,
      arbitrary: fc.record({
        to: fc.constant('exchange' as const),
        number: number(EXCHANGE_TYPES.length),
        routed: mostly(5),
      }),
    },
    { weight: 2, arbitrary: fc.record({ to: fc.constant('missing' as const), number: number(MISSING) }) },
    { weight: 3, arbitrary: plain('nowhere', 'full', 'internal') },
    { weight: 2, arbitrary: fc.record({ to: fc.constant('permitted' as const) }) },
    {
      weight: mood === 'calm' ? 0 : 1,
      arbitrary: fc.record({ to: fc.constant('forbidden' as const) }),
    },
  )
}

function publishIn(mood: Mood): fc.Arbitrary<PublishStep> {
  return fc.record({
    do: fc.constant('publish' as const),
    target: targetIn(mood),
    confirm: mostly(3),
    mandatory: rarely(2),
    retry: mostly(4),
    userId: fc.oneof(
      { weight: 12, arbitrary: fc.constant('none' as const) },
      { weight: 2, arbitrary: fc.constant('own' as const) },
      { weight: 1, arbitrary: fc.constant('foreign' as const) },
    ),
    size: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(0, 10) },
      { weight: 2, arbitrary: fc.constantFrom(5_000, 40_000) },
      { weight: 1, arbitrary: fc.constantFrom(132_000, 300_000) },
    ),
    mark: fc.oneof(
      { weight: 3, arbitrary: fc.constant('body' as const) },
      { weight: 1, arbitrary: fc.constantFrom('messageId' as const, 'header' as const) },
    ),
    invalid: rarely(25),
  })
}

function changeIn(mood: Mood): fc.Arbitrary<ChangeStep> {
  const by = fc.constantFrom('self' as const, 'other' as const)
  const exchange = number(EXCHANGE_TYPES.length)
  // What the client itself has declared, it declares again after a cut, whoever has deleted it meanwhile.
  const restoredBy = mood === 'cuts' ? fc.constant('other' as const) : by
  if (mood === 'calm') {
    const self = { exchange, by: fc.constant('self' as const), wait: fc.constant(true) }
    return fc.record({ do: fc.constantFrom('delete' as const, 'restore' as const), ...self })
  }
  return fc.oneof(
    fc.record({ do: fc.constant('delete' as const), exchange, by, wait: fc.boolean() }),
    fc.record({ do: fc.constant('restore' as const), exchange, by: restoredBy, wait: fc.boolean() }),
  )
}

/** The steps of a run. */
export function stepsIn(mood: Mood): fc.Arbitrary<Step[]> {
  const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
    { weight: 100, arbitrary: publishIn(mood) },
    { weight: 6, arbitrary: changeIn(mood) },
    {
      weight: mood === 'cuts' ? 2 : 0,
      arbitrary: fc.record({
        do: fc.constant('cut' as const),
        how: fc.constantFrom('reset' as const, 'end' as const),
      }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('await' as const), back: number(60) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  )
  return fc.array(step, { minLength: 1, maxLength: 150, size: 'max' })
}
