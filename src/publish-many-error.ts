/**
 * Owns the error that `publishMany` rejects with when a message fails: which message, and how far it came. It holds the
 * message, but shows it to nobody who does not ask for it.
 */
import { AmqpError, type ErrorContext } from './errors.js'
import type { PublishManyMessage } from './options.js'

/** What a {@link PublishManyError} knows of the message that failed, and of all others. */
export interface PublishManyFailure {
  /** The message that failed. */
  readonly failedMessage: PublishManyMessage
  /** Its position among the messages, from 0. */
  readonly index: number
  /** How many messages were published. */
  readonly published: number
  /** How many messages failed. */
  readonly failed: number
}

/** A message of `publishMany` failed, and there was no `onError`. `cause` is the error of that message. */
export class PublishManyError extends AmqpError {
  override readonly name = 'PublishManyError'
  override readonly code = 'PUBLISH_MANY'
  /** The position of the message that failed first, from 0 in the order of the iterator. */
  readonly index: number
  /** How many messages were published, also behind the one that failed: what was in flight was waited for. */
  readonly published: number
  /** How many messages failed: this one, and those in flight that failed, too. */
  readonly failed: number
  /** Private, so that no log shows what may be large, or secret. */
  readonly #failedMessage: PublishManyMessage

  constructor(
    message: string,
    { failedMessage, index, published, failed }: PublishManyFailure,
    context: ErrorContext = {},
  ) {
    super(message, context)
    this.#failedMessage = failedMessage
    this.index = index
    this.published = published
    this.failed = failed
  }

  /** The message that failed first: the very object that the iterator gave. Logs do not show it. */
  get failedMessage(): PublishManyMessage {
    return this.#failedMessage
  }
}
