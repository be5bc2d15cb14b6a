/**
 * Owns what a load of `publishMany` publishes to in a unit test: memory, where the test says what becomes of each message.
 * Knows nothing of how a load goes about it.
 */
import { PublishLoad, type PublishLoadHost, type PublishLoadPlan } from '../../../src/client/publish-load.js'
import type { PublishManyMessage, PublishManyResult } from '../../../src/options.js'

/** A message that is in flight. */
export interface InFlight<M> {
  readonly message: M
  confirm(): void
  fail(error: unknown): void
}

export class MemoryHost<M extends PublishManyMessage = PublishManyMessage> implements PublishLoadHost<M> {
  /** What is in flight, the oldest first. */
  readonly inFlight = new Set<InFlight<M>>()
  /** All that was published, in order. */
  readonly published: M[] = []
  /** The most that was in flight at once. */
  peak = 0
  settled = 0
  /** Others fill the client. */
  crowded = false
  /** Nothing can be published any more. */
  ended: Error | undefined
  /** Told of each message as it is published. */
  onPublish: (one: InFlight<M>) => void = () => undefined
  #waiting: (() => void)[] = []

  get full(): boolean {
    return this.crowded
  }

  room(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** There is room again. */
  makeRoom(): void {
    this.crowded = false
    for (const go of this.#waiting.splice(0)) go()
  }

  publish(message: M): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void): void => {
        if (!this.inFlight.delete(one)) return
        this.settled++
        how()
      }
      const one: InFlight<M> = {
        message,
        confirm: () => settle(resolve),
        fail: error => settle(() => reject(error)),
      }
      this.inFlight.add(one)
      this.published.push(message)
      this.peak = Math.max(this.peak, this.inFlight.size)
      this.onPublish(one)
    })
  }

  check(): void {
    if (this.ended !== undefined) throw this.ended
  }

  /** The oldest message in flight. */
  get oldest(): InFlight<M> {
    const [oldest] = this.inFlight
    if (oldest === undefined) throw new Error('nothing is in flight')
    return oldest
  }

  /** Begins a load with this host. */
  load(
    messages: Iterable<M> | AsyncIterable<M>,
    plan: Partial<PublishLoadPlan<M>> = {},
  ): Promise<PublishManyResult> {
    const load = new PublishLoad<M>(
      { window: 1000, signal: undefined, onError: undefined, ...plan, messages },
      this,
    )
    load.start()
    return load.outcome
  }
}

/** A message that tells its number. */
export function messageOf(number: number): PublishManyMessage {
  return { exchange: '', routingKey: 'key', body: String(number) }
}

export function messagesOf(count: number): PublishManyMessage[] {
  return Array.from({ length: count }, (_, number) => messageOf(number))
}

/** A generator that tells whether it has cleaned up. */
export function* cleaning(log: string[], count = Number.POSITIVE_INFINITY): Generator<PublishManyMessage> {
  try {
    for (let number = 0; number < count; number++) yield messageOf(number)
  } finally {
    log.push('cleaned up')
  }
}

/** The same, asynchronous; it has cleaned up when `cleanup` is done. */
export async function* cleaningLater(
  log: string[],
  cleanup = Promise.resolve(),
): AsyncGenerator<PublishManyMessage> {
  try {
    for (let number = 0; ; number++) yield messageOf(number)
  } finally {
    await cleanup
    log.push('cleaned up')
  }
}

/** Whether a promise has settled by now. */
export function watch(promise: Promise<unknown>): { readonly settled: boolean } {
  const seen = { settled: false }
  const settle = (): void => {
    seen.settled = true
  }
  promise.then(settle, settle)
  return seen
}
