/**
 * Owns the messages that a consumer has handed out: it looks on while they are settled, by whomever, and tells the ledger.
 * What settling returns or throws has to fit to what was settled before, and to the faults there were.
 */
import { AlreadySettledError, type Message } from '../../../src/index.js'
import type { FaultHistory, Ledger } from './consumer-ledger.js'
import type { SettleWay } from './consumer-steps.js'

/** A message in hand. */
interface Held {
  readonly message: Message
  readonly id: string
  readonly fromStream: boolean
  /** Which of the loops over the consumer has it; the consumer itself tells one life from the next. */
  readonly loop: unknown
  readonly since: number
  /** `left`: it goes back, for its loop was left. `stale`: the broker has taken it back. */
  state: 'open' | 'settled' | 'left' | 'stale'
  /** Ends the handler that waits with it. */
  release: (() => void) | undefined
}

export class Hand {
  /** By the clock of `performance`: what was taken before may have gone back with its client. */
  surrenderedUntil = 0
  #held: Held[] = []
  readonly #ledger: Ledger
  readonly #history: FaultHistory

  constructor(ledger: Ledger, history: FaultHistory) {
    this.#ledger = ledger
    this.#history = history
  }

  get size(): number {
    return this.#held.length
  }

  /** A message was handed out. */
  take(message: Message, id: string, fromStream: boolean, loop: unknown): void {
    const since = performance.now()
    const held: Held = { message, id, fromStream, loop, since, state: 'open', release: undefined }
    this.#held.push(held)
    const ack = message.ack.bind(message)
    const nack = message.nack.bind(message)
    const reject = message.reject.bind(message)
    message.ack = options => this.#settle(held, 'ack', options?.multiple === true, () => ack(options))
    message.nack = options => this.#settle(held, 'nack', options?.multiple === true, () => nack(options))
    message.reject = options => this.#settle(held, 'reject', false, () => reject(options))
  }

  /** Resolves when the message is settled by a step. */
  settledLater(message: Message): Promise<void> {
    const held = this.#held.find(each => each.message === message)
    if (held === undefined) return Promise.resolve()
    return new Promise(resolve => {
      held.release = resolve
    })
  }

  /** Settles the oldest one, or the latest. */
  settleOne(how: SettleWay, latest: boolean): void {
    const held = latest ? this.#held.at(-1) : this.#held[0]
    if (held !== undefined) this.#settleHeld(held, how)
  }

  ackAll(): void {
    for (const held of [...this.#held]) this.#settleHeld(held, 'ack')
  }

  /** A loop was left, and what it had in hand goes back. */
  leave(loop: unknown): void {
    for (const held of this.#held) if (held.loop === loop) held.state = 'left'
  }

  #settleHeld(held: Held, how: SettleWay): void {
    try {
      settleBy(held.message, how)
    } catch (error) {
      if (!(error instanceof AlreadySettledError)) throw error
      this.#drop(held)
    }
  }

  #settle(held: Held, kind: 'ack' | 'nack' | 'reject', multiple: boolean, act: () => boolean): boolean {
    const { message, id, state } = held
    const covered = multiple ? this.#held.filter(each => isCovered(each, held)) : []
    let took: boolean
    try {
      took = act()
    } catch (error) {
      if (!(error instanceof AlreadySettledError) || state === 'open')
        this.#ledger.troubles.push(`${kind} of message ${id} (${message.deliveryTag}) threw ${String(error)}`)
      throw error
    }
    if (state === 'settled') this.#ledger.troubles.push(`${kind} of message ${id} was possible twice`)
    if (!took) {
      if (!this.#history.endangers(held.since) && held.since > this.surrenderedUntil)
        this.#ledger.troubles.push(`${kind} of message ${id} returned false, without a fault`)
      held.state = 'stale'
      this.#drop(held)
      return false
    }
    for (const each of [held, ...covered]) {
      each.state = 'settled'
      if (kind === 'ack' && !each.fromStream) this.#ledger.settled(each.id, this.#history)
      this.#drop(each)
    }
    return true
  }

  #drop(held: Held): void {
    this.#held = this.#held.filter(each => each !== held)
    held.release?.()
  }
}

/** Whether settling `held` with `multiple` settles an earlier one, too. */
function isCovered({ message }: Held, held: Held): boolean {
  const { settler, deliveryTag } = held.message
  return message.settler === settler && message.deliveryTag < deliveryTag && message.isOutstanding
}

/** Settles a message; throws if it is settled. */
export function settleBy(message: Message, how: SettleWay): boolean {
  switch (how) {
    case 'ack':
    case 'ackMultiple':
      return message.ack({ multiple: how === 'ackMultiple' })
    case 'nack':
    case 'nackMultiple':
      return message.nack({ multiple: how === 'nackMultiple' })
    case 'reject':
      return message.reject()
  }
}
