/** Covers the requests of a replay: how many there are at once, and what becomes of one that is not answered. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { Request } from '../../../src/connection/request.js'
import { ReplayRequests } from '../../../src/recovery/replay-requests.js'
import { Restoration } from '../../../src/recovery/restoration.js'
import type { Session } from '../../../src/session/session.js'
import { type Outcome, TicketCounter } from '../../../src/ticket.js'

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] })
})

afterEach(() => {
  jest.useRealTimers()
})

const PATIENCE = 60_000

function begin(patience = PATIENCE) {
  const sent: { outcome: Outcome<unknown>; leave: () => void }[] = []
  const session = {
    frameMax: 0,
    callNow: (outcome: Outcome<unknown>, _request: Request, _result: unknown, leave: () => void): void => {
      sent.push({ outcome, leave })
    },
  }
  const requests = new ReplayRequests(new TicketCounter(), patience, session as unknown as Session)
  const declare = (one?: Restoration, queue = 'q') => {
    const flags = { passive: false, durable: true, exclusive: false, autoDelete: false, noWait: false }
    const outcome = { is: 'pending' }
    void requests.make('queue.declare', { queue, ...flags, arguments: {} }, one).then(
      () => {
        outcome.is = 'answered'
      },
      error => {
        outcome.is = error.name
      },
    )
    return outcome
  }
  return { requests, sent, declare }
}

function part(): Restoration {
  const plan = { subject: {}, before: [], isWanted: () => true, act: async () => {} }
  return new Restoration({ entity: { kind: 'queue', name: 'q' }, ...plan }, () => {})
}

async function pass(milliseconds: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(milliseconds)
}

test('there are a handful at once, and the next ones follow as these are answered', async () => {
  const { requests, sent, declare } = begin()
  for (let count = 0; count < 20; count++) declare(part())
  await pass(0)
  expect([sent.length, requests.all.length]).toEqual([8, 8])
  sent[0]?.leave()
  sent[1]?.leave()
  await pass(0)
  expect([sent.length, requests.all.length]).toEqual([10, 8])
})

describe('a request that is not answered', () => {
  test('makes its part late after a second, and keeps no other one waiting from then on', async () => {
    const { sent, declare } = begin()
    const parts = Array.from({ length: 9 }, part)
    for (const one of parts) declare(one)
    await pass(999)
    expect([sent.length, parts[0]?.isLate]).toEqual([8, false])
    await pass(1)
    expect([sent.length, parts[0]?.isLate]).toEqual([9, true])
    expect(parts[0]?.error?.message).toContain('not answered')
  })

  test('ends after ten seconds, so that it can be made again, and after longer each time', async () => {
    const { sent, declare, requests } = begin()
    const one = part()
    for (const seconds of [10, 20, 40]) {
      const outcome = declare(one)
      await pass(1000 * seconds - 1)
      expect(outcome.is).toBe('pending')
      await pass(1)
      expect(outcome.is).toBe('TimeoutError')
      one.timeouts++
    }
    // What the broker may still answer can be why it ends the connection.
    expect([sent.length, requests.all.length]).toEqual([3, 3])
    for (const { leave } of sent) leave()
    expect(requests.all).toEqual([])
  })

  test('ends when its part is given up', async () => {
    const { declare } = begin()
    const one = part()
    one.deadline = performance.now() + 3000
    const outcome = declare(one)
    await pass(2999)
    expect(outcome.is).toBe('pending')
    await pass(1)
    expect(outcome.is).toBe('TimeoutError')
  })

  test('has all the time where it would be another queue each time', async () => {
    const { declare } = begin()
    const outcome = declare(part(), '')
    await pass(PATIENCE - 1)
    expect(outcome.is).toBe('pending')
    await pass(1)
    expect(outcome.is).toBe('TimeoutError')
  })
})

test('a request that cannot be encoded rejects, and keeps nothing waiting', async () => {
  const { requests, sent, declare } = begin()
  const outcome = declare(part(), 'x'.repeat(256))
  await pass(0)
  expect([outcome.is, sent.length, requests.all.length]).toEqual(['ArgumentError', 0, 0])
})
