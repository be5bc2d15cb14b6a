/**
 * Owns the switches of a broker in memory: what it refuses, what it does not answer, when connections break, what a dead
 * one still holds, and its limits. Knows nothing of how a broker works.
 */
import { Refusal } from './model-broker.js'

interface Refused {
  readonly code: number
  readonly namesMethod: boolean
  left: number
}

export class BrokerFaults {
  /** Milliseconds for which a connection that has broken still holds what is its own. */
  hold = 0
  /** The next connection breaks so many milliseconds after it is open. */
  breakAfter: number | undefined
  /** The next connection breaks when so many methods have come on it. */
  breakAt: number | undefined
  /** Each method waits for a turn of the event loop: what has not been read when a connection breaks is lost. */
  isSlow = false
  frameMax = 0
  channelMax = 0
  /** Why no publishes are taken. */
  blocked: string | undefined
  readonly #refused = new Map<string, Refused>()
  readonly #unanswered = new Map<string, { milliseconds: number; left: number }>()

  /** The next `times` requests for a part of the topology are refused. */
  refuse(part: string, code: number, namesMethod: boolean, times: number): void {
    this.#refused.set(part, { code, namesMethod, left: times })
  }

  /** The next `times` requests for a part of the topology wait so long, or for ever, with all behind them on their channel. */
  silence(part: string, milliseconds: number, times: number): void {
    this.#unanswered.set(part, { milliseconds, left: times })
  }

  /** What a request for a part is refused with, this time. */
  refusalOf(part: string): Refusal | undefined {
    const refused = take(this.#refused, part)
    return refused && new Refusal(refused.code, `no ${part} for now`, refused.namesMethod)
  }

  /** For how long a request for a part waits, this time. */
  silenceOf(part: string): number | undefined {
    return take(this.#unanswered, part)?.milliseconds
  }

  /** From now on all is well. */
  clear(): void {
    this.hold = 0
    this.breakAfter = undefined
    this.breakAt = undefined
    this.frameMax = 0
    this.channelMax = 0
    this.#refused.clear()
    this.#unanswered.clear()
  }
}

function take<T extends { left: number }>(map: Map<string, T>, part: string): T | undefined {
  const found = map.get(part)
  if (found !== undefined && --found.left <= 0) map.delete(part)
  return found
}
