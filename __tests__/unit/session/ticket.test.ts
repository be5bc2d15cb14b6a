/** Covers tickets: settled once, by whatever comes first; and what the end of a connection is called for each. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import {
  ArgumentError,
  ConnectionBrokenError,
  ConnectionClosedError,
  NotFoundError,
  TimeoutError,
} from '../../../src/errors.js'
import {
  checkOptions,
  lossOf,
  type Ticket,
  TicketCounter,
  TicketRegistry,
  withContext,
} from '../../../src/session/ticket.js'

describe('a ticket', () => {
  beforeEach(() => {
    jest.useFakeTimers()
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  const open = (options = {}): { registry: TicketRegistry; ticket: Ticket<string> } => {
    const registry = new TicketRegistry(new TicketCounter())
    return { registry, ticket: registry.open<string>('queueDeclare', options) }
  }

  test('has the next number of its client, and says who it is', () => {
    const counter = new TicketCounter()
    counter.next()
    const ticket = new TicketRegistry(counter).open('queueBind', {})
    expect(ticket).toMatchObject({ id: 2, operation: 'queueBind', settled: false })
    expect(ticket.context).toEqual({ operation: 'queueBind', ticket: 2 })
    expect(counter.next()).toBe(3)
  })

  test('is settled by its outcome, once', async () => {
    const { registry, ticket } = open({ timeout: 1000 })
    expect(registry.size).toBe(1)
    ticket.resolve('first')
    ticket.resolve('second')
    ticket.reject(new Error('third'))
    jest.advanceTimersByTime(2000)
    expect(await ticket.promise).toBe('first')
    expect(ticket.settled).toBe(true)
    expect(registry.size).toBe(0)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is settled by its timeout', async () => {
    const { ticket } = open({ timeout: 1000 })
    jest.advanceTimersByTime(999)
    expect(ticket.settled).toBe(false)
    jest.advanceTimersByTime(1)
    ticket.resolve('too late')
    await expect(ticket.promise).rejects.toMatchObject({
      constructor: TimeoutError,
      message: 'queueDeclare: no outcome within 1000 ms',
      operation: 'queueDeclare',
      ticket: 1,
    })
  })

  test('is settled by its signal, with the reason of that', async () => {
    const abort = new AbortController()
    const { registry, ticket } = open({ signal: abort.signal, timeout: 1000 })
    abort.abort('enough')
    await expect(ticket.promise).rejects.toBe('enough')
    expect(registry.size).toBe(0)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is settled from the start where its signal was aborted before', async () => {
    const { registry, ticket } = open({ signal: AbortSignal.abort('long ago') })
    expect(ticket.settled).toBe(true)
    expect(registry.size).toBe(0)
    await expect(ticket.promise).rejects.toBe('long ago')
  })

  test.each([{ timeout: 0 }, { timeout: -1 }, { timeout: Number.NaN }, { timeout: '5' }, { signal: {} }])(
    'is not opened with %p',
    options => {
      expect(() => open(options)).toThrow(ArgumentError)
    },
  )
})

describe('the registry of tickets', () => {
  test('is idle when none is under way', async () => {
    const registry = new TicketRegistry(new TicketCounter())
    await registry.idle()
    const tickets = [registry.open<number>('a', {}), registry.open<number>('b', {})]
    let idle = false
    const waiting = registry.idle().then(() => {
      idle = true
    })
    tickets[0]?.resolve(1)
    await tickets[0]?.promise
    expect(idle).toBe(false)
    tickets[1]?.reject(new Error('no'))
    await Promise.allSettled([tickets[1]?.promise])
    await waiting
    expect(idle).toBe(true)
  })
})

describe('the loss of a connection', () => {
  test('is ConnectionClosedError where the client was closed', () => {
    const reason = new ConnectionClosedError('the client was closed')
    expect(lossOf(reason, { operation: 'queueBind', ticket: 3 })).toMatchObject({
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
    expect(lossOf(broken, {})).toMatchObject({
      constructor: ConnectionBrokenError,
      message: 'the connection was lost: read ECONNRESET',
      cause: socket,
    })
    const silent = new ConnectionBrokenError('nothing came')
    expect(lossOf(silent, {}).cause).toBe(silent)
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

describe('options', () => {
  test.each([null, 5, 'text', true])('are refused where they are %p', options => {
    expect(() => checkOptions('queueBind', options)).toThrow('queueBind: the options must be an object')
  })
})
