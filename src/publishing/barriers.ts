/**
 * Owns the barriers of a confirm channel: a confirm.select on a channel that is in confirm mode already does nothing but
 * answer, and methods of a channel are answered in order. What lies before an answered barrier is dealt with: it cannot
 * come back any more, and did not close the channel.
 */
import type { Channel } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { ignore } from '../util/promise.js'
import type { PendingPublish } from './pending-publish.js'

/** The most mandatory routes between two barriers: it bounds the search for a returned message. */
const MAX_ROUTES = 1000

const SELECT = encodeRequest('confirm.select', { noWait: false }, 0)

export class Barriers {
  readonly #channel: Channel
  #sent = 0
  #answered = 0
  /** Where the mandatory publishes go that were written since the last barrier. */
  readonly #routes = new Set<string>()
  /** The mandatory publishes that may still come back, in order. */
  #mandatory: PendingPublish[] = []

  /** The first one puts the channel into confirm mode. */
  constructor(channel: Channel) {
    this.#channel = channel
    this.send()
  }

  send(): void {
    this.#sent++
    this.#routes.clear()
    this.#forgetReturned()
    this.#channel.ask(SELECT, {}, () => this.#answered++, ignore)
  }

  /** A mandatory publish is written next: since the last barrier, no other one went to the same route. */
  beforeMandatory(route: string): void {
    if (this.#routes.has(route) || this.#routes.size >= MAX_ROUTES) this.send()
    this.#routes.add(route)
  }

  /** A publish is written. */
  afterWrite(publish: PendingPublish): void {
    publish.barriersBefore = this.#sent
    if (publish.route !== undefined) this.#mandatory.push(publish)
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

  /** What lies before the last answered barrier cannot come back any more. */
  #forgetReturned(): void {
    const first = this.#mandatory.findIndex(({ barriersBefore }) => barriersBefore >= this.#answered)
    if (first > 0) this.#mandatory.splice(0, first)
    else if (first < 0) this.#mandatory = []
  }
}
