/** Covers what an error of the broker means beyond its class. */
import { describe, expect, test } from '@jest/globals'
import {
  AccessRefusedError,
  ArgumentError,
  AuthenticationError,
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionForcedError,
  ContentTooLargeError,
  InternalError,
  NotAllowedError,
  NotFoundError,
  PreconditionFailedError,
  ProtocolError,
  ResourceError,
  ResourceLockedError,
} from '../../src/errors.js'
import {
  isChannelLimit,
  isConnectionFault,
  isLocked,
  isRefusal,
  isRequestFault,
  isUnavailable,
  timeMayCure,
} from '../../src/reply-codes.js'

const lost = new ConnectionBrokenError('the broker hung up')

describe('the end of a connection', () => {
  test('is a fault of what was sent from code 501 on', () => {
    expect(isConnectionFault(new CommandInvalidError('unknown type', { replyCode: 503 }))).toBe(true)
    expect(isConnectionFault(new ConnectionForcedError('shutdown', { replyCode: 320 }))).toBe(false)
    expect(isConnectionFault(lost)).toBe(false)
  })
})

describe('a limit on channels', () => {
  const CHANNEL_OPEN = { classId: 20, methodId: 10 }

  test.each([
    ['names channel.open', 'NOT_ALLOWED - no', CHANNEL_OPEN, true],
    ['names the user', "number of channels opened for user 'u' has reached the maximum", {}, true],
    ['names the node', "number of channels opened on node 'rabbit@a' has reached the limit", {}, true],
    [
      'is about connections',
      "connection refused for user 'u': user connection limit (1) is reached",
      {},
      false,
    ],
    ['has it in a name', "vhost 'number of channels opened for ' not found", {}, false],
  ])('is known by what the broker says: it %s', (_, message, method, isLimit) => {
    const error = new NotAllowedError(message, { replyCode: 530, ...method })
    expect(isChannelLimit(error)).toBe(isLimit)
    expect(isRequestFault(error)).toBe(!isLimit)
  })

  test('has no other code', () => {
    expect(isChannelLimit(new InternalError('no', { replyCode: 541, ...CHANNEL_OPEN }))).toBe(false)
    expect(isRequestFault(lost)).toBe(false)
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

  test.each([
    "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor (404)",
    "NOT_FOUND - queue 'q' in vhost '/' has crashed and failed to restart (404)",
    "NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout (404)",
    "NOT_FOUND - failed to perform operation on queue 'q': its leader <1> may be stopping or being demoted (404)",
  ])('is unavailable where the broker says "%s"', text => {
    expect(isUnavailable(new NotFoundError(text))).toBe(true)
  })

  test('is unavailable where the replica of a stream has not started yet', () => {
    const text = "stream queue 's' in vhost '/' does not have a running replica on the local node (406)"
    expect(isUnavailable(new PreconditionFailedError(text))).toBe(true)
    expect(isUnavailable(new PreconditionFailedError("inequivalent arg 'have a running' (406)"))).toBe(false)
  })

  test.each(['home node', 'it is down', "it's is down"])('is not unavailable for its name: %s', name => {
    expect(isUnavailable(new NotFoundError(`NOT_FOUND - no queue '${name}' in vhost '/' (404)`))).toBe(false)
  })
})

describe('time', () => {
  test.each([
    new ResourceLockedError('RESOURCE_LOCKED (405)'),
    new NotFoundError("NOT_FOUND - home node 'b' of durable queue 'q' is down or inaccessible (404)"),
    new InternalError('INTERNAL_ERROR (541)'),
    new ResourceError("RESOURCE_ERROR - Stream coordinator unavailable for queue 's' (506)"),
    new ConnectionForcedError('CONNECTION_FORCED - broker forced connection closure (320)'),
  ])('may cure %s', error => {
    expect(timeMayCure(error)).toBe(true)
  })

  test.each([
    new NotFoundError("NOT_FOUND - no queue 'q' in vhost '/' (404)"),
    new NotFoundError("NOT_FOUND - no exchange 'e' in vhost '/' (404)"),
    new AccessRefusedError("ACCESS_REFUSED - access to queue 'q' refused for user 'u' (403)"),
    new PreconditionFailedError('PRECONDITION_FAILED - inequivalent arg (406)'),
    new ContentTooLargeError('CONTENT_TOO_LARGE (311)'),
    new InternalError("INTERNAL_ERROR - Feature 'x' is deprecated and not permitted (541)"),
    new NotAllowedError('NOT_ALLOWED (530)'),
    new CommandInvalidError('COMMAND_INVALID (503)'),
    new Error('a bug'),
    undefined,
  ])('does not cure %s', error => {
    expect(timeMayCure(error)).toBe(false)
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
