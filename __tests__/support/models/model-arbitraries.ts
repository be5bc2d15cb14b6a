/** Owns the few names that random steps are about, so that they often meet. Knows nothing of the steps. */
import fc from 'fast-check'
import type { Actor } from './model-broker.js'

export const QUEUES = ['q1', 'q2', 'q3', 'q4']
export const EXCHANGES = ['e1', 'e2', 'e3']
export const KEYS = ['k1', 'k2']
/** It is never declared. */
export const NOWHERE = 'nowhere'

export const actor = fc.oneof(
  { arbitrary: fc.constant<Actor>('one'), weight: 4 },
  { arbitrary: fc.constant<Actor>('other'), weight: 1 },
)
export const queueName = fc.constantFrom(...QUEUES)
export const exchangeName = fc.constantFrom(...EXCHANGES)
export const bindingKey = fc.constantFrom(...KEYS)
export const rarely = fc.oneof(
  { arbitrary: fc.constant(false), weight: 5 },
  { arbitrary: fc.constant(true), weight: 1 },
)
