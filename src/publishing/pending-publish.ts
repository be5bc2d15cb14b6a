/**
 * Owns one publish that is not settled: its promise, its place in line, and its encoded bytes, which serve for sending
 * it again; and the budget that all pending publishes share.
 */

import type { Outbox } from '../connection/outbox.js'
import { ArgumentError, type ErrorContext, ResourceError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import { type Deferred, defer } from '../util/promise.js'
import type { EncodedMessage } from './message-encoder.js'
import type { Message } from './message-envelope.js'
import { reframe } from './reframe.js'

/** What pending publishes may take up. */
export class PublishBudget {
  readonly #maxCount: number
  readonly #maxBytes: number
  #count = 0
  #bytes = 0
  #empty: Deferred<void> | undefined

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount
    this.#maxBytes = maxBytes
  }

  get pending(): { readonly count: number; readonly bytes: number } {
    return { count: this.#count, bytes: this.#bytes }
  }

  /** Throws {@link ResourceError} where no more publishes may be pending. */
  check(): void {
    if (this.#count >= this.#maxCount) {
      throw new ResourceError(`${this.#count} publishes are pending already (maxPendingPublishes)`)
    }
    if (this.#bytes >= this.#maxBytes) {
      throw new ResourceError(
        `${this.#bytes} bytes of publishes are pending already (maxPendingPublishBytes)`,
      )
    }
  }

  take(bytes: number): void {
    this.#count++
    this.#bytes += bytes
  }

  giveBack(bytes: number): void {
    this.#count--
    this.#bytes -= bytes
    if (this.#count === 0 && this.#empty !== undefined) {
      this.#empty.resolve()
      this.#empty = undefined
    }
  }

  /** Resolves when no publish is pending, whatever became of them. */
  empty(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    this.#empty ??= defer<void>()
    return this.#empty.promise
  }
}

export class PendingPublish {
  readonly ticket: number
  readonly exchange: string
  /** Of a mandatory publish: where it is to go. */
  readonly route: string | undefined
  /** It may be sent again where its outcome is not known. */
  readonly repeatable: boolean
  /** It may well bring the channel down, so it travels with no other in flight. */
  readonly risk: string | undefined
  /** How many barriers had been sent before it. */
  segment = 0
  /** It was on its way before. */
  written = false
  /** How often it was in flight when the broker ended the connection for an error in what was sent. */
  hardLosses = 0
  /** Ends the watch over `signal` and `timeout`. */
  stopWatching: (() => void) | undefined
  readonly #budget: PublishBudget
  readonly #resolve: () => void
  readonly #reject: (reason: unknown) => void
  #encoded: EncodedMessage | undefined
  #heldBytes = 0

  constructor(
    ticket: number,
    { exchange, routingKey, mandatory, retry }: Message,
    risk: string | undefined,
    budget: PublishBudget,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.ticket = ticket
    this.exchange = exchange
    this.route = mandatory ? routeOf(exchange, routingKey) : undefined
    this.repeatable = retry
    this.risk = risk
    this.#budget = budget
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Who this is, for errors. */
  get context(): ErrorContext {
    return publishContext(this.ticket)
  }

  /** The outcome is known, or nobody waits for it any more. */
  get settled(): boolean {
    return this.#encoded === undefined
  }

  /** Its bytes, from now on until it is settled. */
  hold(encoded: EncodedMessage): void {
    this.#encoded = encoded
    this.#heldBytes = encoded.size
    this.#budget.take(encoded.size)
  }

  /** Hands the bytes to the outbox, by reference. */
  writeTo(outbox: Outbox): void {
    const encoded = this.#encoded
    if (encoded === undefined) return
    if (encoded.pieces === undefined) outbox.reference(encoded.slab.subarray(encoded.from, encoded.to))
    else for (const piece of encoded.pieces) outbox.reference(piece)
  }

  /** Cuts its body into frames anew, for a connection with a lower limit; rejects it where that cannot be. */
  reframe(frameMax: number): void {
    if (this.#encoded === undefined) return
    try {
      this.#encoded = reframe(this.#encoded, frameMax)
    } catch (error) {
      this.reject(error instanceof ArgumentError ? withContext(error, this.context) : error)
    }
  }

  resolve(): void {
    if (this.#settle()) this.#resolve()
  }

  reject(reason: unknown): void {
    if (this.#settle()) this.#reject(reason)
  }

  #settle(): boolean {
    if (this.#encoded === undefined) return false
    this.#encoded = undefined
    this.stopWatching?.()
    this.#budget.giveBack(this.#heldBytes)
    return true
  }
}

/** Exchange and routing key as one string; the length keeps the two apart. */
export function routeOf(exchange: string, routingKey: string): string {
  return `${exchange.length}:${exchange}${routingKey}`
}

/** Who a publish is, for errors. */
export function publishContext(ticket: number): ErrorContext {
  return { operation: 'basicPublish', ticket }
}
