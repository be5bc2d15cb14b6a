/**
 * Owns the broker's consumer of one queue within a subscription: the tag of the present consumer and of the next one,
 * and, of a stream, where a new consumer has to go on so that nothing is delivered twice and nothing is left out.
 */
import { decodeBasicHeaders } from '../codec/properties.gen.js'
import type { Content } from '../connection/content.js'
import type { FieldValue, Table } from '../util/field-value.js'
import { Reader } from '../wire/reader.js'

/** One queue to consume from. */
export interface SubscribedQueue {
  readonly queue: string
  readonly consumerTag: string
  readonly noLocal: boolean
  readonly exclusive: boolean
  readonly arguments: Table
  /** It is known to outlive its last consumer. */
  readonly outlivesConsumers?: boolean
}

/** The consumer argument that says where in a stream to begin, and the header that says where a message stands. */
export const STREAM_OFFSET = 'x-stream-offset'
/** A short string holds 255 bytes; some are for what makes a tag unique. */
const TAG_ROOM = 230

const reader = new Reader(Buffer.alloc(0))

export class QueueConsumer {
  readonly queue: SubscribedQueue
  /** The tag of the present consumer on the wire. */
  tag: string
  /** The prefetch count of the present consumer. */
  prefetch: number
  readonly #index: number
  #generation = 1
  #kind: 'unknown' | 'queue' | 'stream' = 'unknown'
  /** The header of the stream's last delivery: decoded only when it is needed. */
  #headerBytes = reader.buffer
  #headerAt = 0
  #headerEnd = 0

  /** `index` tells it from the other queues of its subscription. */
  constructor(queue: SubscribedQueue, index: number, prefetch: number) {
    this.queue = queue
    this.#index = index
    this.tag = queue.consumerTag
    this.prefetch = prefetch
  }

  /**
   * A new consumer goes on where the old one has stopped, or begins at a fixed point: so it can wait for that. Of a
   * queue that has delivered nothing yet it may not be known that it is a stream; if it is one, it is read from its
   * end, and a message that is published in that very moment is delivered twice.
   */
  get isResumable(): boolean {
    if (this.isStream) return true
    const offset = this.queue.arguments[STREAM_OFFSET]
    return this.#kind === 'unknown' && offset !== undefined && offset !== 'next'
  }

  /** It is known to be a stream. */
  get isStream(): boolean {
    return this.#kind === 'stream'
  }

  /** It is a stream, or may be. */
  get maybeStream(): boolean {
    return this.#kind !== 'queue'
  }

  /** What to subscribe to from here on: of a stream, what follows the last delivery. */
  get rest(): SubscribedQueue {
    const { queue } = this
    if (!this.isStream) return queue
    const last = offsetOf(this.#headerBytes, this.#headerAt, this.#headerEnd)
    const next = typeof last === 'bigint' ? last + 1n : Number(last) + 1
    return { ...queue, arguments: { ...queue.arguments, [STREAM_OFFSET]: next } }
  }

  /**
   * Goes over to a tag that was never used, and returns it: quorum queues mix consumers up that have the same one,
   * also when the first is cancelled.
   */
  renewTag(taken: ReadonlyMap<string, unknown>): string {
    do {
      this.#generation++
      this.tag = laterTag(this.queue.consumerTag, this.#generation, this.#index)
    } while (taken.has(this.tag))
    return this.tag
  }

  /** Looks at a delivery, while the queue may be a stream. Returns whether it is one. */
  observe({ headerBytes, headerAt, headerEnd }: Content): boolean {
    if (this.#kind === 'unknown') {
      this.#kind = offsetOf(headerBytes, headerAt, headerEnd) === undefined ? 'queue' : 'stream'
      if (this.#kind === 'queue') return false
    }
    this.#headerBytes = headerBytes
    this.#headerAt = headerAt
    this.#headerEnd = headerEnd
    return true
  }
}

/** Where in its stream a message stands; undefined if it comes from no stream. */
function offsetOf(bytes: Buffer, at: number, end: number): number | bigint | undefined {
  let offset: FieldValue
  try {
    offset = decodeBasicHeaders(reader.reset(bytes, at, end))[STREAM_OFFSET]
  } catch {
    // Headers that cannot be decoded are the concern of whoever reads them.
    return undefined
  }
  return typeof offset === 'number' || typeof offset === 'bigint' ? offset : undefined
}

/** The tag of a later consumer of a queue looks like that of the first, and ends in the queue's index. */
function laterTag(tag: string, generation: number, index: number): string {
  const bytes = Buffer.from(tag)
  const stem = bytes.length <= TAG_ROOM ? tag : bytes.toString('utf8', 0, TAG_ROOM)
  return `${stem}~${generation}.${index}`
}

/** The index of the queue whose later consumer has this tag. */
export function indexOfLaterTag(tag: string): number {
  return Number(tag.slice(tag.lastIndexOf('.') + 1))
}
