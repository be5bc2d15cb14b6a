/** Covers one publish that waits: settled once, its bytes for sending again, and its share of the budget. */
import { describe, expect, test } from '@jest/globals'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { encodeMessage } from '../../../src/publishing/message-encoder.js'
import { EnvelopeCache, type OutgoingMessage } from '../../../src/publishing/message-envelope.js'
import { PendingPublish, routeOf } from '../../../src/publishing/pending-publish.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'
import { Writer } from '../../../src/wire/writer.js'
import { framesOf, messageOf } from '../../support/wire/messages.js'

/** What a publish takes up beside its bytes; its watch, where it has one; and each piece of its body. */
const [OVERHEAD, WATCH_OVERHEAD, PIECE_OVERHEAD] = [700, 600, 200]

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
    entry.watch(() => stopped++)
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
    expect(budget.pending).toEqual({ count: 1, bytes: encoded.size + OVERHEAD })
    entry.watch(() => undefined)
    expect(budget.pending).toEqual({ count: 1, bytes: encoded.size + OVERHEAD + WATCH_OVERHEAD })
    settle(entry)
    settle(entry)
    expect(budget.pending).toEqual({ count: 0, bytes: 0 })
  })

  test('takes up more of the budget for each piece of a body that is not copied', () => {
    const budget = new PublishBudget(10, 1_000_000)
    const message = messageOf(Buffer.alloc(50_000))
    const { entry } = pending(message, budget)
    const encoded = encodeMessage(new Writer(), 1, message, 4096, new EnvelopeCache())
    entry.hold(encoded)
    const pieces = encoded.pieces?.length ?? 0
    expect(pieces).toBeGreaterThan(1)
    expect(budget.pending.bytes).toBe(encoded.size + OVERHEAD + pieces * PIECE_OVERHEAD)
    entry.resolve()
    expect(budget.pending).toEqual({ count: 0, bytes: 0 })
  })

  test('that is settled already is not watched', () => {
    const budget = new PublishBudget(10, 1_000_000)
    const { entry } = pending(messageOf('x'), budget)
    entry.hold(encodeMessage(new Writer(), 1, messageOf('x'), 4096, new EnvelopeCache()))
    entry.resolve()
    let stopped = 0
    entry.watch(() => stopped++)
    expect(stopped).toBe(1)
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
    entry.writeTo(outbox, 1)
    entry.writeTo(outbox, 1)
    outbox.flush()
    expect(Buffer.concat(sent).equals(Buffer.concat([expected, expected]))).toBe(true)
    sent.length = 0
    entry.resolve()
    entry.writeTo(outbox, 1)
    outbox.flush()
    expect(sent).toEqual([])
    outbox.close()
  })
})

/** A publish that holds its bytes in a slab between those of others. */
function inSlab(body: Buffer, budget?: PublishBudget) {
  const writer = new Writer()
  writer.bytes(Buffer.alloc(100, 1))
  writer.commit()
  const message = messageOf(body)
  const encoded = encodeMessage(writer, 1, message, 4096, new EnvelopeCache())
  writer.commit()
  const { entry } = pending(message, budget)
  entry.hold(encoded)
  return {
    entry,
    encoded,
    whole: Buffer.concat(encoded.pieces ?? [encoded.slab.subarray(encoded.from, encoded.to)]),
  }
}

/** What a publish writes for a channel. */
function written(entry: PendingPublish, channel: number): Buffer {
  const sent: Uint8Array[] = []
  const outbox = new Outbox(4096, new Metrics())
  outbox.transport = { write: pieces => sent.push(...pieces) > 0 }
  entry.writeTo(outbox, channel)
  outbox.flush()
  outbox.close()
  return Buffer.concat(sent)
}

describe('a pending publish for another channel', () => {
  test.each([100, 50_000])('has its number in each frame (%i bytes)', size => {
    const { entry, whole } = inSlab(Buffer.alloc(size, 'x'))
    const expected = framesOf(whole).map(frame => ({ ...frame, channel: 9 }))
    expect(framesOf(written(entry, 9))).toEqual(expected)
    expect(written(entry, 1).equals(whole)).toBe(true)
  })
})

describe('a pending publish that is compacted', () => {
  test('has bytes of its own, and takes up as much of the budget as before', () => {
    const budget = new PublishBudget(10, 1_000_000)
    const { entry, encoded, whole } = inSlab(Buffer.alloc(100, 'x'), budget)
    const { bytes } = budget.pending
    entry.compact()
    encoded.slab.fill(0)
    entry.compact()
    expect(written(entry, 1).equals(whole)).toBe(true)
    expect(framesOf(written(entry, 3)).map(({ channel }) => channel)).toEqual([3, 3, 3])
    expect(budget.pending.bytes).toBe(bytes)
    entry.resolve()
    expect(budget.pending).toEqual({ count: 0, bytes: 0 })
  })

  test('stays as it is where its body is not in the slab', () => {
    const { entry, whole } = inSlab(Buffer.alloc(50_000, 'x'))
    entry.compact()
    expect(written(entry, 1).equals(whole)).toBe(true)
  })

  test('is nothing where it is settled', () => {
    const { entry } = inSlab(Buffer.alloc(10))
    entry.resolve()
    entry.compact()
    expect(entry.settled).toBe(true)
    expect(written(entry, 1)).toHaveLength(0)
  })
})

describe('a route', () => {
  test('tells exchange and routing key apart', () => {
    expect(routeOf('ab', 'c')).not.toBe(routeOf('a', 'bc'))
    expect(routeOf('', '1:a')).not.toBe(routeOf('1:a', ''))
    expect(routeOf('1', '')).not.toBe(routeOf('', '1'))
  })
})
