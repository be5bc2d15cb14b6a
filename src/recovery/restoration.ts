/**
 * Owns the coming back of one part of the topology on one session: what it waits for, whether it is late, and when its
 * outcome is known. Knows nothing of requests.
 */
import type { TopologyEntity } from '../client-state.js'
import { type Deferred, defer } from '../util/promise.js'

export interface RestorationPlan {
  readonly entity: TopologyEntity
  readonly subject: object
  /** What it needs. */
  readonly before: readonly (Restoration | undefined)[]
  isWanted(): boolean
  act(self: Restoration): Promise<unknown>
}

export class Restoration {
  readonly entity: TopologyEntity
  /** What is on record. Whoever declares it anew makes another one. */
  readonly subject: object
  /** It may be deleted while it is late: then it does not come back. */
  readonly isWanted: () => boolean
  /** Brings it back. */
  readonly act: () => Promise<unknown>
  /** It is late: it waits for something that is, or the broker refuses it for now, or does not answer. */
  isLate = false
  isSettled = false
  /** How often the broker has not answered in time. */
  timeouts = 0
  /** When it is given up at the latest, on the clock of `performance.now()`. */
  deadline = Number.POSITIVE_INFINITY
  /** Why it is late. */
  error: Error | undefined
  readonly #settled: Deferred<void> = defer<void>()
  readonly #quiet: Deferred<void> = defer<void>()
  readonly #before: readonly Restoration[]
  readonly #after: Restoration[] = []
  readonly #onQuiet: () => void

  /** `onQuiet` is called once: when it is late, or settled in time. */
  constructor(
    { entity, subject, before, isWanted, act }: RestorationPlan,
    onQuiet: (self: Restoration) => void,
  ) {
    this.entity = entity
    this.subject = subject
    this.isWanted = isWanted
    this.act = () => act(this)
    this.#before = before.filter(one => one !== undefined)
    for (const one of this.#before) one.#after.push(this)
    this.#onQuiet = () => onQuiet(this)
  }

  /** Its name in messages. */
  get name(): string {
    return `${this.entity.kind} ${this.entity.name}`
  }

  /** Resolves when its outcome is known. */
  get settled(): Promise<void> {
    return this.#settled.promise
  }

  /** Resolves when its outcome is known, or it is late. */
  get quiet(): Promise<void> {
    return this.#quiet.promise
  }

  /** Resolves when the outcome of everything is known that it follows. */
  async turn(): Promise<void> {
    await Promise.all(this.#before.map(({ settled }) => settled))
  }

  /** It follows one of these, maybe by way of others. */
  follows(others: ReadonlySet<Restoration>): boolean {
    return this.#before.some(one => others.has(one) || one.follows(others))
  }

  /** The rest does not wait for it any more, and what follows it is late, too. */
  delay(error: Error | undefined): void {
    this.error = error ?? this.error
    if (this.isLate || this.isSettled) return
    this.isLate = true
    this.#becomeQuiet()
    for (const follower of this.#after) follower.delay(undefined)
  }

  settle(): void {
    if (this.isSettled) return
    this.isSettled = true
    this.#settled.resolve()
    if (!this.isLate) this.#becomeQuiet()
  }

  #becomeQuiet(): void {
    this.#quiet.resolve()
    this.#onQuiet()
  }
}
