/**
 * Owns a trial: publishes that may make the broker close their channel, on a channel of their own, and how long those
 * behind them wait for its answer.
 */
import type { ConfirmChannel } from './confirm-channel.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishRisks } from './publish-risk.js'

/**
 * Those behind a trial wait so many milliseconds at most. RabbitMQ can be stuck in a publish, for example to a quorum queue
 * whose leader does not answer; it then works on nothing more of that channel, but on that of all others.
 */
const PATIENCE = 1000

export class Trial {
  readonly channel: ConfirmChannel
  readonly publishes: PendingPublish[] = []
  /** What was accepted up to this ticket was waiting when the last of them was written. */
  lastTicket = 0
  /** What was forgotten of risks before: the proof is none if more is forgotten meanwhile. */
  readonly timesForgotten: number
  /** So many are tried together. */
  readonly #size: number
  readonly #onPatienceOver: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(channel: ConfirmChannel, risks: PublishRisks, onPatienceOver: () => void) {
    this.channel = channel
    this.timesForgotten = risks.timesForgotten
    this.#size = risks.trialSize
    this.#onPatienceOver = onPatienceOver
  }

  /** More may be tried together with those that are written. */
  get hasRoom(): boolean {
    return this.publishes.length < this.#size
  }

  /** The broker has dealt with all of them. */
  get isAnswered(): boolean {
    return this.channel.allAnswered
  }

  /** One of them is written. */
  add(publish: PendingPublish, lastTicket: number): void {
    this.publishes.push(publish)
    this.lastTicket = lastTicket
    if (!this.hasRoom) this.enclose()
  }

  /** No more of them are written: the broker is asked whether it has dealt with them. */
  enclose(): void {
    this.channel.enclose()
    this.#timer ??= setTimeout(this.#onPatienceOver, PATIENCE).unref()
  }

  /** Nobody waits for it any more. */
  end(): void {
    clearTimeout(this.#timer)
  }
}
