/**
 * Owns the broker's consumer of one queue within a subscription: the tag of the present consumer and of the next one,
 * and, of a stream, where a new consumer has to go on so that nothing is delivered twice and nothing is left out.
 */
import { decodeBasicHeader } from '../codec/header-field.js'
import type { Content } from '../connection/content.js'
import type { FieldValue, Table } from '../util/field-value.js'
import { Reader } from '../wire/reader.js'

/**
 * What a queue is, as far as the broker says, or the user's own declaration or consumer arguments. A message says nothing
 * of it: any publisher can set the header that a stream sets. Only where that header is missing, the queue is no stream.
 */
export type QueueKind = 'unknown' | 'queue' | 'stream'

/** One queue to consume from. */
export interface SubscribedQueue {
  readonly queue: string
  readonly consumerTag: string
  readonly noLocal: boolean
  readonly exclusive: boolean
  readonly arguments: Table
  readonly kind: QueueKind
  /** It is known to outlive its last consumer. */
  readonly outlivesConsumers: boolean
  /** Where in the stream to go on; undefined to begin where the arguments say. */
  readonly resumeAt: FieldValue
  /** The number of the consumer among those of this queue that a connection has had. */
  readonly generation: number
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
  /** Its user wants no messages for now. */
  paused = false
  /** The broker has cancelled it. */
  cancelledByBroker = false
  /** The delivery tag before the first delivery to the present consumer; undefined until that comes. */
  before: number | undefined
  /** It is to get this prefetch count when nothing is on its way to it; 0: it has the one that it should. */
  wanted = 0
  readonly #index: number
  #generation: number
  #kind: QueueKind
  #resolving: Promise<void> | undefined
  /** The header of the last delivery, of what is a stream, or may be: decoded only when it is needed. */
  #headerBytes = reader.buffer
  #headerAt = 0
  #headerEnd = 0

  /** `index` tells it from the other queues of its subscription. */
  constructor(queue: SubscribedQueue, index: number, prefetch: number) {
    this.queue = queue
    this.#index = index
    this.#generation = queue.generation
    this.#kind = queue.kind
    this.tag = this.#generation === 1 ? queue.consumerTag : this.#laterTag()
    this.prefetch = prefetch
  }

  /** It is known to be a stream. */
  get isStream(): boolean {
    return this.#kind === 'stream'
  }

  /** A message says that it comes from a stream, and nobody else does. */
  get isInDoubt(): boolean {
    return this.#kind === 'unknown' && this.resumeAt !== undefined
  }

  /** The broker has said whether it is a stream. */
  learn(isStream: boolean): void {
    if (this.#kind === 'unknown') this.#kind = isStream ? 'stream' : 'queue'
  }

  /** Has the doubt resolved by what `ask` gives, if it can be; that is asked once at a time. Never rejects. */
  resolveDoubt(ask: (queue: string) => Promise<boolean | undefined>): Promise<void> {
    if (!this.isInDoubt) return Promise.resolve()
    this.#resolving ??= ask(this.queue.queue).then(isStream => {
      this.#resolving = undefined
      if (isStream !== undefined) this.learn(isStream)
    })
    return this.#resolving
  }

  /** Its deliveries are worth looking at: it is a stream, or may be. */
  get maybeStream(): boolean {
    return this.#kind !== 'queue'
  }

  /**
   * A new consumer goes on where the old one has stopped, or begins at a fixed point: so it can wait for that. Of a stream
   * that is read from its end, and has delivered nothing yet, a message that is published in the moment of the change is
   * delivered twice.
   */
  get isResumable(): boolean {
    if (!this.maybeStream) return false
    const { resumeAt } = this
    if (resumeAt !== undefined) return true
    const offset = this.queue.arguments[STREAM_OFFSET]
    return offset !== undefined && offset !== 'next'
  }

  /** What to subscribe to from here on: of a stream, what follows the last delivery. */
  get rest(): SubscribedQueue {
    return { ...this.queue, kind: this.#kind, resumeAt: this.resumeAt, generation: this.#generation + 1 }
  }

  /** Where to go on: behind the last delivery, if the queue is a stream. */
  get resumeAt(): FieldValue {
    if (!this.maybeStream) return undefined
    const last = offsetOf(decodeBasicHeader(this.#header(), STREAM_OFFSET))
    return last === undefined ? this.queue.resumeAt : last + 1
  }

  /**
   * Goes over to a tag that was never used, and returns it: quorum queues mix consumers up that have the same one,
   * also when the first is cancelled.
   */
  renewTag(taken: ReadonlyMap<string, unknown>): string {
    do {
      this.#generation++
      this.tag = this.#laterTag()
    } while (taken.has(this.tag))
    this.before = undefined
    return this.tag
  }

  /** Looks at a delivery, while the queue may be a stream. Returns whether a doubt has come up. */
  observe({ headerBytes, headerAt, headerEnd }: Content): boolean {
    const isFirst = this.#headerEnd === 0
    this.#headerBytes = headerBytes
    this.#headerAt = headerAt
    this.#headerEnd = headerEnd
    if (!isFirst || this.#kind !== 'unknown') return false
    // A stream names the offset of each message.
    if (!this.isInDoubt) this.#kind = 'queue'
    return this.isInDoubt
  }

  #header(): Reader {
    return reader.reset(this.#headerBytes, this.#headerAt, this.#headerEnd)
  }

  /** The tag of a later consumer of a queue looks like that of the first, and ends in the queue's index. */
  #laterTag(): string {
    const tag = this.queue.consumerTag
    const bytes = Buffer.from(tag)
    const stem = bytes.length <= TAG_ROOM ? tag : bytes.toString('utf8', 0, TAG_ROOM)
    return `${stem}~${this.#generation}.${this.#index}`
  }
}

/** A header as the offset of a message; undefined if it cannot be one. */
export function offsetOf(header: FieldValue): number | undefined {
  if (typeof header !== 'number' || !Number.isSafeInteger(header) || header < 0) return undefined
  // The next one has to be an offset, too.
  return header < Number.MAX_SAFE_INTEGER ? header : undefined
}

/** The index of the queue whose later consumer has this tag. */
export function indexOfLaterTag(tag: string): number {
  return Number(tag.slice(tag.lastIndexOf('.') + 1))
}
