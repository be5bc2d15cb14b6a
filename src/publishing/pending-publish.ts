/**
 * Owns one publish that is not settled: its promise, what it may do to its channel, and its encoded bytes, which serve
 * for sending it again.
 */
import type { Outbox } from '../connection/outbox.js'
import { ArgumentError, type ErrorContext } from '../errors.js'
import { withContext } from '../operation-errors.js'
import type { ListItem } from '../util/linked-list.js'
import { ignore } from '../util/promise.js'
import type { EncodedMessage } from './message-encoder.js'
import type { OutgoingMessage } from './message-envelope.js'
import type { PublishBudget } from './publish-budget.js'
import type { Risky } from './publish-risk.js'
import { reframe } from './reframe.js'

export class PendingPublish implements ListItem<PendingPublish>, Risky {
  readonly ticket: number
  readonly exchange: string
  /** Of a mandatory publish: where it goes. */
  readonly route: string | undefined
  /** It may be sent again if its outcome is not known. */
  readonly repeatable: boolean
  readonly userId: string | undefined
  readonly maxSize: number
  /** What may make the broker close the channel over it, when it is written: then no other such one is in flight. */
  risk: string | undefined
  /** How many barriers its channel had sent before it. */
  barriersBefore = 0
  /** It was written before. */
  written = false
  /** How often it was in flight when the broker ended the connection over an error in what was sent. */
  connectionFaults = 0
  /** In flight with confirms: its delivery tag. */
  deliveryTag = 0
  /** Ends the watch over `signal` and `timeout`. */
  stopWatching: (() => void) | undefined
  /** Its neighbours among those that are not written yet. */
  previous: PendingPublish | undefined
  next: PendingPublish | undefined
  readonly #budget: PublishBudget
  #resolve: () => void
  #reject: (reason: unknown) => void
  #encoded: EncodedMessage | undefined
  #heldBytes = 0

  constructor(
    ticket: number,
    { exchange, routingKey, mandatory, retry, properties, body }: OutgoingMessage,
    budget: PublishBudget,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.ticket = ticket
    this.exchange = exchange
    this.route = mandatory ? routeOf(exchange, routingKey) : undefined
    this.repeatable = retry
    this.userId = properties?.userId
    // Of a text, its UTF-8 is at most so many bytes.
    this.maxSize = typeof body === 'string' ? 3 * body.length : body.length
    this.#budget = budget
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Names the publish in errors. */
  get context(): ErrorContext {
    return publishContext(this.ticket)
  }

  /** The outcome is known, or nobody waits for it any more. */
  get settled(): boolean {
    return this.#encoded === undefined
  }

  /** Keeps its bytes until it is settled. */
  hold(encoded: EncodedMessage): void {
    this.#encoded = encoded
    this.#heldBytes = encoded.size
    this.#budget.add(encoded.size)
  }

  /** Hands the bytes to the outbox, by reference. */
  writeTo(outbox: Outbox): void {
    const encoded = this.#encoded
    if (encoded === undefined) return
    if (encoded.pieces === undefined) outbox.reference(encoded.slab.subarray(encoded.from, encoded.to))
    else for (const piece of encoded.pieces) outbox.reference(piece)
  }

  /** Cuts its body into frames anew, for a connection with a lower limit; rejects it if that is not possible. */
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
    if (!this.#settle()) return
    this.#reject(reason)
    // It may stay in flight for a while: what its caller has kept in these is not kept with it.
    this.#resolve = ignore
    this.#reject = ignore
  }

  #settle(): boolean {
    if (this.#encoded === undefined) return false
    this.#encoded = undefined
    this.stopWatching?.()
    this.#budget.remove(this.#heldBytes)
    return true
  }
}

/** Exchange and routing key as one string; the length keeps the two apart. */
export function routeOf(exchange: string, routingKey: string): string {
  return `${exchange.length}:${exchange}${routingKey}`
}

/** Names a publish in errors. */
export function publishContext(ticket: number): ErrorContext {
  return { operation: 'basicPublish', ticket }
}
