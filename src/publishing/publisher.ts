/**
 * Owns publishing, over all the connections of a client: which of the two publishing channels a message takes, and
 * whether the broker takes messages now. Each line keeps its channel number for good, so that encoded bytes can be sent
 * again as they are.
 */

import type { Metrics } from '../connection/metrics.js'
import type { AmqpError } from '../errors.js'
import type { OperationOptions } from '../options.js'
import type { TicketCounter } from '../ticket.js'
import { ConfirmChannel } from './confirm-channel.js'
import type { Message } from './message-envelope.js'
import { PublishBudget } from './pending-publish.js'
import type { PublishConnection } from './publish-buffer.js'
import { UnconfirmedChannel } from './unconfirmed-channel.js'

const CONFIRMED_CHANNEL = 1
const UNCONFIRMED_CHANNEL = 2
/** So many channel numbers belong to publishing. */
export const RESERVED_CHANNELS = 2

/** How much may be pending. */
export interface PublishLimits {
  readonly maxPendingPublishes: number
  readonly maxPendingPublishBytes: number
}

export class Publisher {
  readonly #confirmed: ConfirmChannel
  readonly #unconfirmed: UnconfirmedChannel
  readonly #budget: PublishBudget
  #blocked = false
  /** Is told of the next publish: then there has to be a connection. */
  #onDemand: (() => void) | undefined

  constructor(
    counter: TicketCounter,
    { maxPendingPublishes, maxPendingPublishBytes }: PublishLimits,
    metrics: Metrics,
  ) {
    this.#budget = new PublishBudget(maxPendingPublishes, maxPendingPublishBytes)
    this.#confirmed = new ConfirmChannel(CONFIRMED_CHANNEL, counter, this.#budget, metrics)
    this.#unconfirmed = new UnconfirmedChannel(UNCONFIRMED_CHANNEL, counter, this.#budget, metrics)
  }

  /** How many publishes are pending, and how many bytes they are. */
  get pending(): { readonly count: number; readonly bytes: number } {
    return this.#budget.pending
  }

  /** Publishes; never throws, but rejects. */
  publish(message: Message, confirm: boolean, options: OperationOptions): Promise<void> {
    if (this.#onDemand !== undefined) this.#demand()
    return confirm ? this.#confirmed.publish(message, options) : this.#unconfirmed.publish(message, options)
  }

  /** There can be a connection: `onDemand` is called as soon as there is anything to publish. */
  onDemand(onDemand: () => void): void {
    this.#onDemand = onDemand
    if (this.#budget.pending.count > 0) this.#demand()
  }

  /** There is a connection: what waits leaves by it. */
  attach({ outbox, info, openChannel }: Omit<PublishConnection, 'blocked'>): void {
    const isBlocked = (): boolean => this.#blocked
    const home: PublishConnection = {
      outbox,
      info,
      openChannel,
      get blocked() {
        return isBlocked()
      },
    }
    this.#confirmed.attach(home)
    this.#unconfirmed.attach(home)
  }

  /** The connection is gone: what was in flight waits for the next one. */
  detach(reason: AmqpError): void {
    this.#blocked = false
    this.#onDemand = undefined
    this.#confirmed.detach(reason)
    this.#unconfirmed.detach(reason)
  }

  /** The broker asks not to publish: what comes now waits. */
  block(): void {
    this.#blocked = true
  }

  /** The broker takes messages again: what waits leaves in order. */
  unblock(): void {
    this.#blocked = false
    this.onWritable()
  }

  /** The transport takes more. */
  onWritable(): void {
    this.#confirmed.release()
    this.#unconfirmed.release()
  }

  /** This client deleted an exchange. */
  exchangeDeleted(exchange: string): void {
    this.#confirmed.exchangeDeleted(exchange)
    this.#unconfirmed.exchangeDeleted(exchange)
  }

  /** Resolves when no publish is under way, whatever became of them, and the broker has read them all. */
  async idle(): Promise<void> {
    await this.#budget.empty()
    await this.#unconfirmed.read()
  }

  /** Nothing will be sent any more. */
  end(reason: AmqpError): void {
    this.#onDemand = undefined
    this.#confirmed.end(reason)
    this.#unconfirmed.end(reason)
  }

  #demand(): void {
    const onDemand = this.#onDemand
    this.#onDemand = undefined
    onDemand?.()
  }
}
