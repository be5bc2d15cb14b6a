/** Covers the tree of errors: classes, stable codes, context, the mapping from reply codes, and what an error may hold. */
import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import * as constants from '../../src/constants.gen.js'
import * as errors from '../../src/errors.js'
import { AmqpError, NoRouteError, ProtocolError } from '../../src/errors.js'
import { type AmqpErrorClass, errorFromReply } from '../../src/reply-errors.js'

/** Programs compare with these: none may ever change. */
const codes: Record<string, string> = {
  ContentTooLargeError: 'CONTENT_TOO_LARGE',
  NoRouteError: 'NO_ROUTE',
  NoConsumersError: 'NO_CONSUMERS',
  AccessRefusedError: 'ACCESS_REFUSED',
  NotFoundError: 'NOT_FOUND',
  ResourceLockedError: 'RESOURCE_LOCKED',
  PreconditionFailedError: 'PRECONDITION_FAILED',
  NackedError: 'NACKED',
  ConnectionForcedError: 'CONNECTION_FORCED',
  InvalidPathError: 'INVALID_PATH',
  FrameError: 'FRAME_ERROR',
  AmqpSyntaxError: 'SYNTAX_ERROR',
  CommandInvalidError: 'COMMAND_INVALID',
  ChannelError: 'CHANNEL_ERROR',
  UnexpectedFrameError: 'UNEXPECTED_FRAME',
  ResourceError: 'RESOURCE_ERROR',
  NotAllowedError: 'NOT_ALLOWED',
  NotImplementedError: 'NOT_IMPLEMENTED',
  InternalError: 'INTERNAL_ERROR',
  ConnectionBrokenError: 'CONNECTION_BROKEN',
  ConnectionClosedError: 'CONNECTION_CLOSED',
  AuthenticationError: 'AUTHENTICATION',
  TimeoutError: 'TIMEOUT',
  ConsumerCancelledError: 'CONSUMER_CANCELLED',
  AlreadySettledError: 'ALREADY_SETTLED',
  ArgumentError: 'ARGUMENT',
  ProtocolError: 'PROTOCOL',
}

const byReplyCode: [number, string][] = [
  [311, 'ContentTooLargeError'],
  [313, 'NoConsumersError'],
  [320, 'ConnectionForcedError'],
  [402, 'InvalidPathError'],
  [403, 'AccessRefusedError'],
  [404, 'NotFoundError'],
  [405, 'ResourceLockedError'],
  [406, 'PreconditionFailedError'],
  [501, 'FrameError'],
  [502, 'AmqpSyntaxError'],
  [503, 'CommandInvalidError'],
  [504, 'ChannelError'],
  [505, 'UnexpectedFrameError'],
  [506, 'ResourceError'],
  [530, 'NotAllowedError'],
  [540, 'NotImplementedError'],
  [541, 'InternalError'],
]

function classOf(name: string): AmqpErrorClass {
  return (errors as unknown as Record<string, AmqpErrorClass>)[name] as AmqpErrorClass
}

const context = { operation: 'queueDeclare', ticket: 7, replyCode: 404, classId: 50, methodId: 10 }

describe('the tree of errors', () => {
  test('has these classes, and no others', () => {
    const exported = Object.entries(errors as Record<string, unknown>)
      .filter(([name, value]) => typeof value === 'function' && /^[A-Z]/.test(name) && value !== AmqpError)
      .map(([name]) => name)
    expect(exported.toSorted()).toEqual(Object.keys(codes).toSorted())
  })

  test('has a code of its own for each class', () => {
    expect(new Set(Object.values(codes)).size).toBe(Object.keys(codes).length)
  })

  test.each(Object.entries(codes).filter(([name]) => name !== 'NoRouteError'))(
    '%s has the code %s',
    (name, code) => {
      const error = new (classOf(name))('what happened')
      expect(error).toBeInstanceOf(AmqpError)
      expect(error).toBeInstanceOf(Error)
      expect(error).toMatchObject({ name, code, message: 'what happened' })
      expect(error.constructor.name).toBe(name)
      expect(String(error)).toBe(`${name}: what happened`)
    },
  )

  test.each(Object.keys(codes).filter(name => name !== 'NoRouteError'))(
    '%s keeps its context and its cause',
    name => {
      const cause = new Error('behind it')
      expect(new (classOf(name))('text', { ...context, cause })).toMatchObject({ ...context, cause })
      const bare = new (classOf(name))('text')
      expect(bare).toMatchObject({ operation: undefined, ticket: undefined, replyCode: undefined })
      expect(Object.hasOwn(bare, 'cause')).toBe(false)
    },
  )

  test('carries the returned message in NoRouteError', () => {
    const returned = {
      exchange: 'e',
      routingKey: 'k',
      body: Buffer.from('x'),
      properties: {},
      headers: { a: 1 },
    }
    const error = new NoRouteError('text', returned, { ticket: 3, replyCode: 312 })
    expect(error).toMatchObject({
      name: 'NoRouteError',
      code: 'NO_ROUTE',
      ticket: 3,
      replyCode: 312,
      returned,
    })
  })
})

describe('the error for a reply code', () => {
  test.each(byReplyCode)('%i is %s', (replyCode, name) => {
    const error = errorFromReply(replyCode, 'REPLY_TEXT', {
      operation: 'queueBind',
      ticket: 2,
      classId: 50,
      methodId: 20,
    })
    expect(error.constructor).toBe(classOf(name))
    expect(error).toMatchObject({
      message: `queueBind: REPLY_TEXT (${replyCode})`,
      replyCode,
      operation: 'queueBind',
      ticket: 2,
      classId: 50,
      methodId: 20,
    })
  })

  test('is known for every code that AMQP has, but for those that close nothing', () => {
    const defined: number[] = Object.values(constants).filter(value => value > 200)
    const known = byReplyCode.map(([replyCode]) => replyCode)
    // 312 comes with basic.return only.
    expect(defined.filter(code => !known.includes(code))).toEqual([constants.NO_ROUTE])
    expect(known.filter(code => !defined.includes(code))).toEqual([])
  })

  test.each([0, 200, 299, 312, 999])('%i, which closes nothing in AMQP, is ProtocolError', replyCode => {
    const error = errorFromReply(replyCode, 'WHAT', {})
    expect(error.constructor).toBe(ProtocolError)
    expect(error).toMatchObject({ message: `WHAT (${replyCode})`, replyCode })
  })
})

describe('an error', () => {
  test('holds ids, codes and texts, and nothing else', () => {
    for (const [, name] of byReplyCode) {
      const error = new (classOf(name))('text', context)
      const own = Object.getOwnPropertyNames(error).filter(key => key !== 'stack')
      expect(own.toSorted()).toEqual(
        ['classId', 'code', 'message', 'methodId', 'name', 'operation', 'replyCode', 'ticket'].toSorted(),
      )
      for (const key of own) expect(['string', 'number']).toContain(typeof Reflect.get(error, key))
    }
  })

  test('shows its code, operation and ticket when it is printed', () => {
    const text = inspect(errorFromReply(404, "NOT_FOUND - no queue 'q'", context))
    expect(text).toContain("NotFoundError: queueDeclare: NOT_FOUND - no queue 'q' (404)")
    expect(text).toContain("code: 'NOT_FOUND'")
    expect(text).toContain("operation: 'queueDeclare'")
    expect(text).toContain('ticket: 7')
  })
})
