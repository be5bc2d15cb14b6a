/** Owns the random steps of the test of consumers, and the consumers themselves: what they read, and how they settle it. */
import fc from 'fast-check'

export type Kind = 'classic' | 'quorum' | 'stream'

/** Several of each kind. */
export const KINDS: readonly Kind[] = ['classic', 'classic', 'quorum', 'quorum', 'stream', 'stream']
/** The most consumers of a run. */
const MOST_CONSUMERS = 5

/** What a consumer does with a message that it is handed. */
export type Habit =
  | 'ack'
  | 'ackMultiple'
  | 'nack'
  | 'nackMultiple'
  | 'reject'
  /** Settled by a later step. */
  | 'hold'
  /** Acked some rounds of the event loop later. */
  | 'late'
  /** A handler fails; a loop holds the message. */
  | 'throw'

export interface ConsumerSpec {
  /** The numbers of the queues. */
  readonly queues: readonly number[]
  readonly prefetchCount: number | undefined
  readonly noAck: boolean
  readonly onLeave: 'keep' | 'requeue'
  /** Loops over one consumer, or the concurrency of `forEach`. */
  readonly reading: 'loop' | 'forEach'
  readonly width: number
  /** One after the other, over and over. */
  readonly habits: readonly Habit[]
}

export type SettleWay = 'ack' | 'ackMultiple' | 'nack' | 'nackMultiple' | 'reject'

export type Step =
  | { readonly do: 'publish'; readonly queue: number; readonly count: number }
  | { readonly do: 'leave'; readonly consumer: number; readonly how: 'break' | 'throw' | 'cancel' }
  | { readonly do: 'pause' | 'resume' | 'close'; readonly consumer: number }
  | { readonly do: 'qos'; readonly consumer: number; readonly count: number; readonly facade: boolean }
  | { readonly do: 'cancel'; readonly consumer: number; readonly item: number }
  | { readonly do: 'settle'; readonly consumer: number; readonly how: SettleWay; readonly latest: boolean }
  | { readonly do: 'redeclare'; readonly queue: number }
  | { readonly do: 'cut'; readonly how: 'reset' | 'end' }
  /** The client is closed, and another one takes its place. */
  | { readonly do: 'restart'; readonly how: 'close' | 'drain' }
  | { readonly do: 'wait'; readonly milliseconds: number }
  | { readonly do: 'turn' }

/** A whole run. */
export interface Plan {
  readonly consumers: readonly ConsumerSpec[]
  /** The client under test has declared the queues, too. */
  readonly declares: boolean
  readonly steps: readonly Step[]
}

const number = (below: number) => fc.integer({ min: 0, max: below - 1 })
const rarely = (weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })

const habit = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Habit>('ack') },
  { weight: 7, arbitrary: fc.constantFrom<Habit[]>('ackMultiple', 'hold', 'late', 'throw') },
  { weight: 2, arbitrary: fc.constantFrom<Habit[]>('nack', 'nackMultiple', 'reject') },
)

const queue = number(KINDS.length)

const consumerSpec: fc.Arbitrary<ConsumerSpec> = fc.record({
  queues: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(queue) },
    { weight: 2, arbitrary: fc.uniqueArray(queue, { minLength: 2, maxLength: 4 }) },
  ),
  prefetchCount: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom(1, 2) },
    { weight: 2, arbitrary: fc.integer({ min: 3, max: 40 }) },
  ),
  noAck: rarely(4),
  onLeave: fc.constantFrom('keep' as const, 'requeue' as const),
  reading: fc.constantFrom('loop' as const, 'loop' as const, 'forEach' as const),
  width: fc.constantFrom(1, 1, 2, 3),
  habits: fc.array(habit, { minLength: 1, maxLength: 8, size: 'max' }),
})

const consumer = number(MOST_CONSUMERS)

const step: fc.Arbitrary<Step> = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      queue,
      count: fc.oneof(
        { weight: 4, arbitrary: fc.integer({ min: 1, max: 20 }) },
        { weight: 1, arbitrary: fc.integer({ min: 20, max: 150 }) },
      ),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('leave' as const),
      consumer,
      how: fc.constantFrom('break' as const, 'throw' as const, 'cancel' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pause' as const), consumer }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resume' as const), consumer }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('qos' as const),
      consumer,
      count: fc.constantFrom(0, 1, 2, 5, 10, 30, 100),
      facade: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('cancel' as const), consumer, item: number(4) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('close' as const), consumer }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      consumer,
      how: fc.constantFrom<SettleWay[]>('ack', 'ack', 'ackMultiple', 'nack', 'nackMultiple', 'reject'),
      latest: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('redeclare' as const), queue }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('cut' as const),
      how: fc.constantFrom('reset' as const, 'end' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      how: fc.constantFrom('close' as const, 'drain' as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      // A pause has its second part after a second.
      milliseconds: fc.oneof(
        { weight: 30, arbitrary: number(30) },
        { weight: 1, arbitrary: fc.constant(1050) },
      ),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
)

export const plan: fc.Arbitrary<Plan> = fc.record({
  consumers: fc.array(consumerSpec, { minLength: 2, maxLength: MOST_CONSUMERS, size: 'max' }),
  declares: fc.boolean(),
  steps: fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
})
