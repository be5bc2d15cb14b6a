/**
 * Owns the publishes that wait to be written, in order, and their encoded bytes: any can leave the line, what was in flight
 * comes back to its place, and a connection with smaller frames has them cut anew.
 */
import type { AmqpError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import { LinkedList } from '../util/linked-list.js'
import { Writer } from '../wire/writer.js'
import { encodeMessage } from './message-encoder.js'
import type { EnvelopeCache, OutgoingMessage } from './message-envelope.js'
import type { PendingPublish } from './pending-publish.js'

/** So many may be removed before it is worth a look at those that are left. */
const SPARSE_FROM = 10_000

export class UnsentPublishes {
  /** The limit on a frame of the last connection; what waits is encoded for it. */
  frameMax = 0
  readonly #channel: number
  readonly #envelopes: EnvelopeCache
  readonly #list = new LinkedList<PendingPublish>()
  #writer: Writer | undefined
  /** How many were removed since those that wait were made compact. */
  #removed = 0

  /** They are encoded for a channel. */
  constructor(channel: number, envelopes: EnvelopeCache) {
    this.#channel = channel
    this.#envelopes = envelopes
  }

  get length(): number {
    return this.#list.length
  }

  /** The first one, left where it is. */
  peek(): PendingPublish | undefined {
    return this.#list.peek()
  }

  /** Takes the first one. */
  shift(): PendingPublish | undefined {
    return this.#list.shift()
  }

  /** Encodes a message, and has it wait. */
  add(publish: PendingPublish, message: OutgoingMessage): void {
    // A getter in the headers may publish, too: that message takes another writer.
    const writer = this.#writer ?? new Writer()
    this.#writer = undefined
    const encoded = encodeMessage(writer, this.#channel, message, this.frameMax, this.#envelopes)
    writer.commit()
    this.#writer = writer
    publish.hold(encoded)
    this.#list.push(publish)
  }

  /** Puts those that are not settled back to where they belong by their tickets. Returns how many that are. */
  putBack(publishes: readonly PendingPublish[]): number {
    let again = 0
    let place = this.#list.peek()
    for (const publish of publishes) {
      if (publish.settled) continue
      while (place !== undefined && place.ticket < publish.ticket) place = place.next
      this.#list.insert(publish, place)
      again++
    }
    return again
  }

  /** Takes one out, wherever it stands. Returns false if it does not wait. */
  remove(publish: PendingPublish): boolean {
    if (!this.#list.remove(publish)) return false
    // Where most are gone, the few that are left must not keep the bytes of all of them.
    if (++this.#removed > SPARSE_FROM + this.#list.length) {
      this.#removed = 0
      for (const one of this.#all()) one.compact()
    }
    return true
  }

  /** A connection has a lower limit on frames: one that does not fit is rejected. */
  reframe(frameMax: number): void {
    for (const publish of this.#all()) {
      publish.reframe(frameMax)
      if (publish.settled) this.#list.remove(publish)
    }
  }

  /** Rejects those to an exchange, up to a ticket. */
  rejectAll(exchange: string, lastTicket: number, error: AmqpError): void {
    for (const publish of this.#all()) {
      if (publish.ticket > lastTicket) return
      if (publish.exchange !== exchange) continue
      this.#list.remove(publish)
      publish.reject(withContext(error, publish.context))
    }
  }

  /** All, in order; the one that was given last may be removed. */
  *#all(): Generator<PendingPublish> {
    for (let publish = this.#list.peek(); publish !== undefined; ) {
      const { next } = publish
      yield publish
      publish = next
    }
  }
}
