/**
 * Owns when the acks of a channel leave: at the end of this round of the event loop, some milliseconds later, or, while they
 * are held, later still. Knows nothing of what is sent.
 */
import type { FlushListener, Outbox } from '../connection/outbox.js'
import { ignore } from '../util/promise.js'

/** Milliseconds: acks are not held longer than this. */
const LONGEST_HOLD = 100

export class AckGathering {
  readonly #outbox: Outbox
  readonly #listener: FlushListener
  /** Whatever is due leaves at the end of this round. */
  #gathered = false
  /** Whatever is due leaves some milliseconds later, at the latest. */
  #gatheredLonger = false
  /** Runs while acks are held. */
  #holding: NodeJS.Timeout | undefined
  #onReleased: () => void = ignore

  constructor(outbox: Outbox, listener: FlushListener) {
    this.#outbox = outbox
    this.#listener = listener
  }

  gather(): void {
    if (this.#gathered || this.isHolding) return
    this.#gathered = true
    this.#outbox.gather(this.#listener)
  }

  gatherLonger(): void {
    if (this.#gatheredLonger || this.isHolding) return
    this.#gatheredLonger = true
    this.#outbox.gatherLonger(this.#listener)
  }

  /** The listener is about to send what is due. */
  onFlush(): void {
    this.#gathered = false
    this.#gatheredLonger = false
  }

  /** Holds acks until {@link release}, or for a short time. */
  hold(onReleased: () => void): void {
    if (this.isHolding) return
    this.#onReleased = onReleased
    this.#holding = setTimeout(() => this.release(), LONGEST_HOLD).unref()
  }

  get isHolding(): boolean {
    return this.#holding !== undefined
  }

  release(): void {
    if (!this.isHolding) return
    this.stop()
    this.gather()
    this.#onReleased()
  }

  /** Nothing is to leave any more. */
  stop(): void {
    clearTimeout(this.#holding)
    this.#holding = undefined
  }
}
