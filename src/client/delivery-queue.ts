/**
 * Owns the deliveries of a consumer that wait to be handed out, and the iterators that wait for deliveries: who gets
 * which, as far as the prefetch window allows. Knows nothing of how a consumer ends.
 */
import { Deque } from '../util/deque.js'
import { type Deferred, defer } from '../util/promise.js'
import type { Message } from './message.js'
import type { PrefetchWindow } from './prefetch-window.js'

/** Where the deliveries come from. */
export interface DeliveryHost {
  /** How many of them can still be settled. */
  readonly unacked: number
  /** Acks a message that needs no settling by its user. */
  autoAck(deliveryTag: number, soon: boolean): void
}

/** What an iterator gives. */
type Step = IteratorResult<Message, undefined>

/** How a consumer ended: `undefined` normally, else with what iterators throw. */
export interface Ending {
  readonly error: unknown
}

const NORMAL: Ending = { error: undefined }

export class DeliveryQueue {
  readonly #host: DeliveryHost
  readonly #window: PrefetchWindow
  readonly #noAck: boolean
  /** The broker has to be asked for another prefetch count. */
  readonly #onWindowChanged: () => void
  readonly #messages = new Deque<Message>()
  readonly #waiting = new Deque<Deferred<Step>>()
  /** The deliveries that are not to be handed out any more. */
  #surplus: number[] = []
  #ending: Ending | undefined

  constructor(host: DeliveryHost, window: PrefetchWindow, noAck: boolean, onWindowChanged: () => void) {
    this.#host = host
    this.#window = window
    this.#noAck = noAck
    this.#onWindowChanged = onWindowChanged
  }

  /** Nothing waits to be handed out. */
  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  /** How many deliveries are handed out and unacknowledged. */
  get handedOut(): number {
    return this.#host.unacked - this.#messages.length - this.#surplus.length
  }

  /** The deliveries that wait to be handed out, in order. */
  items(): readonly Message[] {
    return this.#messages.items()
  }

  /** A message was delivered. */
  push(message: Message): void {
    if (this.#ending !== undefined) {
      this.#surplus.push(message.deliveryTag)
      return
    }
    this.#messages.push(message)
    if (this.#waiting.length > 0) this.handOut()
  }

  /** The next message for an iterator; undefined if the consumer has ended and nothing is left. */
  next(): Promise<Step> | undefined {
    const message = this.#take()
    if (message !== undefined) return Promise.resolve({ value: message, done: false })
    if (this.#ending !== undefined && this.isEmpty) return undefined
    const waiting = defer<Step>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  /** What an iterator gives, or throws, at the end. */
  lastStep(): Promise<Step> {
    return stepOf(this.#ending ?? NORMAL)
  }

  /** Serves the iterators that wait, as far as the window allows. */
  handOut(): void {
    while (this.#waiting.length > 0) {
      const message = this.#take()
      if (message === undefined) break
      this.#waiting.shift()?.resolve({ value: message, done: false })
    }
    if (this.#ending !== undefined) this.#endWaiting()
  }

  /** No more is delivered; what waits is handed out still. */
  end(ending: Ending): void {
    this.#ending ??= ending
    this.#endWaiting()
  }

  /** What waits is not handed out any more. */
  discard(): void {
    for (const { deliveryTag } of this.#messages.drain()) this.#surplus.push(deliveryTag)
    this.#endWaiting()
  }

  /** Takes the deliveries that are not handed out any more. */
  takeSurplus(): readonly number[] {
    const surplus = this.#surplus
    this.#surplus = []
    return surplus
  }

  /** Forgets all that is not handed out: its channel is closed. */
  clear(): void {
    this.#messages.drain()
    this.#surplus = []
    this.#endWaiting()
  }

  /** Nobody need wait for messages that will not come. */
  #endWaiting(): void {
    const ending = this.#ending
    if (ending === undefined || !this.isEmpty) return
    for (const { resolve, reject } of this.#waiting.drain()) stepOf(ending).then(resolve, reject)
  }

  /** The next message, if there is one and the window allows it. */
  #take(): Message | undefined {
    if (this.#messages.length === 0) return undefined
    if (this.#noAck) return this.#takeAutoAcked()
    const { handedOut } = this
    if (!this.#window.allows(handedOut)) return undefined
    const message = this.#messages.shift()
    if (this.#window.countHandedOut(handedOut)) this.#onWindowChanged()
    return message
  }

  /** With automatic acks, the broker's window follows what is handed out: a slow reader makes it wait. */
  #takeAutoAcked(): Message | undefined {
    const message = this.#messages.shift()
    if (message !== undefined) this.#host.autoAck(message.deliveryTag, this.#window.countAutoAcked())
    return message
  }
}

function stepOf({ error }: Ending): Promise<Step> {
  return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error)
}
