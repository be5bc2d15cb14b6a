/**
 * Owns the iterator that `publishMany` takes messages from: one at a time, at once or later, and its end from either side.
 * Knows nothing of publishing.
 */
import { ArgumentError } from '../errors.js'
import { quiet } from '../util/promise.js'

/** Whoever takes messages from a source. */
export interface SourceListener<M> {
  /** The message that was asked for. */
  onMessage(message: M): void
  /** There are no more. */
  onExhausted(): void
  /** The iterator has thrown: there are no more. */
  onSourceError(error: unknown): void
  /** What was asked for has come later than the call: the next one may be asked for. */
  onReady(): void
}

export class MessageSource<M> {
  readonly #iterator: Iterator<M> | AsyncIterator<M>
  readonly #async: boolean
  readonly #listener: SourceListener<M>
  /** The iterator is at work on `next`. */
  #busy = false
  /** It has ended, or has been told to. */
  #over = false

  /** Throws {@link ArgumentError} unless there is something to iterate over, and what making the iterator throws. */
  constructor(messages: Iterable<M> | AsyncIterable<M>, listener: SourceListener<M>) {
    this.#async = isAsyncIterable(messages)
    this.#iterator = iteratorOf(messages)
    this.#listener = listener
  }

  /** A message was asked for and has not come yet. */
  get busy(): boolean {
    return this.#busy
  }

  /** Asks for the next message. The listener is told within the call, or later. */
  take(): void {
    this.#busy = true
    try {
      const result = this.#iterator.next()
      if (this.#async) Promise.resolve(result).then(this.#onResult, this.#onError)
      else this.#accept(result as IteratorResult<M>)
    } catch (error) {
      this.#fail(error)
    }
  }

  /**
   * No more messages are wanted. The promise resolves when the iterator has cleaned up. There is none to wait for while
   * it is at work: it may never come to an end.
   */
  close(): Promise<unknown> | undefined {
    if (this.#over) return undefined
    this.#over = true
    if (!this.#busy) return this.#return()
    // A generator that is running takes no `return`; one that waits keeps it for later.
    if (this.#async) this.#return()
    return undefined
  }

  readonly #onResult = (result: IteratorResult<M>): void => {
    try {
      this.#accept(result)
    } catch (error) {
      this.#fail(error)
    }
    this.#listener.onReady()
  }

  readonly #onError = (error: unknown): void => {
    this.#fail(error)
    this.#listener.onReady()
  }

  #accept(result: IteratorResult<M>): void {
    this.#busy = false
    if (typeof result !== 'object' || result === null) {
      throw new ArgumentError('publishMany: next() of the iterator must give an object', {
        operation: 'publishMany',
      })
    }
    const done = result.done === true
    if (this.#over) {
      if (!done && !this.#async) this.#return()
    } else if (done) {
      this.#over = true
      this.#listener.onExhausted()
    } else {
      this.#listener.onMessage(result.value)
    }
  }

  #fail(error: unknown): void {
    this.#busy = false
    if (this.#over) return
    this.#over = true
    this.#listener.onSourceError(error)
  }

  /** As at the end of any loop that something else has ended: what cleaning up throws does not count. */
  #return(): Promise<unknown> | undefined {
    try {
      const returned = this.#iterator.return?.()
      return this.#async && returned !== undefined ? quiet(Promise.resolve(returned)) : undefined
    } catch {
      return undefined
    }
  }
}

function iteratorOf<M>(messages: Iterable<M> | AsyncIterable<M>): Iterator<M> | AsyncIterator<M> {
  if (isAsyncIterable(messages)) return messages[Symbol.asyncIterator]()
  if (isIterable(messages)) return messages[Symbol.iterator]()
  throw new ArgumentError('the messages must be an iterable or an async iterable')
}

function isAsyncIterable<M>(messages: unknown): messages is AsyncIterable<M> {
  return isObject(messages) && typeof messages[Symbol.asyncIterator] === 'function'
}

/** A string is one, too, but its characters are no messages. */
function isIterable<M>(messages: unknown): messages is Iterable<M> {
  return isObject(messages) && typeof messages[Symbol.iterator] === 'function'
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null
}
