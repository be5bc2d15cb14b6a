/** Covers tickets: settled once, by whatever comes first. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { TimeoutError } from '../../src/errors.js'
import { Ticket, TicketCounter } from '../../src/ticket.js'

describe('a ticket', () => {
  beforeEach(() => {
    jest.useFakeTimers()
  })
  afterEach(() => {
    jest.useRealTimers()
  })

  const open = (options = {}) => {
    const onSettled = jest.fn()
    return { onSettled, ticket: new Ticket<string>(1, 'queueDeclare', options, { onSettled }) }
  }

  test('has the next number of its client, and says who it is', () => {
    const counter = new TicketCounter()
    counter.next()
    const ticket = new Ticket(counter.next(), 'queueBind', {})
    expect(ticket).toMatchObject({ id: 2, operation: 'queueBind', settled: false })
    expect(ticket.context).toEqual({ operation: 'queueBind', ticket: 2 })
    expect(counter.next()).toBe(3)
  })

  test('is settled by its outcome, once', async () => {
    const { onSettled, ticket } = open({ timeout: 1000 })
    expect(onSettled).not.toHaveBeenCalled()
    ticket.resolve('first')
    ticket.resolve('second')
    ticket.reject(new Error('third'))
    jest.advanceTimersByTime(2000)
    expect(await ticket.promise).toBe('first')
    expect(ticket.settled).toBe(true)
    expect(onSettled).toHaveBeenCalledTimes(1)
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
    const { onSettled, ticket } = open({ signal: abort.signal, timeout: 1000 })
    abort.abort('enough')
    await expect(ticket.promise).rejects.toBe('enough')
    expect(onSettled).toHaveBeenCalledTimes(1)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is settled from the start where its signal was aborted before', async () => {
    const { onSettled, ticket } = open({ signal: AbortSignal.abort('long ago') })
    expect(ticket.settled).toBe(true)
    expect(onSettled).toHaveBeenCalledTimes(1)
    await expect(ticket.promise).rejects.toBe('long ago')
  })
})
