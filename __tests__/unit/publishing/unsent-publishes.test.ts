/** Covers the line of publishes that wait: their order, who leaves it and how, and what becomes of their bytes. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError, NotFoundError } from '../../../src/errors.js'
import { EnvelopeCache } from '../../../src/publishing/message-envelope.js'
import { PendingPublish } from '../../../src/publishing/pending-publish.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'
import { UnsentPublishes } from '../../../src/publishing/unsent-publishes.js'
import { type MessageParts, messageOf } from '../../support/wire/messages.js'

function begin() {
  const unsent = new UnsentPublishes(1, new EnvelopeCache())
  const budget = new PublishBudget(1e6, 1e12)
  /** What became of those that are settled, by their tickets. */
  const outcomes = new Map<number, unknown>()
  const add = (ticket: number, parts: MessageParts = {}): PendingPublish => {
    const message = messageOf(parts.body ?? 'x', parts)
    const resolve = (): unknown => outcomes.set(ticket, 'resolved')
    const publish = new PendingPublish(ticket, message, budget, resolve, error => outcomes.set(ticket, error))
    unsent.add(publish, message)
    return publish
  }
  const tickets = (): number[] => {
    const found: number[] = []
    for (let one = unsent.peek(); one !== undefined; one = one.next) found.push(one.ticket)
    expect(unsent.length).toBe(found.length)
    return found
  }
  return { unsent, outcomes, add, tickets }
}

/** Takes the first ones out, as they are written. */
function write(unsent: UnsentPublishes, count: number): PendingPublish[] {
  return Array.from({ length: count }, () => unsent.shift()).filter(publish => publish !== undefined)
}

describe('what was in flight', () => {
  test('comes back to its place by its ticket, whatever waits by now', () => {
    const { unsent, add, tickets } = begin()
    for (const ticket of [1, 3, 4]) add(ticket)
    const [one, three, four] = write(unsent, 3)
    for (const ticket of [2, 5, 7]) add(ticket)
    const [two] = write(unsent, 1)
    add(9)
    expect(tickets()).toEqual([5, 7, 9])
    const inFlight = [one, three, four].filter(publish => publish !== undefined)
    expect(unsent.putBack(inFlight)).toBe(3)
    expect(tickets()).toEqual([1, 3, 4, 5, 7, 9])
    // Of another channel.
    expect(unsent.putBack(two === undefined ? [] : [two])).toBe(1)
    expect(tickets()).toEqual([1, 2, 3, 4, 5, 7, 9])
  })

  test('comes back to the end, and where nothing waits', () => {
    const { unsent, add, tickets } = begin()
    for (const ticket of [1, 2, 3]) add(ticket)
    const [first, ...rest] = write(unsent, 3)
    if (first !== undefined) unsent.putBack([first])
    expect(tickets()).toEqual([1])
    unsent.putBack(rest)
    expect(tickets()).toEqual([1, 2, 3])
  })

  test('does not come back where it is settled', () => {
    const { unsent, add, tickets } = begin()
    for (const ticket of [1, 2, 3]) add(ticket)
    const inFlight = write(unsent, 3)
    inFlight[1]?.resolve()
    expect(unsent.putBack(inFlight)).toBe(2)
    expect(tickets()).toEqual([1, 3])
  })
})

describe('all to an exchange', () => {
  test('are rejected up to a ticket, each with its own context', () => {
    const { unsent, outcomes, add, tickets } = begin()
    for (const ticket of [1, 2, 3, 4, 5]) add(ticket, { exchange: ticket % 2 > 0 ? 'gone' : 'other' })
    unsent.rejectAll('gone', 3, new NotFoundError('no exchange', { replyCode: 404 }))
    expect(tickets()).toEqual([2, 4, 5])
    expect([...outcomes.keys()]).toEqual([1, 3])
    for (const [ticket, error] of outcomes) {
      expect(error).toMatchObject({
        constructor: NotFoundError,
        message: 'basicPublish: no exchange',
        operation: 'basicPublish',
        ticket,
        replyCode: 404,
      })
    }
  })

  test('are rejected also where they are all that waits', () => {
    const { unsent, outcomes, add, tickets } = begin()
    for (const ticket of [1, 2]) add(ticket)
    unsent.rejectAll('e', 2, new NotFoundError('no exchange'))
    expect(tickets()).toEqual([])
    expect(outcomes.size).toBe(2)
  })
})

describe('one that is removed', () => {
  test('leaves the line, and is not settled by that', () => {
    const { unsent, outcomes, add, tickets } = begin()
    const [, two] = [1, 2, 3].map(ticket => add(ticket))
    expect(two !== undefined && unsent.remove(two)).toBe(true)
    expect(two !== undefined && unsent.remove(two)).toBe(false)
    expect(tickets()).toEqual([1, 3])
    expect(outcomes.size).toBe(0)
  })

  test('makes the rest compact, where it is one of more than 10,000', () => {
    const { unsent, add } = begin()
    const publishes = Array.from({ length: 10_004 }, (_, at) => add(at))
    const compacted: number[] = []
    const kept = publishes.filter((_, at) => at % 5000 === 0)
    for (const publish of kept) {
      publish.compact = () => {
        compacted.push(publish.ticket)
        PendingPublish.prototype.compact.call(publish)
      }
    }
    const removed = publishes.filter(publish => !kept.includes(publish))
    for (const publish of removed) unsent.remove(publish)
    // 10,001 are gone, and three are left: not yet.
    expect(compacted).toEqual([])
    const more = Array.from({ length: 10 }, (_, at) => add(20_000 + at))
    for (const publish of more) unsent.remove(publish)
    expect(compacted).toEqual([0, 5000, 10_000])
  })
})

describe('a connection with a lower limit on frames', () => {
  test('has what does not fit it rejected, and the rest stay in order', () => {
    const { unsent, outcomes, add, tickets } = begin()
    unsent.frameMax = 131_072
    add(1, { body: Buffer.alloc(100_000) })
    add(2, { headers: { wide: 'x'.repeat(5000) } })
    add(3, { headers: { narrow: 'x' } })
    add(4, { headers: { wide: 'x'.repeat(5000) } })
    unsent.reframe(4096)
    expect(tickets()).toEqual([1, 3])
    expect([...outcomes.keys()]).toEqual([2, 4])
    for (const [ticket, error] of outcomes) {
      expect(error).toMatchObject({ constructor: ArgumentError, operation: 'basicPublish', ticket })
    }
  })
})
