/** Covers one publish that waits: settled once, its bytes for sending again, and the budget of all. */
import { describe, expect, test } from '@jest/globals'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { ResourceError } from '../../../src/errors.js'
import { encodeMessage } from '../../../src/publishing/message-encoder.js'
import { EnvelopeCache, type OutgoingMessage } from '../../../src/publishing/message-envelope.js'
import { PendingPublish, routeOf } from '../../../src/publishing/pending-publish.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'
import { Writer } from '../../../src/wire/writer.js'
import { messageOf } from '../../support/wire/messages.js'

function pending(message: OutgoingMessage, budget = new PublishBudget(10, 1_000_000)) {
  const outcomes: unknown[] = []
  const entry = new PendingPublish(
    7,
    message,
    undefined,
    budget,
    () => outcomes.push('resolved'),
    reason => outcomes.push(reason),
  )
  return { entry, outcomes }
}

describe('a pending publish', () => {
  test('knows who it is, and where it goes if it is mandatory', () => {
    expect(pending(messageOf('x')).entry).toMatchObject({ ticket: 7, exchange: 'e', route: undefined })
    expect(pending(messageOf('x')).entry.context).toEqual({ operation: 'basicPublish', ticket: 7 })
    expect(pending(messageOf('x', { mandatory: true })).entry.route).toBe(routeOf('e', 'k'))
  })

  test('is settled once', () => {
    const { entry, outcomes } = pending(messageOf('x'))
    entry.hold(encodeMessage(new Writer(), 1, messageOf('x'), 4096, new EnvelopeCache()))
    let stopped = 0
    entry.stopWatching = () => stopped++
    expect(entry.settled).toBe(false)
    entry.resolve()
    entry.reject(new Error('late'))
    entry.resolve()
    expect(entry.settled).toBe(true)
    expect(outcomes).toEqual(['resolved'])
    expect(stopped).toBe(1)
  })

  test.each([
    ['a small body', 100],
    ['a large body', 50_000],
  ])('can be written again and again, with %s', (_, size) => {
    const message = messageOf(Buffer.alloc(size, 'x'))
    const { entry } = pending(message)
    const writer = new Writer()
    const encoded = encodeMessage(writer, 1, message, 4096, new EnvelopeCache())
    const expected = Buffer.concat(encoded.pieces ?? [encoded.slab.subarray(encoded.from, encoded.to)])
    writer.commit()
    entry.hold(encoded)
    const sent: Buffer[] = []
    const outbox = new Outbox(4096, new Metrics())
    outbox.writable = {
      write: pieces => {
        sent.push(Buffer.concat(pieces))
        return true
      },
    }
    entry.writeTo(outbox)
    entry.writeTo(outbox)
    outbox.flush()
    expect(Buffer.concat(sent).equals(Buffer.concat([expected, expected]))).toBe(true)
    sent.length = 0
    entry.resolve()
    entry.writeTo(outbox)
    outbox.flush()
    expect(sent).toEqual([])
    outbox.close()
  })
})

describe('the budget of publishes', () => {
  test('bounds their number, and has room again when one is settled', () => {
    const budget = new PublishBudget(2, 1_000_000)
    const entries = ['a', 'b'].map(body => {
      budget.check()
      const { entry } = pending(messageOf(body), budget)
      entry.hold(encodeMessage(new Writer(), 1, messageOf(body), 4096, new EnvelopeCache()))
      return entry
    })
    expect(() => budget.check()).toThrow(ResourceError)
    entries[0]?.reject(new Error('no'))
    expect(() => budget.check()).not.toThrow()
  })

  test('bounds their bytes', () => {
    const budget = new PublishBudget(10, 100)
    budget.add(99)
    expect(() => budget.check()).not.toThrow()
    budget.add(1)
    expect(() => budget.check()).toThrow(
      '100 bytes of publishes are pending already (maxPendingPublishBytes)',
    )
    budget.remove(1)
    expect(() => budget.check()).not.toThrow()
  })

  test('tells when none is pending', async () => {
    const budget = new PublishBudget(10, 100)
    await budget.empty()
    budget.add(1)
    budget.add(1)
    let empty = false
    const waiting = Promise.all([budget.empty(), budget.empty()]).then(() => {
      empty = true
    })
    budget.remove(1)
    await Promise.resolve()
    expect(empty).toBe(false)
    budget.remove(1)
    await waiting
  })
})

describe('a route', () => {
  test('tells exchange and routing key apart', () => {
    expect(routeOf('ab', 'c')).not.toBe(routeOf('a', 'bc'))
    expect(routeOf('', '1:a')).not.toBe(routeOf('1:a', ''))
    expect(routeOf('1', '')).not.toBe(routeOf('', '1'))
  })
})
