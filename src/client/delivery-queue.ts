/**
 * Owns the deliveries of a consumer that wait to be handed out, and the iterators that wait for deliveries: who gets
 * which, as far as the prefetch window allows. Knows nothing of how a consumer ends.
 */
import { Deque } from '../util/deque.js'
import { type Deferred, defer } from '../util/promise.js'
import { giveBack, type Message } from './message.js'
import type { PrefetchWindow } from './prefetch-window.js'

/** Where the deliveries come from. */
export interface DeliveryHost {
  /** How many of them can still be settled. */
  readonly unacked: number
}

/** What an iterator gives. */
export type Step = IteratorResult<Message, undefined>

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
  #surplus: Message[] = []
  #ending: Ending | undefined
  /** The user wants nothing for now. */
  #paused = false
  /** The broker has cancelled the consumer: whether what waits is delivered again is not known yet. */
  #inDoubt = false

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
    return this.#host.unacked - this.#waitingUnacked - this.#surplus.length
  }

  get isPaused(): boolean {
    return this.#paused
  }

  /** The deliveries that wait to be handed out, in order. */
  items(): readonly Message[] {
    return this.#messages.items()
  }

  /** A message was delivered. */
  push(message: Message): void {
    if (this.#ending !== undefined) {
      this.#surplus.push(message)
      return
    }
    this.endDoubt()
    this.#messages.push(message)
    this.#window.countDelivered(this.#host.unacked)
    if (this.#waiting.length > 0) this.handOut()
  }

  /** Deliveries that nobody is to get: they are given back with what is left at the end. */
  addSurplus(messages: readonly Message[]): void {
    this.#surplus.push(...messages)
  }

  /** Hands out nothing until {@link resume}. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.handOut()
  }

  /** The broker has cancelled the consumer: what waits is handed out only if the consumer ends now. */
  suspend(): void {
    this.#inDoubt = true
  }

  /** The consumer is back: what the broker has taken back is delivered again. */
  endDoubt(): void {
    if (this.#inDoubt) this.forget()
  }

  /** A channel is closed, or the consumer is back: what was taken back is not handed out, since it is delivered again. */
  forget(): void {
    this.#inDoubt = false
    const waiting = this.#messages.drain().filter(message => message.isOutstanding)
    // Of streams, the next consumer begins with what waits.
    const fromStreams = waiting.filter(message => message.isFromStream)
    for (const message of waiting) if (!message.isFromStream) this.#messages.push(message)
    this.#surplus = this.#surplus.filter(message => message.isOutstanding)
    giveBack(fromStreams)
    // What is left can be handed out, and perhaps nothing else comes that would have it handed out.
    this.handOut()
  }

  /** The channel of an earlier consumer is closed: what came by it is delivered again. */
  onFormerClosed(): void {
    if (this.#ending === undefined && !this.#inDoubt) this.forget()
  }

  /** Takes those of the deliveries that wait for which the predicate holds. */
  takeBack(matches: (message: Message) => boolean): readonly Message[] {
    const waiting = this.#messages.drain()
    for (const message of waiting) if (!matches(message)) this.#messages.push(message)
    return waiting.filter(matches)
  }

  /** The next message for an iterator; undefined if the consumer has ended and nothing is left. */
  next(): Promise<Step> | undefined {
    const message = this.#take()
    if (message !== undefined) return Promise.resolve({ value: message, done: false })
    if (this.#ending !== undefined && this.isEmpty) return undefined
    const waiting = defer<Step>()
    this.#waiting.push(waiting)
    this.#countWaiting()
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
    else if (this.#waiting.length > 0) this.#countWaiting()
  }

  /** No more is delivered; what waits is handed out still. */
  end(ending: Ending): void {
    this.#ending ??= ending
    this.#paused = false
    this.handOut()
  }

  /** What waits is not handed out any more. */
  discard(): void {
    this.#surplus.push(...this.#messages.drain())
    this.#endWaiting()
  }

  /** Takes the deliveries that are not handed out any more. */
  takeSurplus(): readonly Message[] {
    const surplus = this.#surplus
    this.#surplus = []
    return surplus
  }

  /** Forgets all that is not handed out: the connection is lost. */
  clear(): void {
    this.#messages.drain()
    this.#surplus = []
    this.#inDoubt = false
    this.#endWaiting()
  }

  /** How many of those that wait are unacknowledged: all, unless the broker has taken them back. */
  get #waitingUnacked(): number {
    if (!this.#inDoubt) return this.#messages.length
    return this.#messages.items().filter(message => message.isOutstanding).length
  }

  #countWaiting(): void {
    if (this.#paused || this.#messages.length > 0) return
    if (this.#window.countWaiting(this.handedOut)) this.#onWindowChanged()
  }

  /** Nobody need wait for messages that will not come. */
  #endWaiting(): void {
    const ending = this.#ending
    if (ending === undefined || !this.isEmpty) return
    for (const { resolve, reject } of this.#waiting.drain()) stepOf(ending).then(resolve, reject)
  }

  /** The next message, if there is one and the window allows it. */
  #take(): Message | undefined {
    if (this.#messages.length === 0 || this.#paused) return undefined
    if (this.#inDoubt && this.#ending === undefined) return undefined
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
    message?.autoAck(this.#window.countAutoAcked())
    return message
  }
}

function stepOf({ error }: Ending): Promise<Step> {
  return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error)
}
