/** Covers whether a consumer comes back after what the broker says, how soon, and for how long it goes on trying. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { type ResumeHost, ResumePolicy, type Resumption } from '../../../src/client/resume-policy.js'
import {
  AccessRefusedError,
  type AmqpError,
  ConnectionBrokenError,
  ConsumerCancelledError,
  InternalError,
  NotFoundError,
  ResourceError,
  ResourceLockedError,
} from '../../../src/errors.js'
import type { SubscriptionEnd } from '../../../src/session/subscription-types.js'

const LOCKED = new ResourceLockedError('RESOURCE_LOCKED - exclusive (405)')
const FAILED = new InternalError('INTERNAL_ERROR - no leader (541)', { replyCode: 541 })
const DOWN = new NotFoundError("NOT_FOUND - home node 'b' of durable queue 'q' in vhost '/' is down (404)")
const DELETED = new NotFoundError("NOT_FOUND - no queue 'q' in vhost '/' (404)")
const FORBIDDEN = new AccessRefusedError('ACCESS_REFUSED - no permission (403)')
const CANCELLED = new ConsumerCancelledError('the broker cancelled the consumer')
const LOST = new ConnectionBrokenError('lost')

afterEach(() => {
  jest.restoreAllMocks()
})

/** A policy that has let one consumer run, and a clock that only the test moves. */
function start({ patience = 60_000, recovers = true }: Partial<ResumeHost> = {}) {
  const clock = { now: 1000 }
  jest.spyOn(performance, 'now').mockImplementation(() => clock.now)
  const policy = new ResumePolicy({ recovers, patience, restoreMissing: () => undefined }, 'resume', {})
  policy.onReady()
  let count = 1
  const next = (error: AmqpError, cause: SubscriptionEnd, wasReady = cause !== 'refused') =>
    comes(policy.next(error, cause, wasReady, count++, []))
  next(LOST, 'lost')
  return { policy, clock, next }
}

const comes = (next: Resumption | 'end'): boolean => next !== 'end'

describe.each([
  ['locked', LOCKED],
  ['on a node that is down', DOWN],
  ['failing', FAILED],
])('where the queue is %s', (_, error) => {
  test('a consumer that was there tries to come back within its patience', () => {
    const { clock, next } = start()
    for (let seconds = 0; seconds < 60; seconds++) {
      expect(next(error, 'refused')).toBe(true)
      clock.now += 1000
    }
    expect(next(error, 'refused')).toBe(false)
  })

  test('one that the broker has cancelled does so, too', () => {
    const { clock, next } = start()
    expect(next(CANCELLED, 'cancelled')).toBe(true)
    for (let seconds = 0; seconds < 60; seconds++) {
      expect(next(error, 'refused')).toBe(true)
      clock.now += 1000
    }
    const ends = Array.from({ length: 3 }, () => next(error, 'refused'))
    expect(ends.at(-1)).toBe(false)
  })

  test('the patience begins anew with another connection', () => {
    const { clock, next } = start()
    expect(next(error, 'refused')).toBe(true)
    clock.now += 59_000
    expect(next(LOST, 'lost', false)).toBe(true)
    clock.now += 1_000_000
    expect(next(error, 'refused')).toBe(true)
  })

  test('one that has just begun ends at once, and so does each without patience', () => {
    const first = new ResumePolicy(
      { recovers: true, patience: 60_000, restoreMissing: () => undefined },
      'resume',
      {},
    )
    expect(comes(first.next(error, 'refused', false, 1, []))).toBe(false)
    expect(start({ patience: 0 }).next(error, 'refused')).toBe(false)
  })
})

test.each([
  ['that was deleted', DELETED],
  ['that it may not read', FORBIDDEN],
])('the consumer of a queue %s ends at once', (_, error) => {
  expect(start().next(error, 'refused')).toBe(false)
})

describe('a consumer whose channel the broker closes again and again', () => {
  test('goes on for its patience if that is a failure of the broker', () => {
    const { policy, clock, next } = start()
    for (let seconds = 0; seconds < 60; seconds++) {
      expect(next(FAILED, 'closed')).toBe(true)
      policy.onReady()
      clock.now += 1000
    }
    // The first three times are tried at once, and do not count.
    clock.now += 3000
    expect(next(FAILED, 'closed')).toBe(false)
  })

  test('ends after three times in a row if that is something else', () => {
    const { policy, next } = start()
    const ends = Array.from({ length: 4 }, () => {
      policy.onReady()
      return next(FORBIDDEN, 'closed')
    })
    expect(ends).toEqual([true, true, true, false])
  })

  test('comes back each time if it was there for ten seconds in between', () => {
    const { policy, clock, next } = start()
    for (let time = 0; time < 10; time++) {
      policy.onReady()
      clock.now += 10_000
      expect(next(CANCELLED, 'cancelled')).toBe(true)
    }
  })
})

describe('a consumer that finds no channel', () => {
  const FULL = new ResourceError('all 4 channels of the connection are in use (channelMax)')

  test('tries again within its patience, if it has had one before', () => {
    const { policy, clock } = start()
    expect(comes(policy.afterFailure(FULL, true))).toBe(true)
    expect(comes(policy.afterFailure(FULL, false))).toBe(false)
    clock.now += 60_000
    expect(comes(policy.afterFailure(FULL, true))).toBe(false)
  })

  test('ends over anything else', () => {
    const { policy } = start()
    expect(comes(policy.afterFailure(new Error('a bug'), true))).toBe(false)
  })
})
