/**
 * Owns the random steps of the test of recovery: calls, failing ones among them, faults, pauses. Knows nothing of how they
 * are run.
 */
import fc from 'fast-check'
import type { TopologyStep } from './topology-model.js'

/** Few, so that steps often meet. */
export const QUEUES = 3
export const EXCHANGES = 2

export type Step =
  | { readonly kind: 'topology'; readonly step: TopologyStep }
  | { readonly kind: 'publish'; readonly confirm: boolean }
  | {
      readonly kind:
        | 'publishNowhere'
        | 'publishOwn'
        | 'get'
        | 'askForNothing'
        | 'qos'
        | 'ackHeld'
        | 'updateSecret'
    }
  | { readonly kind: 'lossSoonAfterOpen'; readonly milliseconds: number }
  | { readonly kind: 'fault'; readonly fault: 'reset' | 'end' | 'stall' }
  | { readonly kind: 'pause'; readonly milliseconds: number }

const number = (below: number) => fc.integer({ min: 0, max: below - 1 })
const queue = number(QUEUES)
const exchange = number(EXCHANGES)
const topologyStep: fc.Arbitrary<TopologyStep> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('declareQueue' as const), queue, limited: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteQueue' as const), queue }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('declareExchange' as const),
      exchange,
      type: fc.constantFrom('fanout' as const, 'topic' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteExchange' as const), exchange }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('bind' as const), queue, exchange, key: number(2) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('unbind' as const), queue, exchange, key: number(2) }),
  },
)
export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('topology' as const), step: topologyStep }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('publish' as const), confirm: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'publishNowhere' as const,
        'get' as const,
        'askForNothing' as const,
        'qos' as const,
        'ackHeld' as const,
        'publishOwn' as const,
        'updateSecret' as const,
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      fault: fc.oneof(
        { weight: 5, arbitrary: fc.constant('reset' as const) },
        { weight: 5, arbitrary: fc.constant('end' as const) },
        { weight: 1, arbitrary: fc.constant('stall' as const) },
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('lossSoonAfterOpen' as const), milliseconds: number(500) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('pause' as const), milliseconds: number(50) }) },
)
