/**
 * Owns the decision whether a consumer comes back when its subscription has ended, and after what: how often in a row that
 * may be in vain, and which error it ends with if it does not. It counts, and does nothing itself.
 */
import {
  AccessRefusedError,
  AmqpError,
  ConsumerCancelledError,
  type ErrorContext,
  InternalError,
  NotFoundError,
  PreconditionFailedError,
} from '../errors.js'
import type { ConsumeMultiOptions } from '../options.js'
import { isRequestFault, MAX_CONNECTION_FAULTS, timeMayCure } from '../reply-codes.js'
import type { SubscribedQueue } from '../session/queue-consumer.js'
import type { SubscriptionEnd } from '../session/subscription-types.js'
import { pause } from '../util/pause.js'

/** What deciding needs of the client. */
export interface ResumeHost {
  /** A connection that is lost is replaced. */
  readonly recovers: boolean
  /** For how many milliseconds it tries to come back where the broker refuses it for a reason that time may cure. */
  readonly patience: number
  /** See {@link SubscriptionHost}. */
  restoreMissing(queue: string): Promise<void> | undefined
}

/** How the next subscription begins. */
export interface Resumption {
  /** Resolves when it may begin, or the signal is aborted. */
  readonly wait: (signal: AbortSignal) => Promise<void>
  /** What the broker has said to be no streams. */
  readonly noStreams: readonly string[]
}

/** Milliseconds before each try, while one after the other ends without a delivery. There is none after the last. */
const FRUITLESS_PAUSES = [0, 250, 750] as const
/**
 * Milliseconds at the least before a try where the broker has cancelled the consumer. RabbitMQ 4.3 tells that a quorum queue
 * is deleted before it is, and ends the connection (541) of whoever consumes from it meanwhile, for some milliseconds.
 */
const LEAST_AFTER_CANCEL = 200
/** Milliseconds between two attempts to come back that are refused for a reason that time may cure. */
const RETRY_PAUSE = 500
/** Milliseconds before the next try after a connection was ended over it: twice as many each time, up to a limit. */
const FIRST_FAULT_PAUSE = 250
const LONGEST_FAULT_PAUSE = 30_000
/** A consumer that was back for so many milliseconds has overcome what kept it away before. */
const CALM = 10_000
const AT_ONCE: Resumption = { wait: () => Promise.resolve(), noStreams: [] }
const LATER: Resumption = { wait: pausing(RETRY_PAUSE), noStreams: [] }

export class ResumePolicy {
  /** It may have brought a connection down as it began. */
  isSuspect = false
  readonly #host: ResumeHost
  readonly #onCancel: NonNullable<ConsumeMultiOptions['onCancel']>
  readonly #context: ErrorContext
  /** How many subscriptions have ended in a row soon, and without a delivery. */
  #fruitless = 0
  /** How often in a row, and since when, the broker refuses to let it come back, or does so only for a moment. */
  #refusals = 0
  #refusedSince: number | undefined
  /** When it came back last. */
  #readyAt: number | undefined
  /** How often in a row, and since when, a connection was ended as it began. */
  #faults = 0
  #faultySince: number | undefined
  /** When it may begin again, since each try may cost a connection. */
  #notBefore = 0
  /** The requests that the end of the connection may be about. */
  #blamed: readonly ErrorContext[] = []
  /** It has been running. */
  #hasRun = false
  /** What the broker has cancelled it with; undefined since it is back. */
  #cancellation: AmqpError | undefined

  constructor(
    host: ResumeHost,
    onCancel: NonNullable<ConsumeMultiOptions['onCancel']>,
    context: ErrorContext,
  ) {
    this.#host = host
    this.#onCancel = onCancel
    this.#context = context
  }

  /** The broker has cancelled it, and it is not back. */
  get wasCancelled(): boolean {
    return this.#cancellation !== undefined
  }

