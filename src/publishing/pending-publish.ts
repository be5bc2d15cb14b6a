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
import { envelopeSize, onChannel, reframe } from './reframe.js'

/** What a pending publish takes beside its bytes: itself, its promise and what settles that. Measured. */
const OVERHEAD = 700
/** What the watch over `signal` and `timeout` takes: a timer, a listener. */
const WATCH_OVERHEAD = 600
/** What each piece of a body takes that is not copied. */
const PIECE_OVERHEAD = 200

/** A text of so many characters may be of so many bytes that its size matters. */
const LONG_TEXT = 40_000

const NONE: EncodedMessage = { slab: Buffer.alloc(0), from: 0, to: 0, pieces: undefined, size: 0 }

export class PendingPublish implements ListItem<PendingPublish>, Risky {
  readonly ticket: number
  readonly exchange: string
  /** Of a mandatory publish: where it goes. */
  readonly route: string | undefined
  /** It may be sent again if its outcome is not known. */
  readonly repeatable: boolean
  readonly userId: string | undefined
  readonly maxSize: number
  /** What may make the broker close the channel over it, when it is written: then it has a channel of its own. */
  risk: string | undefined
  suspect = false
  /** How many barriers its channel had sent before it. */
  barriersBefore = 0
  /** It was written before. */
  written = false
  /** How often it was among those that can have made the broker end the connection. */
  connectionFaults = 0
  /** In flight with confirms: its delivery tag. */
  deliveryTag = 0
  /** Its neighbours among those that are not written yet. */
  previous: PendingPublish | undefined
  next: PendingPublish | undefined
  readonly #budget: PublishBudget
  #resolve: () => void
  #reject: (reason: unknown) => void
  #encoded: EncodedMessage | undefined
  #heldBytes = 0
  /** Ends the watch over `signal` and `timeout`. */
  #stopWatching: (() => void) | undefined

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
    this.maxSize = typeof body === 'string' ? sizeOf(body) : body.length
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

  /** Its method and its properties, as they are sent. */
  get envelope(): Buffer {
    const { slab, from, to, pieces } = this.#encoded ?? NONE
    const bytes = pieces === undefined ? slab.subarray(from, to) : Buffer.from(pieces[0] ?? [])
    return bytes.subarray(0, envelopeSize(bytes))
  }

  /** Keeps its bytes until it is settled. */
  hold(encoded: EncodedMessage): void {
    this.#encoded = encoded
    this.#heldBytes = encoded.size + OVERHEAD + (encoded.pieces?.length ?? 0) * PIECE_OVERHEAD
    this.#budget.add(this.#heldBytes)
  }

  /** Its `signal` and `timeout` are watched; `stop` ends that. */
  watch(stop: () => void): void {
    if (this.settled) {
      stop()
      return
    }
    this.#stopWatching = stop
    this.#heldBytes += WATCH_OVERHEAD
    this.#budget.grow(WATCH_OVERHEAD)
  }

  /** Hands the bytes to the outbox, by reference, for a channel. */
  writeTo(outbox: Outbox, channel: number): void {
    if (this.#encoded === undefined) return
    const { slab, from, to, pieces } = onChannel(this.#encoded, channel)
    if (pieces === undefined) outbox.range(slab, from, to)
    else for (const piece of pieces) outbox.reference(piece)
  }

  /** Takes its bytes out of the slab that they share with those of others, which may be gone long since. */
  compact(): void {
    const { slab, from, to, pieces, size } = this.#encoded ?? NONE
    if (pieces !== undefined || size === slab.length) return
    const own = Buffer.allocUnsafeSlow(size)
    slab.copy(own, 0, from, to)
    this.#encoded = { slab: own, from: 0, to: size, pieces, size }
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
    this.#stopWatching?.()
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

/** The size of a text in UTF-8; of a short one, the most that it can be. */
function sizeOf(text: string): number {
  return text.length < LONG_TEXT ? 3 * text.length : Buffer.byteLength(text)
}
