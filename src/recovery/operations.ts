/**
 * Owns the operations of a client over all its connections: each begins on the session that is there, waits while there
 * is none, and begins again on the next one where repeating it is harmless. Knows nothing of what the operations are.
 */
import type { CallSite } from '../call-site.js'
import { type ErrorContext, ResourceError } from '../errors.js'
import { type ConnectionLoss, connectionLost, withContext } from '../operation-errors.js'
import type { OperationOptions } from '../options.js'
import { isRequestFault, MAX_CONNECTION_FAULTS } from '../reply-codes.js'
import type { Session } from '../session/session.js'
import { type Outcome, Ticket, type TicketCounter, type TicketListener } from '../ticket.js'
import { checkAbortOptions } from '../util/abort.js'
import { type Deferred, defer } from '../util/promise.js'
import { tellAll } from '../util/tell-all.js'
import type { Recoverable } from './recoverable.js'
import type { TopologyNames } from './topology-recovery.js'

/** What an operation does, and whether it may be done twice. */
export interface OperationTask<T> {
  /** What it is about: if that is not back yet, the operation waits for it. */
  readonly about?: TopologyNames
  /** Begins it; the outcome settles its promise. */
  begin(session: Session, outcome: Outcome<T>): void
  readonly repeatable: boolean
}

/** How operations are kept. */
export interface OperationsPlan {
  /** So many may wait. */
  readonly maxWaiting: number
  /** None waits for a connection: those in progress end with the one that they are on. */
  readonly failsOffline: boolean
  /** Resolves when what an operation is about is back; undefined if it is. */
  pending(names: TopologyNames): Promise<unknown> | undefined
}

export class Operations implements Recoverable, TicketListener {
  readonly #counter: TicketCounter
  readonly #plan: OperationsPlan
  readonly #pending = new Map<number, Operation<never>>()
  #session: Session | undefined
  #idle: Deferred<void> | undefined

  constructor(counter: TicketCounter, plan: OperationsPlan) {
    this.#counter = counter
    this.#plan = plan
  }

  /** How many are in progress, or wait. */
  get size(): number {
    return this.#pending.size
  }

  /** Begins an operation. Throws {@link ArgumentError} if `signal` or `timeout` are invalid. */
  perform<T>(
    operation: string,
    options: OperationOptions,
    task: OperationTask<T>,
    site?: CallSite,
  ): Promise<T> {
    checkAbortOptions(options)
    const id = this.#counter.next()
    const ticket = new Ticket<T>(id, operation, options, this, site)
    if (ticket.settled) return ticket.promise
    const { maxWaiting } = this.#plan
    if (this.#session === undefined && this.#pending.size >= maxWaiting) {
      const limit = `${maxWaiting} operations wait already (maxPendingOperations)`
      ticket.reject(new ResourceError(`${operation}: ${limit}`, ticket.context))
      return ticket.promise
    }
    const begun = new Operation(ticket, task, this.#plan)
    this.#pending.set(id, begun as unknown as Operation<never>)
    if (this.#session !== undefined) begun.begin(this.#session)
    return ticket.promise
  }

  /** What waits begins, in order. */
  attach(session: Session): undefined {
    this.#session = session
    tellAll(this.#pending.values(), operation => operation.begin(session))
  }

  /** What may not be repeated ends, and so does what the broker blames. */
  detach(loss: ConnectionLoss): void {
    if (this.#plan.failsOffline) {
      this.end(loss)
      return
    }
    this.#session = undefined
    tellAll(this.#pending.values(), operation => operation.interrupt(loss))
  }

  end(loss: ConnectionLoss): void {
    this.#session = undefined
    tellAll(this.#pending.values(), operation => operation.end(loss))
  }

  idle(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    this.#idle ??= defer<void>()
    return this.#idle.promise
  }

  /** The outcome of an operation is known. */
  onSettled(id: number): void {
    this.#pending.delete(id)
    if (this.#idle === undefined || this.#pending.size > 0) return
    this.#idle.resolve()
    this.#idle = undefined
  }
}

class Operation<T> {
  readonly #ticket: Ticket<T>
  readonly #task: OperationTask<T>
  readonly #plan: OperationsPlan
  /** The attempt on the session that is there; results of earlier ones are ignored. */
  #attempt: Attempt<T> | undefined
  /** How often it was in flight when the broker ended the connection over an error in what was sent. */
  #connectionFaults = 0

  constructor(ticket: Ticket<T>, task: OperationTask<T>, plan: OperationsPlan) {
    this.#ticket = ticket
    this.#task = task
    this.#plan = plan
  }

  begin(session: Session): void {
    const attempt = new Attempt(this.#ticket)
    this.#attempt = attempt
    const pending = this.#task.about && this.#plan.pending(this.#task.about)
    if (pending === undefined) this.#beginAttempt(session, attempt)
    else void pending.then(() => attempt.settled || this.#beginAttempt(session, attempt))
  }

  #beginAttempt(session: Session, attempt: Attempt<T>): void {
    try {
      this.#task.begin(session, attempt)
    } catch (error) {
      attempt.fail(error)
    }
  }

  interrupt(loss: ConnectionLoss): void {
    if (this.#attempt === undefined) return
    this.#attempt.over = true
    this.#attempt = undefined
    if (isRequestFault(loss.reason)) this.#connectionFaults++
    const mayRepeat = this.#task.repeatable && this.#connectionFaults < MAX_CONNECTION_FAULTS
    if (!mayRepeat || this.#isAmong(loss.blamed)) this.end(loss)
  }

  end({ reason, blamed }: ConnectionLoss): void {
    const { context } = this.#ticket
    // If several may be meant, none of them gets the broker's error itself.
    const guilty = blamed.length === 1 && this.#isAmong(blamed)
    this.#ticket.reject(guilty ? withContext(reason, context) : connectionLost(reason, context))
  }

  #isAmong(blamed: readonly ErrorContext[]): boolean {
    return blamed.some(({ ticket }) => ticket === this.#ticket.id)
  }
}

class Attempt<T> implements Outcome<T> {
  readonly #ticket: Ticket<T>
  /** The session of this attempt is gone. */
  over = false

  constructor(ticket: Ticket<T>) {
    this.#ticket = ticket
  }

  get operation(): string {
    return this.#ticket.operation
  }

  get context(): ErrorContext {
    return this.#ticket.context
  }

  get settled(): boolean {
    return this.over || this.#ticket.settled
  }

  resolve(value: T): void {
    if (!this.over) this.#ticket.resolve(value)
  }

  reject(reason: unknown): void {
    if (!this.over) this.#ticket.reject(reason)
  }

  fail(error: unknown): void {
    if (!this.over) this.#ticket.fail(error)
  }
}