  /** For how many milliseconds it is not to begin on a new connection. */
  get pause(): number {
    return Math.max(0, this.#notBefore - performance.now())
  }

  onDelivery(): void {
    this.#fruitless = 0
    this.#refusedSince = undefined
  }

  onReady(): void {
    this.#readyAt = performance.now()
    this.#refusals = 0
    this.#faults = 0
    this.#faultySince = undefined
    this.isSuspect = false
    this.#hasRun = true
    this.#cancellation = undefined
  }

  blame(blamed: readonly ErrorContext[]): void {
    this.#blamed = blamed
  }

  /** Whether and when another subscription follows the one that has ended, which was ready or not, as the `count`th. */
  next(
    error: AmqpError,
    cause: SubscriptionEnd,
    wasReady: boolean,
    count: number,
    queues: readonly SubscribedQueue[],
  ): Resumption | 'end' {
    this.#forgetTroubles()
    switch (cause) {
      case 'cancelled':
        this.#cancellation = error
        return this.#onCancel === 'end' ? 'end' : this.#afterFruitless(LEAST_AFTER_CANCEL)
      // For no fault of ours: an ack that took too long, say.
      case 'closed':
        return this.#host.recovers && (wasReady || count > 1) ? this.#afterClosing(error) : 'end'
      case 'refused':
        return count > 1 ? this.#afterRefusal(error, queues) : 'end'
      case 'lost':
        this.#cancellation = undefined
        // While there was no connection, nothing was refused.
        this.#refusedSince = undefined
        return this.#host.recovers && !this.#isToBlame(error, wasReady) ? AT_ONCE : 'end'
    }
  }

  /** Whether and when another try follows one that could not even begin; it has had subscriptions, or not. */
  afterFailure(error: unknown, hasBegun: boolean): Resumption | 'end' {
    return hasBegun && timeMayCure(error) && this.#isInTime() ? LATER : 'end'
  }

  /** The error that the consumer ends with. */
  explain(error: AmqpError): AmqpError {
    const cancellation = this.#cancellation
    if (cancellation === undefined || error === cancellation) return this.#explainCancellation(error)
    const text = `${cancellation.message}; it does not come back: ${reasonOf(error)}`
    return new ConsumerCancelledError(text, { ...this.#context, cause: error })
  }

  #explainCancellation(error: AmqpError): AmqpError {
    if (error !== this.#cancellation || this.#fruitless <= FRUITLESS_PAUSES.length) return error
    const text = `${error.message}; it came back ${FRUITLESS_PAUSES.length} times, and got no message`
    return new ConsumerCancelledError(text, { ...this.#context, cause: error })
  }

  #afterFruitless(leastPause = 0): Resumption | 'end' {
    const pause = FRUITLESS_PAUSES[this.#fruitless++]
    if (pause === undefined) return 'end'
    return { wait: pausing(Math.max(pause, leastPause)), noStreams: [] }
  }

  #afterClosing(error: AmqpError): Resumption | 'end' {
    const next = this.#afterFruitless()
    return next === 'end' && timeMayCure(error) && this.#isInTime() ? LATER : next
  }

  #afterRefusal(error: AmqpError, queues: readonly SubscribedQueue[]): Resumption | 'end' {
    const noStreams = refusedAsStreams(error, queues)
    if (noStreams.length > 0) return { ...AT_ONCE, noStreams }
    if (timeMayCure(error) && this.#isInTime()) return LATER
    if (this.wasCancelled) return this.#afterFruitless(LEAST_AFTER_CANCEL)
    if (!(error instanceof NotFoundError)) return 'end'
    // The first time does not count: the queue was found a moment ago.
    if (this.#refusals > 0 && !this.#isInTime()) return 'end'
    const missing = queues.flatMap(({ queue }) => this.#host.restoreMissing(queue) ?? [])
    if (missing.length === 0) return 'end'
    // If it was in vain before, there is a pause.
    const pause = pausing(++this.#refusals > 1 ? RETRY_PAUSE : 0)
    return { wait: signal => Promise.all(missing).then(() => pause(signal)), noStreams: [] }
  }

  #isInTime(): boolean {
    const now = performance.now()
    this.#refusedSince ??= now
    return now - this.#refusedSince < this.#host.patience
  }

  /** What kept it away before it was back for a while has nothing to do with what follows. */
  #forgetTroubles(): void {
    if (this.#readyAt !== undefined && performance.now() - this.#readyAt >= CALM) {
      this.#fruitless = 0
      this.#refusedSince = undefined
    }
    this.#readyAt = undefined
  }

  /** A connection that the broker ended over what was just asked for would be ended over it again, and again. */
  #isToBlame(error: AmqpError, wasReady: boolean): boolean {
    const reason = error.cause instanceof AmqpError ? error.cause : error
    const blamed = this.#blamed
    this.#blamed = []
    if (wasReady || !isRequestFault(reason)) return false
    const { classId = 0, methodId = 0 } = reason
    const isAmong = blamed.some(({ ticket }) => ticket === this.#context.ticket)
    // The broker names a method that is none of this consumer's.
    if ((classId !== 0 || methodId !== 0) && !isAmong) return false
    const isAlone = isAmong && blamed.every(({ ticket }) => ticket === this.#context.ticket)
    // That the broker fails (541) over what has worked before is no proof: the queue may be about to go, or to move.
    const mayRecover = this.#hasRun && reason instanceof InternalError
    if (isAlone && !mayRecover) return true
    this.isSuspect = true
    this.#faults++
    return mayRecover ? !this.#isWorthAnother() : this.#faults > MAX_CONNECTION_FAULTS
  }

  /** The broker fails for now, and ends the connection each time: there are few tries, within the same patience. */
  #isWorthAnother(): boolean {
    const now = performance.now()
    this.#faultySince ??= now
    this.#notBefore = now + Math.min(LONGEST_FAULT_PAUSE, FIRST_FAULT_PAUSE * 2 ** (this.#faults - 1))
    return now - this.#faultySince < this.#host.patience
  }
}

function pausing(milliseconds: number): (signal: AbortSignal) => Promise<void> {
  return signal => (milliseconds > 0 ? pause(milliseconds, signal) : Promise.resolve())
}

/** RabbitMQ refuses the offset of a stream where the queue is none: then a message has lied. It names the queue. */
function refusedAsStreams(error: AmqpError, queues: readonly SubscribedQueue[]): string[] {
  if (!(error instanceof PreconditionFailedError)) return []
  const inDoubt = queues.filter(({ kind, resumeAt }) => kind === 'unknown' && resumeAt !== undefined)
  return inDoubt.map(({ queue }) => queue).filter(queue => error.message.includes(`'${queue}'`))
}

function reasonOf(error: AmqpError): string {
  if (error instanceof NotFoundError) return `the queue was deleted (${error.message})`
  if (error instanceof AccessRefusedError) return `it may not read from the queue any more (${error.message})`
  return error.message
}
