/**
 * Owns who uses the queues of this client, as far as the broker ends a queue over it: how many consumers of this client
 * each has, and when one that expires (`x-expires`) was last in use. Knows nothing of what else a queue is.
 */

/** This client's consumers of a queue, and whether one of those that have ended had begun. */
interface Consumers {
  count: number
  begun: boolean
}

/** A queue that the broker deletes after so many milliseconds without use. */
interface Lease {
  expires: number
  lastUse: number
}

/** So much is added to the record at the least before the next search for what has expired. */
const LEAST_ADDED = 64

export class QueueUses {
  readonly #now: () => number
  /** Of any queue: it may be declared after its consumer was made. */
  readonly #consumers = new Map<string, Consumers>()
  readonly #leases = new Map<string, Lease>()
  /** How much may still be added to the record before the next search. */
  #room = LEAST_ADDED

  /** `now` gives milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A queue was declared, which expires after so many milliseconds, or never. */
  declared(queue: string, expires: number | undefined): void {
    if (expires === undefined) {
      this.#leases.delete(queue)
      return
    }
    this.#leases.set(queue, { expires, lastUse: this.#now() })
  }

  /** The broker counts the time without use from here. */
  used(queue: string): void {
    const lease = this.#leases.get(queue)
    if (lease !== undefined) lease.lastUse = this.#now()
  }

  consumerAdded(queue: string): void {
    const consumers = this.#consumers.get(queue)
    if (consumers === undefined) this.#consumers.set(queue, { count: 1, begun: false })
    else consumers.count++
  }

  /** A consumer has ended, or with `begun` false was none. Returns whether it was the last one, and there was one. */
  consumerRemoved(queue: string, begun: boolean): boolean {
    const consumers = this.#consumers.get(queue)
    if (consumers === undefined) return false
    if (begun) this.used(queue)
    consumers.count--
    consumers.begun ||= begun
    if (consumers.count > 0) return false
    this.#consumers.delete(queue)
    return consumers.begun
  }

  renamed(from: string, to: string): void {
    move(this.#consumers, from, to)
    move(this.#leases, from, to)
  }

  /** A queue is gone. With `forGood`, none of that name follows; else its consumers may come back to that one. */
  dropped(queue: string, forGood: boolean): void {
    this.#leases.delete(queue)
    const consumers = this.#consumers.get(queue)
    if (forGood) this.#consumers.delete(queue)
    else if (consumers !== undefined) consumers.begun = false
  }

  /** Something was added to the record. Returns whether a search is due: as much was added as there was after the last. */
  onAdded(): boolean {
    return --this.#room <= 0
  }

  /** What a search has found is gone; so much is left on record. */
  onSearched(left: number): void {
    this.#room = Math.max(LEAST_ADDED, left)
  }

  /** The queues that have no consumer of this client, and that the broker must have deleted. */
  findExpired(): Set<string> {
    const now = this.#now()
    const expired = new Set<string>()
    for (const [queue, { expires, lastUse }] of this.#leases) {
      if (now - lastUse >= expires && !this.#consumers.has(queue)) expired.add(queue)
    }
    return expired
  }
}

function move<T>(map: Map<string, T>, from: string, to: string): void {
  const value = map.get(from)
  if (value === undefined) return
  map.delete(from)
  map.set(to, value)
}
