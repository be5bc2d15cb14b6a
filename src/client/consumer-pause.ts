/**
 * Owns the pause of a consumer: nothing is handed out at once, and if the pause lasts, nothing is kept either: the broker
 * delivers no more, and what waits goes back to its queue.
 */
import { ignore } from '../util/promise.js'
import type { DeliveryQueue } from './delivery-queue.js'
import { giveBack } from './message.js'
import type { RecoveringSubscription } from './recovering-subscription.js'

/** A pause that is shorter than so many milliseconds is none of the broker's concern. */
const LEAST_PAUSE = 1000

export class ConsumerPause {
  readonly #subscription: RecoveringSubscription
  readonly #deliveries: DeliveryQueue
  #timer: NodeJS.Timeout | undefined

  constructor(subscription: RecoveringSubscription, deliveries: DeliveryQueue) {
    this.#subscription = subscription
    this.#deliveries = deliveries
  }

  get isOn(): boolean {
    return this.#deliveries.isPaused
  }

  begin(): void {
    if (this.isOn) return
    this.#deliveries.pause()
    this.#timer = setTimeout(() => void this.#keepNothing(), LEAST_PAUSE)
    this.#timer.unref()
  }

  end(): void {
    if (!this.isOn) return
    this.stop()
    if (this.#subscription.isPaused) this.#subscription.unpause().catch(ignore)
    this.#deliveries.resume()
  }

  /** The consumer has ended. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Never rejects. */
  async #keepNothing(): Promise<void> {
    try {
      const goesBack = await this.#subscription.pause()
      if (this.isOn) giveBack(this.#deliveries.takeBack(goesBack))
    } catch {
      // The channel is closed: its end is told otherwise.
    }
  }
}
