/** Covers the publishes that wait for a part of the topology: which these are, and how they leave. */
import { describe, expect, test } from '@jest/globals'
import { HeldPublishes } from '../../../src/publishing/held-publishes.js'
import { EnvelopeCache } from '../../../src/publishing/message-envelope.js'
import { PendingPublish } from '../../../src/publishing/pending-publish.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'
import { UnsentPublishes } from '../../../src/publishing/unsent-publishes.js'
import { type MessageParts, messageOf } from '../../support/wire/messages.js'

function pending(parts: MessageParts, ticket = 1): PendingPublish {
  const message = messageOf(parts.body ?? 'body', parts)
  const budget = new PublishBudget(1e6, 1e12)
  const publish = new PendingPublish(
    ticket,
    message,
    budget,
    () => {},
    () => {},
  )
  new UnsentPublishes(1, new EnvelopeCache()).add(publish, message)
  return publish
}

function missingHere(): HeldPublishes {
  const held = new HeldPublishes()
  held.missing = { queues: ['gone'], exchanges: new Set(['lost']) }
  return held
}

describe('a publish waits for what is missing', () => {
  test.each<[string, MessageParts]>([
    ['by the name of a queue', { exchange: '', routingKey: 'gone' }],
    ['by CC', { exchange: '', routingKey: 'q', headers: { CC: ['a', 'gone'] } }],
    ['by BCC', { exchange: '', routingKey: 'q', headers: { BCC: ['gone'] } }],
    ['by its exchange', { exchange: 'lost', routingKey: 'any' }],
    ['however large its body is', { exchange: '', routingKey: 'gone', body: 'x'.repeat(100_000) }],
  ])('if it is meant for that %s', (_, parts) => {
    expect(missingHere().keep(pending(parts))).toBe(true)
  })

  test.each<[string, MessageParts]>([
    ['to another queue', { exchange: '', routingKey: 'q' }],
    ['to another exchange, by a routing key of that name', { exchange: 'there', routingKey: 'gone' }],
    ['with that name in the body', { exchange: '', routingKey: 'q', body: 'gone' }],
  ])('and not if it goes %s', (_, parts) => {
    expect(missingHere().keep(pending(parts))).toBe(false)
  })

  test('and none does where nothing is missing', () => {
    expect(new HeldPublishes().keep(pending({ exchange: '', routingKey: 'gone' }))).toBe(false)
  })
})

test('those that wait leave in their order, once, but for those that were abandoned', () => {
  const held = missingHere()
  const [one, two, three] = [1, 2, 3].map(ticket => pending({ exchange: 'lost', routingKey: '' }, ticket))
  for (const publish of [one, two, three]) held.keep(publish as PendingPublish)
  expect(held.remove(two as PendingPublish)).toBe(true)
  expect(held.remove(two as PendingPublish)).toBe(false)
  expect(held.take().map(({ ticket }) => ticket)).toEqual([1, 3])
  expect(held.take()).toEqual([])
})
