/**
 * Owns the operations of a client over all its connections: each begins on the session that is there, waits while there
 * is none, and begins again on the next one where repeating it is harmless. Knows nothing of what the operations are.
 */
import { type AmqpError, type ErrorContext, ResourceError } from '../errors.js'
import type { OperationOptions } from '../options.js'
import { isHardLoss, MOST_HARD_LOSSES } from '../session/hard-loss.js'
import type { Session } from '../session/session.js'
import {
  lossOf,
  type Outcome,
  type Ticket,
  type TicketCounter,
  TicketRegistry,
  withContext,
} from '../session/ticket.js'

/** What an operation does, and whether it may be done twice. */
export interface Undertaking<T> {
  /** Begins it; the outcome settles its promise. */
  begin(session: Session, outcome: Outcome<T>): void
  readonly repeatable: boolean
}

export class Operations {
  readonly #tickets: TicketRegistry
  readonly #maxWaiting: number
  readonly #underWay = new Map<number, Operation<never>>()
  #session: Session | undefined

  constructor(counter: TicketCounter, maxWaiting: number) {
    this.#tickets = new TicketRegistry(counter)
    this.#maxWaiting = maxWaiting
  }

  /** How many are under way, or wait. */
  get size(): number {
    return this.#tickets.size
  }

  /** Begins an operation. Throws {@link ArgumentError} where `signal` or `timeout` make no sense. */
  perform<T>(operation: string, options: OperationOptions, undertaking: Undertaking<T>): Ticket<T> {
    const ticket = this.#tickets.open<T>(operation, options, settled => this.#underWay.delete(settled.id))
    if (ticket.settled) return ticket
    if (this.#session === undefined && this.#underWay.size >= this.#maxWaiting) {
      const limit = `${this.#maxWaiting} operations wait already (maxPendingOperations)`
      ticket.reject(new ResourceError(`${operation}: ${limit}`, ticket.context))
      return ticket
    }
    const begun = new Operation(ticket, undertaking)
    this.#underWay.set(ticket.id, begun as unknown as Operation<never>)
    if (this.#session !== undefined) begun.begin(this.#session)
    return ticket
  }

  /** There is a session: what waits begins, in order. */
  attach(session: Session): void {
    this.#session = session
    for (const operation of [...this.#underWay.values()]) operation.begin(session)
  }

  /** The session is gone. What may not be repeated ends, and so does what the broker blames. */
  detach(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    this.#session = undefined
    for (const operation of [...this.#underWay.values()]) operation.interrupt(reason, blamed)
  }

  /** Nothing will be done any more. */
  end(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    this.#session = undefined
    for (const operation of [...this.#underWay.values()]) operation.end(reason, blamed)
  }

  /** Resolves when none is under way. */
  idle(): Promise<void> {
    return this.#tickets.idle()
  }
}

class Operation<T> {
  readonly #ticket: Ticket<T>
  readonly #undertaking: Undertaking<T>
  /** The try on the session that is there; one on a session that is gone has no say any more. */
  #attempt: Attempt<T> | undefined
  /** How often it was under way when the broker ended the connection for an error in what was sent. */
  #hardLosses = 0

  constructor(ticket: Ticket<T>, undertaking: Undertaking<T>) {
    this.#ticket = ticket
    this.#undertaking = undertaking
  }

  begin(session: Session): void {
    const attempt = new Attempt(this.#ticket)
    this.#attempt = attempt
    this.#undertaking.begin(session, attempt)
  }

  interrupt(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    if (this.#attempt === undefined) return
    this.#attempt.over = true
    this.#attempt = undefined
    if (isHardLoss(reason)) this.#hardLosses++
    const mayRepeat = this.#undertaking.repeatable && this.#hardLosses < MOST_HARD_LOSSES
    if (!mayRepeat || this.#isAmong(blamed)) this.end(reason, blamed)
  }

  end(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    const { context } = this.#ticket
    // Where several may be meant, the error is nobody's own.
    const guilty = blamed.length === 1 && this.#isAmong(blamed)
    this.#ticket.reject(guilty ? withContext(reason, context) : lossOf(reason, context))
  }

  #isAmong(blamed: readonly ErrorContext[]): boolean {
    return blamed.some(({ ticket }) => ticket === this.#ticket.id)
  }
}

class Attempt<T> implements Outcome<T> {
  readonly #ticket: Ticket<T>
  /** The session of this try is gone. */
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
