/**
 * Owns the random steps of the model of recovery in memory: calls, faults of the broker and of the connection, what others
 * do, pauses. Knows nothing of how they are run.
 */
import fc from 'fast-check'

/** What each queue is, by its number. */
export const QUEUES = ['plain', 'exclusive', 'autoDelete', 'expires', 'named', 'namedExclusive'] as const
/** What each exchange is, by its number. */
export const EXCHANGES = ['plain', 'autoDelete'] as const

export type Step =
  | { readonly do: 'declareQueue' | 'deleteQueue' | 'consume' | 'cancel'; readonly queue: number }
  | { readonly do: 'declareExchange' | 'deleteExchange'; readonly exchange: number }
  | { readonly do: 'bind' | 'unbind'; readonly queue: number; readonly exchange: number }
  | { readonly do: 'publishToQueue'; readonly queue: number; readonly size: number }
  | { readonly do: 'publishToExchange'; readonly exchange: number; readonly size: number }
  | { readonly do: 'secret' | 'break' | 'breakOne' }
  | { readonly do: 'block'; readonly on: boolean }
  | { readonly do: 'breakAfter'; readonly milliseconds: number }
  | { readonly do: 'breakAt'; readonly methods: number }
  | { readonly do: 'hold'; readonly milliseconds: number }
  | {
      readonly do: 'refuse'
      readonly part: number
      readonly code: number
      readonly names: boolean
      readonly times: number
    }
  | { readonly do: 'silence'; readonly part: number; readonly milliseconds: number; readonly times: number }
  | { readonly do: 'limits'; readonly frameMax: number; readonly channelMax: number }
  | { readonly do: 'othersDeleteQueue'; readonly queue: number }
  | { readonly do: 'othersDeleteExchange'; readonly exchange: number }
  | { readonly do: 'pause'; readonly milliseconds: number }

const below = (limit: number) => fc.integer({ min: 0, max: limit - 1 })
const queue = below(QUEUES.length)
const exchange = below(EXCHANGES.length)
/** A queue, or behind them an exchange. */
const part = below(QUEUES.length + EXCHANGES.length)
const size = fc.constantFrom(10, 10, 10, 10_000)
const one = <T extends string>(...names: T[]) => fc.constantFrom(...names)

const call: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: one('declareQueue'), queue }) },
  { weight: 1, arbitrary: fc.record({ do: one('deleteQueue', 'cancel'), queue }) },
  { weight: 3, arbitrary: fc.record({ do: one('consume'), queue }) },
  { weight: 3, arbitrary: fc.record({ do: one('declareExchange'), exchange }) },
  { weight: 1, arbitrary: fc.record({ do: one('deleteExchange'), exchange }) },
  { weight: 5, arbitrary: fc.record({ do: one('bind'), queue, exchange }) },
  { weight: 1, arbitrary: fc.record({ do: one('unbind'), queue, exchange }) },
  { weight: 10, arbitrary: fc.record({ do: one('publishToQueue'), queue, size }) },
  { weight: 6, arbitrary: fc.record({ do: one('publishToExchange'), exchange, size }) },
  { weight: 1, arbitrary: fc.record({ do: one('secret') }) },
)

const fault: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: one('break', 'breakOne') }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: one('breakAfter'), milliseconds: fc.constantFrom(0, 1, 5, 50, 500) }),
  },
  { weight: 3, arbitrary: fc.record({ do: one('breakAt'), methods: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.record({ do: one('hold'), milliseconds: fc.constantFrom(0, 0, 5, 100, 700) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: one('refuse'),
      part,
      code: fc.constantFrom(404, 405, 406, 503, 530, 541),
      names: fc.boolean(),
      times: fc.constantFrom(1, 1, 2, 1000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: one('silence'),
      part,
      milliseconds: fc.constantFrom(10, 100, 300, Number.POSITIVE_INFINITY),
      times: fc.constantFrom(1, 2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: one('limits'),
      frameMax: fc.constantFrom(0, 4096, 8192),
      channelMax: fc.constantFrom(0, 12, 40),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: one('othersDeleteQueue'), queue }) },
  { weight: 1, arbitrary: fc.record({ do: one('othersDeleteExchange'), exchange }) },
  { weight: 1, arbitrary: fc.record({ do: one('block'), on: fc.boolean() }) },
)

/** The steps of a run. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: call },
    { weight: 2, arbitrary: fault },
    { weight: 2, arbitrary: fc.record({ do: one('pause'), milliseconds: below(30) }) },
  ),
  { minLength: 10, maxLength: 80, size: 'max' },
)
