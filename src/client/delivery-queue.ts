/**
 * Owns the deliveries of a consumer that wait to be handed out, and the iterators that wait for deliveries: who gets
 * which, as far as the prefetch window allows. How the consumer ends is not decided here.
 */
import { Deque } from '../util/deque.js'
import { type Deferred, defer } from '../util/promise.js'
import type { Message } from './message.js'
import type { PrefetchWindow } from './prefetch-window.js'

/** How a consumer ended: `undefined` normally, else with what iterators throw. */
export interface Ending {
  readonly error: unknown
}

/** What the queue needs of its consumer. */
export interface DeliveryQueueHost {
  readonly noAck: boolean
  readonly window: PrefetchWindow
  /** Set when the consumer has ended. */
  readonly ending: Ending | undefined
  /** How many deliveries are handed out and unacknowledged. */
  readonly handedOut: number
  /** A message is handed out that is acked automatically. */
  onAutoAck(message: Message, soon: boolean): void
  /** The broker has to be asked for another prefetch count. */
  onWindowChanged(): void
}

type Step = IteratorResult<Message, undefined>

export class DeliveryQueue {
  readonly #host: DeliveryQueueHost
  readonly #messages = new Deque<Message>()
  readonly #waiting = new Deque<Deferred<Step>>()

  constructor(host: DeliveryQueueHost) {
    this.#host = host
  }

  /** How many deliveries wait to be handed out. */
  get length(): number {
    return this.#messages.length
  }

  /** Those that wait to be handed out, in order. */
  items(): readonly Message[] {
    return this.#messages.items()
  }

  /** A message was delivered. */
  push(message: Message): void {
    this.#messages.push(message)
    if (this.#waiting.length > 0) this.handOut()
  }

  /** The next message for an iterator; undefined where the consumer has ended and nothing is left. */
  next(): Promise<Step> | undefined {
    const message = this.#take()
    if (message !== undefined) return Promise.resolve({ value: message, done: false })
    if (this.#host.ending !== undefined && this.#messages.length === 0) return undefined
    const waiting = defer<Step>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  /** Serves the iterators that wait, as far as the window allows. */
  handOut(): void {
    if (this.#waiting.length === 0) return
    while (this.#waiting.length > 0) {
      const message = this.#take()
      if (message === undefined) break
      this.#waiting.shift()?.resolve({ value: message, done: false })
    }
    this.endWaiting()
  }

  /** The consumer has ended: nobody need wait for messages that will not come. Those that are left are handed out still. */
  endWaiting(): void {
    const { ending } = this.#host
    if (ending === undefined || this.#messages.length > 0) return
    for (const waiting of this.#waiting.drain()) {
      lastStep(ending).then(
        step => waiting.resolve(step),
        error => waiting.reject(error),
      )
    }
  }

  /** Takes all that wait to be handed out. */
  drain(): Message[] {
    return this.#messages.drain()
  }

  /** The next message, if there is one and the window allows it. */
  #take(): Message | undefined {
    if (this.#messages.length === 0) return undefined
    const host = this.#host
    if (host.noAck) return this.#takeAutoAcked()
    const { window, handedOut } = host
    if (!window.allows(handedOut)) return undefined
    const message = this.#messages.shift()
    if (window.countHandedOut(handedOut)) host.onWindowChanged()
    return message
  }

  /** With automatic acks, the broker's window follows what is handed out: a slow reader makes it wait. */
  #takeAutoAcked(): Message | undefined {
    const message = this.#messages.shift()
    if (message !== undefined) this.#host.onAutoAck(message, this.#host.window.countAutoAcked())
    return message
  }
}

/** What an iterator gives, or throws, at the end. */
export function lastStep({ error }: Ending): Promise<Step> {
  return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error)
}
