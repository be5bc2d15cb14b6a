/**
 * Owns which parts of the topology may make the broker end the connection: what was being brought back when it did. On the
 * next session these come last, one at a time, so that it is known which one it is. That one is left out until it is
 * declared anew, or until another connection that has lasted is lost. Knows nothing of requests.
 */
import type { ConnectionLoss } from '../operation-errors.js'
import { isRequestFault } from '../reply-codes.js'
import type { ReplayRequest } from './replay-requests.js'
import type { Restoration } from './restoration.js'

export class TopologySuspects {
  /** The records of those that are tried alone. */
  #suspected = new WeakSet<object>()
  /** The records of those that have ended a connection. */
  #excluded = new Set<object>()

  isSuspected({ subject }: Pick<Restoration, 'subject'>): boolean {
    return this.#suspected.has(subject)
  }

  isExcluded({ subject }: Pick<Restoration, 'subject'>): boolean {
    return this.#excluded.has(subject)
  }

  /** The connection has worked for a while: what was left out may be tried again, alone. */
  pardon(): void {
    for (const subject of this.#excluded) this.#suspected.add(subject)
    this.#excluded.clear()
  }

  /** A connection ended while requests were on their way. Returns which part is why, if that is known. */
  judge({ reason, blamed }: ConnectionLoss, requests: readonly ReplayRequest[]): Restoration | undefined {
    if (!isRequestFault(reason)) return undefined
    const named = requests.filter(request => blamed.some(({ ticket }) => ticket === request.ticket))
    // Somebody else is meant.
    if (named.length === 0 && blamed.length > 0) return undefined
    const possible = named.length > 0 ? named : inTime(requests)
    const [first] = possible
    if (first === undefined) return undefined
    const { restoration } = first
    const isProven = possible.length === 1 && (blamed.length === 1 || this.isSuspected(restoration))
    if (isProven) {
      this.#excluded.add(restoration.subject)
      return restoration
    }
    for (const { restoration } of possible) this.#suspected.add(restoration.subject)
    return undefined
  }
}

/** A refusal comes fast: what has waited for its answer for long is no reason, unless there is nothing else. */
function inTime(requests: readonly ReplayRequest[]): readonly ReplayRequest[] {
  const prompt = requests.filter(({ restoration }) => !restoration.isLate)
  return prompt.length > 0 ? prompt : requests
}
