/** Covers whom the end of a connection is blamed on: who is a suspect, who is tried again, and who is given up. */
import { describe, expect, test } from '@jest/globals'
import { methods } from '../../../src/codec/methods.gen.js'
import { type AmqpError, ConnectionBrokenError, InternalError } from '../../../src/errors.js'
import { ConnectionSuspects } from '../../../src/publishing/connection-suspects.js'
import { encodeMessage } from '../../../src/publishing/message-encoder.js'
import { EnvelopeCache } from '../../../src/publishing/message-envelope.js'
import { PendingPublish } from '../../../src/publishing/pending-publish.js'
import { PublishBudget } from '../../../src/publishing/publish-budget.js'
import { PublishRisks, SUSPICION } from '../../../src/publishing/publish-risk.js'
import { Writer } from '../../../src/wire/writer.js'
import { messageOf } from '../../support/wire/messages.js'

/** An error that ends the connection, about a method or none. */
function fault(about?: keyof typeof methods, replyCode = 541): AmqpError {
  const id = about === undefined ? 0 : methods[about].id
  return new InternalError('no', { replyCode, classId: id >>> 16, methodId: id & 0xffff })
}

function begin(count: number) {
  const outcomes: unknown[] = []
  const message = messageOf('x', { exchange: '' })
  const publishes = Array.from({ length: count }, (_, at) => {
    const keep = (outcome?: unknown): unknown => outcomes.push(outcome)
    const publish = new PendingPublish(at + 1, message, new PublishBudget(10, 1e6), keep, keep)
    publish.hold(encodeMessage(new Writer(), 1, message, 4096, new EnvelopeCache()))
    return publish
  })
  const suspects = new ConnectionSuspects()
  const risks = new PublishRisks()
  /** The connection ends with these in flight, and the next one comes. */
  const end = (inFlight: PendingPublish[], reason: AmqpError): void => {
    suspects.add(inFlight, reason)
    suspects.judge(risks)
  }
  const risksOf = () => publishes.map(publish => risks.riskOf(publish))
  return { suspects, risks, publishes, outcomes, end, risksOf }
}

describe('the suspects of an ended connection', () => {
  test.each([undefined, 'basic.publish'] as const)('are tried on the next one (about: %p)', about => {
    const { publishes, outcomes, risks, end, risksOf } = begin(3)
    end(publishes.slice(0, 2), fault(about))
    expect(risksOf()).toEqual([SUSPICION, SUSPICION, undefined])
    expect(risks.endsConnection).toBe(true)
    expect(outcomes).toEqual([])
  })

  test.each([
    ['it names another method', fault('queue.declare')],
    ['it was no error', fault(undefined, 320)],
    ['the broker said nothing', new ConnectionBrokenError('gone')],
  ])('are none where %s', (_, reason) => {
    const { publishes, outcomes, end, risksOf } = begin(2)
    for (let time = 0; time < 3; time++) end(publishes, reason)
    expect(risksOf()).toEqual([undefined, undefined])
    expect(publishes.map(({ connectionFaults }) => connectionFaults)).toEqual([0, 0])
    expect(outcomes).toEqual([])
  })

  test('are those of all its channels', () => {
    const { suspects, risks, publishes, outcomes, risksOf } = begin(2)
    for (const publish of publishes) publish.connectionFaults = 1
    for (const publish of publishes) suspects.add([publish], fault('basic.publish'))
    expect(risksOf()).toEqual([undefined, undefined])
    suspects.judge(risks)
    expect(risksOf()).toEqual([SUSPICION, SUSPICION])
    expect(outcomes).toEqual([])
  })
})

describe('the only suspect', () => {
  test('is given up the second time, with the error of the broker', () => {
    const { publishes, outcomes, end, risksOf } = begin(1)
    end(publishes, fault('basic.publish'))
    expect([outcomes, risksOf()]).toEqual([[], [SUSPICION]])
    end(publishes, fault('basic.publish'))
    expect(outcomes).toMatchObject([
      {
        constructor: InternalError,
        message: 'basicPublish: no',
        operation: 'basicPublish',
        ticket: 1,
        replyCode: 541,
      },
    ])
  })

  test('is given up at once where it was one of many before', () => {
    const { publishes, outcomes, end } = begin(3)
    end(publishes, fault('basic.publish'))
    end(publishes.slice(0, 2), fault('basic.publish'))
    expect(outcomes).toEqual([])
    end(publishes.slice(1, 2), fault('basic.publish'))
    expect(outcomes).toMatchObject([{ ticket: 2 }])
  })

  test('is judged once for each connection', () => {
    const { suspects, risks, publishes, outcomes, end } = begin(1)
    end(publishes, fault('basic.publish'))
    for (let time = 0; time < 3; time++) suspects.judge(risks)
    expect(outcomes).toEqual([])
    expect(publishes[0]?.connectionFaults).toBe(1)
  })
})
