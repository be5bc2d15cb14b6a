/**
 * Owns one run of `publishMany`: how many messages are in flight, when the next one is taken, what is counted, and the one
 * end for one reason. Nothing is kept of a message whose outcome is known. Knows nothing of AMQP.
 */
import { AmqpError, type ErrorContext } from '../errors.js'
import type { PublishManyMessage, PublishManyOptions, PublishManyResult } from '../options.js'
import { PublishManyError } from '../publish-many-error.js'
import { watchAbort } from '../util/abort.js'
import { type Deferred, defer, ignore } from '../util/promise.js'
import { MessageSource, type SourceListener } from './message-source.js'

/** What a load needs of whoever publishes for it. */
export interface PublishLoadHost<M> {
  /** Publishes; never throws, but rejects. */
  publish(message: M): Promise<void>
  /** The next publish would be refused: too many are pending, the load's own or others. */
  readonly full: boolean
  /** Resolves when that is over. */
  room(): Promise<void>
  /** Throws if nothing can be published, whatever the message. */
  check(): void
}

/** What a user asks of `publishMany`, checked. */
export interface PublishLoadPlan<M> {
  readonly messages: Iterable<M> | AsyncIterable<M>
  readonly window: number
  readonly signal: AbortSignal | undefined
  readonly onError: PublishManyOptions<M>['onError']
}

type State =
  | { readonly name: 'loading' }
  /** All messages are taken. */
  | { readonly name: 'exhausted' }
  /** No more messages are taken; the error is made when nothing is in flight any more. */
  | { readonly name: 'ending'; readonly error: () => unknown }
  | { readonly name: 'over' }

/**
 * So many messages are taken in one turn of the event loop. Messages that fail at once would else keep everything from
 * running: timers, the network, and whoever may abort.
 */
const MOST_PER_TURN = 1000

export class PublishLoad<M extends PublishManyMessage> implements SourceListener<M> {
  readonly #host: PublishLoadHost<M>
  readonly #plan: PublishLoadPlan<M>
  readonly #source: MessageSource<M>
  readonly #outcome: Deferred<PublishManyResult> = defer<PublishManyResult>()
  #state: State = { name: 'loading' }
  /** Taken, and not published yet: there was no room. */
  #held: { readonly message: M } | undefined
  /** Waits for room, or for the next turn of the event loop. */
  #pausing = false
  #takenInTurn = 0
  /** What has to settle before the end: publishes, calls of `onError`, and the iterator's cleaning up. */
  #inFlight = 0
  #index = 0
  #published = 0
  #failed = 0
  #stopWatching: (() => void) | undefined

  /** Throws what making the iterator throws. */
  constructor(plan: PublishLoadPlan<M>, host: PublishLoadHost<M>) {
    this.#host = host
    this.#plan = plan
    this.#source = new MessageSource(plan.messages, this)
  }

  /** Resolves when all messages are published, or were told to `onError`. */
  get outcome(): Promise<PublishManyResult> {
    return this.#outcome.promise
  }

  /** Begins. */
  start(): void {
    const { signal } = this.#plan
    if (signal?.aborted === true) {
      this.#abort(signal.reason)
      return
    }
    if (signal !== undefined) {
      this.#stopWatching = watchAbort({ signal }, reason => this.#abort(reason), ignore)
    }
    this.#advance()
  }

  /** Ends it if nothing can be published any more. */
  checkHost(): void {
    try {
      this.#host.check()
    } catch (error) {
      this.#stop(() => error)
    }
  }

  onMessage(message: M): void {
    if (this.#state.name !== 'loading') return
    if (this.#host.full) this.#held = { message }
    else this.#publish(message)
  }

  onExhausted(): void {
    if (this.#state.name === 'loading') this.#state = { name: 'exhausted' }
  }

  onSourceError(error: unknown): void {
    this.#stop(() => error)
  }

  onReady(): void {
    this.#advance()
  }

  /** Takes messages as long as more may be in flight. */
  #advance(): void {
    while (this.#mayGoOn()) {
      const held = this.#held
      if (held !== undefined) {
        if (this.#host.full) {
          this.#pauseUntil(this.#host.room())
          return
        }
        this.#held = undefined
        this.#publish(held.message)
      } else if (this.#takenInTurn === MOST_PER_TURN) {
        this.#takenInTurn = 0
        this.#pauseUntil(nextTurn())
        return
      } else {
        this.#takenInTurn++
        this.#source.take()
      }
    }
    this.#endIfSettled()
  }

  #mayGoOn(): boolean {
    return (
      this.#state.name === 'loading' &&
      this.#inFlight < this.#plan.window &&
      !this.#pausing &&
      !this.#source.busy
    )
  }

  #pauseUntil(event: Promise<void>): void {
    this.#pausing = true
    void event.then(() => {
      this.#pausing = false
      this.#advance()
    })
  }

  #publish(message: M): void {
    const index = this.#index++
    this.#inFlight++
    this.#host.publish(message).then(this.#onPublished, error => this.#onFailed(error, message, index))
  }

  readonly #onPublished = (): void => {
    this.#published++
    this.#leave()
  }

  #onFailed(error: unknown, message: M, index: number): void {
    if (this.#state.name === 'over') return
    this.#failed++
    // What ends the client is no fault of this message.
    this.checkHost()
    if (this.#plan.onError !== undefined) {
      void this.#report(error, message, index)
      return
    }
    this.#stop(() => this.#errorOf(error, message, index))
    this.#leave()
  }

  async #report(error: unknown, message: M, index: number): Promise<void> {
    try {
      await this.#plan.onError?.(error, message, index)
    } catch (failure) {
      this.#stop(() => failure)
    }
    this.#leave()
  }

  readonly #leave = (): void => {
    this.#inFlight--
    this.#advance()
  }

  /** Takes no more messages; what is in flight is waited for. The first reason counts. */
  #stop(error: () => unknown): void {
    if (this.#state.name !== 'loading' && this.#state.name !== 'exhausted') return
    this.#state = { name: 'ending', error }
    this.#held = undefined
    const cleanup = this.#source.close()
    if (cleanup !== undefined) {
      this.#inFlight++
      cleanup.then(this.#leave, this.#leave)
    }
    this.#endIfSettled()
  }

  /** Waits for nothing: what is in flight may never settle. */
  #abort(reason: unknown): void {
    this.#state = { name: 'over' }
    this.#held = undefined
    this.#outcome.reject(reason)
    void this.#source.close()
  }

  #endIfSettled(): void {
    const state = this.#state
    if (this.#inFlight > 0 || state.name === 'loading' || state.name === 'over') return
    this.#state = { name: 'over' }
    this.#stopWatching?.()
    if (state.name === 'ending') this.#outcome.reject(state.error())
    else this.#outcome.resolve({ published: this.#published, failed: this.#failed })
  }

  #errorOf(cause: unknown, failedMessage: M, index: number): PublishManyError {
    const about: ErrorContext = cause instanceof AmqpError ? cause : {}
    const text = cause instanceof Error ? `: ${cause.message}` : ''
    return new PublishManyError(
      `publishMany: message ${index} failed${text}`,
      { failedMessage, index, published: this.#published, failed: this.#failed },
      {
        operation: 'publishMany',
        ticket: about.ticket,
        replyCode: about.replyCode,
        classId: about.classId,
        methodId: about.methodId,
        cause,
      },
    )
  }
}

function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
