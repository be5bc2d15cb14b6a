/**
 * Owns tickets, Puka's correlation ids: every operation gets the next number and a promise that is settled exactly
 * once: by its outcome, its `signal`, its `timeout`, or the end of the connection. Knows nothing of channels.
 */
import { debugTicket } from '../debug.js'
import {
  type AmqpError,
  type AmqpErrorClass,
  ArgumentError,
  ConnectionBrokenError,
  ConnectionClosedError,
  type ErrorContext,
  ResourceError,
  TimeoutError,
} from '../errors.js'
import type { OperationOptions } from '../options.js'
import { checkAbandonable, watchAbandonment } from '../util/abandon.js'
import { type Deferred, defer, ignore } from '../util/promise.js'

/** Gives out the numbers; one for the whole life of a client. */
export class TicketCounter {
  #last = 0

  next(): number {
    return ++this.#last
  }
}

/** The ends of a ticket, for whoever works on its operation. */
export interface Outcome<T> {
  readonly operation: string
  /** Who this is, for errors. */
  readonly context: ErrorContext
  /** The outcome is known, or nobody waits for it any more. */
  readonly settled: boolean
  resolve(value: T): void
  reject(reason: unknown): void
  /** Rejects with an error that may have arisen where nobody knew whose operation it is. */
  fail(error: unknown): void
}

export class Ticket<T> implements Outcome<T> {
  readonly id: number
  readonly operation: string
  readonly #deferred: Deferred<T> = defer<T>()
  readonly #onSettled: (ticket: Ticket<T>) => void
  #stopWatching: (() => void) | undefined
  #settled = false

  constructor(
    id: number,
    operation: string,
    options: OperationOptions,
    onSettled: (ticket: Ticket<T>) => void,
  ) {
    this.id = id
    this.operation = operation
    this.#onSettled = onSettled
    if (debugTicket.enabled) debugTicket('%d: %s', id, operation)
    if (options.signal?.aborted === true) {
      this.reject(options.signal.reason)
    } else if (options.signal !== undefined || options.timeout !== undefined) {
      this.#stopWatching = watchAbandonment(
        options,
        reason => this.reject(reason),
        timeout => this.reject(timedOut(operation, timeout, this.context)),
      )
    }
  }

  /** What the caller waits for. */
  get promise(): Promise<T> {
    return this.#deferred.promise
  }

  /** The outcome is known, or nobody waits for it any more. */
  get settled(): boolean {
    return this.#settled
  }

  /** Who this is, for errors. */
  get context(): ErrorContext {
    return { operation: this.operation, ticket: this.id }
  }

  resolve(value: T): void {
    if (this.#settle('done')) this.#deferred.resolve(value)
  }

  reject(reason: unknown): void {
    if (this.#settle(reason)) this.#deferred.reject(reason)
  }

  fail(error: unknown): void {
    const nameless = error instanceof ResourceError && error.operation === undefined
    this.reject(nameless ? withContext(error, this.context) : error)
  }

  #settle(outcome: unknown): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#stopWatching?.()
    if (debugTicket.enabled) debugTicket('%d: %s: %s', this.id, this.operation, outcome)
    this.#onSettled(this)
    return true
  }
}

/** What the end of a connection needs of a ticket, whatever it promises. */
type OpenTicket = Pick<Ticket<unknown>, 'id' | 'context' | 'reject'>

/** The tickets that are under way: the end of the connection is theirs too. */
export class TicketRegistry {
  readonly #counter: TicketCounter
  readonly #open = new Set<OpenTicket>()
  #idle: Deferred<void> | undefined

  constructor(counter: TicketCounter) {
    this.#counter = counter
  }

  /** How many are under way. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Opens a ticket; `onSettled` hears of its end. Throws {@link ArgumentError} where `signal` or `timeout` make no sense.
   */
  open<T>(
    operation: string,
    options: OperationOptions,
    onSettled: (ticket: OpenTicket) => void = ignore,
  ): Ticket<T> {
    checkAbandonable(options)
    const ticket = new Ticket<T>(this.#counter.next(), operation, options, settled => {
      this.#onSettled(settled)
      onSettled(settled)
    })
    if (!ticket.settled) this.#open.add(ticket)
    return ticket
  }

  /** Resolves when none is under way. */
  idle(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    this.#idle ??= defer<void>()
    return this.#idle.promise
  }

  #onSettled(ticket: OpenTicket): void {
    this.#open.delete(ticket)
    if (this.#open.size > 0 || this.#idle === undefined) return
    this.#idle.resolve()
    this.#idle = undefined
  }
}

/**
 * What the end of the connection means for one operation: {@link ConnectionClosedError} where the client was closed,
 * else {@link ConnectionBrokenError} with the reason as its cause.
 */
export function lossOf(reason: AmqpError, context: ErrorContext): AmqpError {
  const subject = context.operation === undefined ? '' : `${context.operation}: `
  if (reason instanceof ConnectionClosedError) {
    return new ConnectionClosedError(`${subject}${reason.message}`, { ...context, cause: reason })
  }
  const cause = reason instanceof ConnectionBrokenError && reason.cause !== undefined ? reason.cause : reason
  return new ConnectionBrokenError(`${subject}the connection was lost: ${reason.message}`, {
    ...context,
    cause,
  })
}

/** The same error of the broker, told of the operation that it is about. */
export function withContext(error: AmqpError, { operation, ticket }: ErrorContext): AmqpError {
  const ErrorClass = error.constructor as AmqpErrorClass
  const subject = operation === undefined ? '' : `${operation}: `
  const { replyCode, classId, methodId } = error
  return new ErrorClass(`${subject}${error.message}`, {
    operation,
    ticket,
    replyCode,
    classId,
    methodId,
    cause: error.cause,
  })
}

/** The error of an operation whose `timeout` ran out. */
export function timedOut(operation: string, milliseconds: number, context: ErrorContext): TimeoutError {
  return new TimeoutError(`${operation}: no outcome within ${milliseconds} ms`, context)
}

/** Throws {@link ArgumentError} unless `options` is an object. */
export function checkOptions(operation: string, options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new ArgumentError(`${operation}: the options must be an object`, { operation })
  }
}
