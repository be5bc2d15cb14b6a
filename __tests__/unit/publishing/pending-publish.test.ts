/** Covers one publish that waits: settled once, its bytes for sending again, and its share of the budget. */
import { describe, expect, test } from '@jest/globals'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
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
    ['resolved', (entry: PendingPublish) => entry.resolve()],
    ['rejected', (entry: PendingPublish) => entry.reject(new Error('no'))],
  ])('takes up its part of the budget until it is %s', (_, settle) => {
    const budget = new PublishBudget(10, 1_000_000)
    const { entry } = pending(messageOf('x'), budget)
    expect(budget.pending).toEqual({ count: 0, bytes: 0 })
    const encoded = encodeMessage(new Writer(), 1, messageOf('x'), 4096, new EnvelopeCache())
    entry.hold(encoded)
    expect(budget.pending).toEqual({ count: 1, bytes: encoded.size })
    settle(entry)
    settle(entry)
    expect(budget.pending).toEqual({ count: 0, bytes: 0 })
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
    outbox.transport = {
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

describe('a route', () => {
  test('tells exchange and routing key apart', () => {
    expect(routeOf('ab', 'c')).not.toBe(routeOf('a', 'bc'))
    expect(routeOf('', '1:a')).not.toBe(routeOf('1:a', ''))
    expect(routeOf('1', '')).not.toBe(routeOf('', '1'))
  })
})
