/** Covers how an error is told to its operation: what the end of a connection means for it, and whom it is about. */
import { describe, expect, test } from '@jest/globals'
import {
  ArgumentError,
  ConnectionBrokenError,
  ConnectionClosedError,
  InternalError,
  NotFoundError,
} from '../../src/errors.js'
import {
  connectionLost,
  timedOut,
  withContext,
  withOperation,
  withoutStack,
} from '../../src/operation-errors.js'

describe('the loss of a connection', () => {
  test('is ConnectionClosedError where the client was closed', () => {
    const reason = new ConnectionClosedError('the client was closed')
    expect(connectionLost(reason, { operation: 'queueBind', ticket: 3 })).toMatchObject({
      constructor: ConnectionClosedError,
      message: 'queueBind: the client was closed',
      operation: 'queueBind',
      ticket: 3,
      cause: reason,
    })
  })

  test('is ConnectionBrokenError otherwise, with the deepest cause that is known', () => {
    const socket = new Error('ECONNRESET')
    const broken = new ConnectionBrokenError('read ECONNRESET', { cause: socket })
    expect(connectionLost(broken, {})).toMatchObject({
      constructor: ConnectionBrokenError,
      message: 'the connection was lost: read ECONNRESET',
      cause: socket,
    })
    const silent = new ConnectionBrokenError('nothing came')
    expect(connectionLost(silent, {}).cause).toBe(silent)
  })
})

describe('what the end of a connection ends', () => {
  const failed = new InternalError('INTERNAL_ERROR (541)', { replyCode: 541, classId: 0, methodId: 0 })

  test("carries the broker's reply code, and is of the class of a broken connection all the same", () => {
    expect(connectionLost(failed, { operation: 'basicGet' })).toMatchObject({
      constructor: ConnectionBrokenError,
      replyCode: 541,
      classId: 0,
      methodId: 0,
      cause: failed,
    })
  })

  test('carries it where another connection was the first to end', () => {
    const other = new ConnectionBrokenError('the connection for publishing was lost', { cause: failed })
    expect(connectionLost(other, {})).toMatchObject({ replyCode: 541, cause: failed })
  })

  test('carries none where the broker gave none', () => {
    expect(connectionLost(new ConnectionBrokenError('it hung up'), {}).replyCode).toBeUndefined()
    const closed = new ConnectionClosedError('closed', { replyCode: 200 })
    expect(connectionLost(closed, {}).replyCode).toBeUndefined()
  })
})

describe('an error that is told whom it is about', () => {
  test('keeps its class, codes and cause', () => {
    const cause = new Error('behind it')
    const error = new NotFoundError('no queue (404)', { replyCode: 404, classId: 50, methodId: 10, cause })
    expect(withContext(error, { operation: 'queueDeclare', ticket: 9 })).toMatchObject({
      constructor: NotFoundError,
      message: 'queueDeclare: no queue (404)',
      replyCode: 404,
      classId: 50,
      methodId: 10,
      operation: 'queueDeclare',
      ticket: 9,
      cause,
    })
  })
})

describe('an error that arose where the operation was not known', () => {
  test('gets its name, where it is ours and has none', () => {
    const context = { operation: 'queueBind', ticket: 7 }
    expect(withOperation(new ArgumentError('too long'), context)).toMatchObject({
      constructor: ArgumentError,
      message: 'queueBind: too long',
      ...context,
    })
    const named = new ArgumentError('too long', { operation: 'queueDeclare' })
    const foreign = new RangeError('not ours')
    expect(withOperation(named, context)).toBe(named)
    expect(withOperation(foreign, context)).toBe(foreign)
  })
})

describe('an error about what came from the network or a timer', () => {
  const context = { operation: 'queueBind', ticket: 7 }

  test.each([
    ['a timeout', () => timedOut('queueBind', 10, context)],
    ['a lost connection', () => connectionLost(new ConnectionBrokenError('gone'), context)],
    ['a closed client', () => connectionLost(new ConnectionClosedError('closed'), context)],
    ['an error of the broker', () => withContext(new NotFoundError('no queue'), context)],
  ])('has no stack frames: %s', (_, make) => {
    const error = make()
    expect(error.stack).toBe(`${error.name}: ${error.message}`)
    expect(error).toMatchObject(context)
  })

  test('leaves the limit on stack frames as it was', () => {
    const limit = Error.stackTraceLimit
    try {
      Error.stackTraceLimit = 7
      withoutStack(() => new Error('made'))
      expect(Error.stackTraceLimit).toBe(7)
      const failure = new RangeError('not made')
      const make = (): Error => {
        expect(Error.stackTraceLimit).toBe(0)
        throw failure
      }
      expect(() => withoutStack(make)).toThrow(failure)
      expect(Error.stackTraceLimit).toBe(7)
      expect(new Error('later').stack).toContain('operation-errors.test')
    } finally {
      Error.stackTraceLimit = limit
    }
  })

  test('are made all the same where the limit on stacks is read-only', () => {
    const before = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')
    Object.defineProperty(Error, 'stackTraceLimit', { value: 3, writable: false, configurable: true })
    try {
      expect(connectionLost(new ConnectionClosedError('closed'), {})).toBeInstanceOf(ConnectionClosedError)
      expect(Error.stackTraceLimit).toBe(3)
    } finally {
      if (before !== undefined) Object.defineProperty(Error, 'stackTraceLimit', before)
    }
  })
})
