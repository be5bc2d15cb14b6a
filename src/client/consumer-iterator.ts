/** Owns one loop over a consumer: its messages one by one, and what becomes of those in hand where it is left. */
import type { DeliveryQueue, Step } from './delivery-queue.js'
import type { Message } from './message.js'
import { deliveries as told } from './trace-channels.js'

/** What a loop needs of its consumer. */
export interface IteratorHost {
  /** What is in hand goes back where a loop is left. */
  readonly requeuesOnLeave: boolean
  /** A loop asks for a message. */
  onNext(): void
  /** A loop was left, with these messages to be given back. Resolves when the consumer is cancelled. */
  leave(inHand: readonly Message[]): Promise<void>
}

/** So many messages that a loop has had are remembered before the settled ones among them are forgotten. */
const LEAST_REMEMBERED = 16

export class ConsumerIterator implements AsyncIterator<Message, undefined> {
  readonly #host: IteratorHost
  readonly #deliveries: DeliveryQueue
  readonly #announces: boolean
  #over = false
  /** What was handed to this loop, and may be unsettled. */
  #given: Message[] = []
  #rememberUpTo = LEAST_REMEMBERED

  /** `announces`: what it hands out is told to whoever traces deliveries. */
  constructor(host: IteratorHost, deliveries: DeliveryQueue, announces: boolean) {
    this.#announces = announces
    this.#host = host
    this.#deliveries = deliveries
  }

  next(): Promise<Step> {
    if (this.#over) return Promise.resolve({ value: undefined, done: true })
    const next = this.#deliveries.next()
    this.#host.onNext()
    if (next === undefined) {
      this.#over = true
      return this.#deliveries.lastStep()
    }
    if (this.#announces && told.hasSubscribers) return next.then(step => announced(this.#seen(step)))
    return this.#host.requeuesOnLeave ? next.then(step => this.#seen(step)) : next
  }

  async return(): Promise<Step> {
    this.#over = true
    await this.#host.leave(this.#given.filter(message => message.isOutstanding))
    return { value: undefined, done: true }
  }

  #seen(step: Step): Step {
    if (step.value === undefined || !this.#host.requeuesOnLeave) return step
    this.#given.push(step.value)
    if (this.#given.length > this.#rememberUpTo) {
      this.#given = this.#given.filter(message => message.isOutstanding)
      this.#rememberUpTo = Math.max(LEAST_REMEMBERED, 2 * this.#given.length)
    }
    return step
  }
}

function announced(step: Step): Step {
  if (step.value !== undefined) told.publish({ message: step.value })
  return step
}
