/** Covers what an error of the broker means beyond its class. */
import { describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  ArgumentError,
  AuthenticationError,
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionForcedError,
  NotAllowedError,
  NotFoundError,
  ProtocolError,
  ResourceLockedError,
} from '../../src/errors.js'
import { isConnectionFault, isLocked, isRefusal, isUnavailable } from '../../src/reply-codes.js'

const lost = new ConnectionBrokenError('the broker hung up')

describe('the end of a connection', () => {
  test('is a fault of what was sent from code 501 on', () => {
    expect(isConnectionFault(new CommandInvalidError('unknown type', { replyCode: 503 }))).toBe(true)
    expect(isConnectionFault(new ConnectionForcedError('shutdown', { replyCode: 320 }))).toBe(false)
    expect(isConnectionFault(lost)).toBe(false)
  })
})

describe('a queue', () => {
  test('is locked where another connection has it exclusively', () => {
    const inUse = new AccessRefusedError("queue 'q' in vhost '/' in exclusive use")
    expect([new ResourceLockedError('locked'), inUse].map(isLocked)).toEqual([true, true])
    expect(
      [new AccessRefusedError('no permission'), new NotFoundError('no queue'), lost].map(isLocked),
    ).toEqual([false, false, false])
  })

  test('is unavailable where it exists on a node that is down', () => {
    const down = new NotFoundError(
      "home node 'rabbit@b' of durable queue 'q' in vhost '/' is down or inaccessible",
    )
    expect(isUnavailable(down)).toBe(true)
    expect(isUnavailable(new NotFoundError("no queue 'q' in vhost '/'"))).toBe(false)
  })
})

describe('a refusal', () => {
  const refusals = [new AuthenticationError('a'), new NotAllowedError('b'), new ProtocolError('c')]
  const byAll = (errors: Error[]) =>
    new ConnectionBrokenError('no host', { cause: new AggregateError(errors) })

  test('is what repeating cannot cure', () => {
    expect(refusals.map(isRefusal)).toEqual([true, true, true])
    expect([lost, new ArgumentError('x'), new Error('y'), undefined].map(isRefusal)).not.toContain(true)
  })

  test('is also what the client does not even ask for, since the server would not take it', () => {
    expect(isRefusal(new ArgumentError('too large', { operation: 'connect' }))).toBe(true)
  })

  test('is none where nobody has said anything: it may be a proxy whose brokers are down', () => {
    expect(isRefusal(new ProtocolError('silent', { cause: lost }))).toBe(false)
  })

  test('of several hosts is one where each of them refused', () => {
    expect(isRefusal(byAll(refusals))).toBe(true)
    expect(isRefusal(byAll([...refusals, lost]))).toBe(false)
  })
})
