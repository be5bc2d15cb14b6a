/**
 * Owns tickets, Puka's correlation ids: every operation gets the next number and a promise that is settled exactly
 * once: by its outcome, its `signal`, its `timeout`, or the end of the connection. Knows nothing of channels.
 */
import { type CallSite, leadTo } from './call-site.js'
import { debugTicket } from './debug.js'
import { AmqpError, type ErrorContext } from './errors.js'
import { timedOut, withOperation } from './operation-errors.js'
import type { OperationOptions } from './options.js'
import { watchAbort } from './util/abort.js'
import { type Deferred, defer } from './util/promise.js'

/** Gives out the numbers; one for the whole life of a client. */
export class TicketCounter {
  #last = 0

  next(): number {
    return ++this.#last
  }
}

/** How a ticket is settled, for the code that runs its operation. */
export interface Outcome<T> {
  readonly operation: string
  /** Names the operation in errors. */
  readonly context: ErrorContext
  /** The outcome is known, or nobody waits for it any more. */
  readonly settled: boolean
  resolve(value: T): void
  reject(reason: unknown): void
  /** Rejects with an error that may have arisen where the operation was not known. */
  fail(error: unknown): void
}

/** Whoever keeps the tickets that are not settled. */
export interface TicketListener {
  onSettled(ticket: number): void
}

export class Ticket<T> implements Outcome<T> {
  readonly id: number
  readonly operation: string
  readonly #deferred: Deferred<T> = defer<T>()
  readonly #listener: TicketListener | undefined
  readonly #site: CallSite | undefined
  #stopWatching: (() => void) | undefined
  #settled = false

  /** `options` are checked by the caller. A signal that is aborted already rejects at once. */
  constructor(
    id: number,
    operation: string,
    options: OperationOptions,
    listener?: TicketListener,
    site?: CallSite,
  ) {
    this.id = id
    this.#site = site
    this.operation = operation
    this.#listener = listener
    if (debugTicket.enabled) debugTicket('%d: %s', id, operation)
    if (options.signal?.aborted === true) {
      this.reject(options.signal.reason)
    } else if (options.signal !== undefined || options.timeout !== undefined) {
      this.#stopWatching = watchAbort(
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

  get settled(): boolean {
    return this.#settled
  }

  get context(): ErrorContext {
    return { operation: this.operation, ticket: this.id }
  }

  resolve(value: T): void {
    if (this.#settle('done')) this.#deferred.resolve(value)
  }

  reject(reason: unknown): void {
    if (reason instanceof AmqpError && reason.ticket === this.id) leadTo(reason, this.#site)
    if (this.#settle(reason)) this.#deferred.reject(reason)
  }

  fail(error: unknown): void {
    this.reject(withOperation(error, this.context))
  }

  #settle(outcome: unknown): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#stopWatching?.()
    if (debugTicket.enabled) debugTicket('%d: %s: %s', this.id, this.operation, outcome)
    this.#listener?.onSettled(this.id)
    return true
  }
}
