/**
 * Owns the barriers of a confirm channel: a confirm.select on a channel that is in confirm mode already does nothing but
 * answer, and methods of a channel are answered in order. What lies before an answered barrier is dealt with: it cannot
 * come back any more, and did not close the channel, also if it is never confirmed.
 */
import type { Channel } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { ignore } from '../util/promise.js'
import type { PendingPublish } from './pending-publish.js'

const SELECT = encodeRequest('confirm.select', { noWait: false }, 0)

export class Barriers {
  readonly #channel: Channel
  readonly #onAnswer: () => void
  #sent = 0
  #answered = 0
  #written = 0
  /** Where the mandatory publishes go that were written since the last barrier. */
  readonly #routes = new Set<string>()
  /** The mandatory publishes that may still come back, in order. */
  #mandatory: PendingPublish[] = []

  /** The first one puts the channel into confirm mode. `onAnswer` is called for each one. */
  constructor(channel: Channel, onAnswer: () => void) {
    this.#channel = channel
    this.#onAnswer = onAnswer
    this.#send()
  }

  /** How many publishes were written since the last barrier. */
  get written(): number {
    return this.#written
  }

  /** There is an answered barrier behind everything that is written. */
  get allAnswered(): boolean {
    return this.#written === 0 && (this.#answered === this.#sent || this.#sent === 1)
  }

  /** Sees to it that there is a barrier behind everything that is written. */
  enclose(): void {
    if (this.#written > 0) this.#send()
  }

  /** A mandatory publish is written next: since the last barrier, no other one went to the same route. */
  beforeMandatory(route: string): void {
    if (this.#routes.has(route)) this.#send()
    this.#routes.add(route)
  }

  /** A publish is written. */
  afterWrite(publish: PendingPublish): void {
    publish.barriersBefore = this.#sent
    if (publish.route !== undefined) this.#mandatory.push(publish)
    this.#written++
  }

  /** The publish that a returned message is about: the one to its route behind the last answered barrier. */
  findReturned(route: string): PendingPublish | undefined {
    this.#forgetReturned()
    return this.#mandatory.find(publish => this.isBehindLastAnswer(publish) && publish.route === route)
  }

  /** It was written behind the last answered barrier, and before any other one. */
  isBehindLastAnswer(publish: PendingPublish): boolean {
    return publish.barriersBefore === this.#answered
  }

  /** A barrier behind it is answered. */
  isAnswered(publish: PendingPublish): boolean {
    return publish.barriersBefore < this.#answered
  }

  #send(): void {
    this.#sent++
    this.#written = 0
    this.#routes.clear()
    this.#forgetReturned()
    const onReply = (): void => {
      this.#answered++
      this.#onAnswer()
    }
    this.#channel.ask(SELECT, {}, onReply, ignore)
  }

  /** What lies before the last answered barrier cannot come back any more. */
  #forgetReturned(): void {
    const first = this.#mandatory.findIndex(({ barriersBefore }) => barriersBefore >= this.#answered)
    if (first > 0) this.#mandatory.splice(0, first)
    else if (first < 0) this.#mandatory = []
  }
}
