/**
 * Owns time that passes when it is told to: timers, pauses and the clock, as the library sees them while a conversation is
 * played. A pause of hours costs nothing, and a timer that is left behind is seen.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module'

interface Timer {
  due: number
  readonly callback: () => void
  readonly every: number | undefined
}

type Callback = (...args: unknown[]) => void

let active: Clock | undefined

export class Clock {
  now = 0
  readonly #timers = new Set<Timer>()

  /** Takes the place of the runtime's clock, until `stop`. */
  start(): void {
    install()
    active = this
  }

  stop(): void {
    active = undefined
  }

  /** How many timers run. */
  get running(): number {
    return this.#timers.size
  }

  add(callback: () => void, milliseconds: number, repeats: boolean): Timer {
    const every = repeats ? Math.max(1, milliseconds) : undefined
    const timer = { due: this.now + Math.max(1, milliseconds || 1), callback, every }
    this.#timers.add(timer)
    return timer
  }

  remove(timer: Timer): void {
    this.#timers.delete(timer)
  }

  /** Lets so much time pass, but stops at the first moment at which a timer is due; returns what is left of it. */
  pass(milliseconds: number): number {
    const until = this.now + milliseconds
    const next = Math.min(...[...this.#timers].map(({ due }) => due))
    this.now = Math.min(until, next)
    for (const timer of [...this.#timers]) {
      if (timer.due > this.now || !this.#timers.has(timer)) continue
      if (timer.every === undefined) this.#timers.delete(timer)
      else timer.due = this.now + timer.every
      timer.callback()
    }
    return until - this.now
  }
}

/** What the library gets for a timer. */
class Handle {
  constructor(
    readonly clock: Clock,
    readonly timer: Timer,
  ) {}

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

let installed = false

/** The runtime's own functions stay in use while no clock is active. */
function install(): void {
  if (installed) return
  installed = true
  const real = { setTimeout, setInterval, clearTimeout, clearInterval }
  const random = Math.random
  const now = performance.now.bind(performance)
  const start =
    (kind: 'setTimeout' | 'setInterval') =>
    (callback: Callback, delay?: number, ...args: unknown[]) => {
      if (active === undefined) return real[kind](callback, delay, ...args)
      const clock = active
      return new Handle(
        clock,
        clock.add(() => callback(...args), delay ?? 0, kind === 'setInterval'),
      )
    }
  const clear = (kind: 'clearTimeout' | 'clearInterval') => (handle: unknown) => {
    if (handle instanceof Handle) handle.clock.remove(handle.timer)
    else real[kind](handle as NodeJS.Timeout | undefined)
  }
  Object.assign(globalThis, {
    setTimeout: start('setTimeout'),
    setInterval: start('setInterval'),
    clearTimeout: clear('clearTimeout'),
    clearInterval: clear('clearInterval'),
  })
  performance.now = () => active?.now ?? now()
  // Delays by chance would make a conversation another one each time.
  Math.random = () => (active === undefined ? random() : 0.5)
  installSleep()
}

function installSleep(): void {
  const timers = createRequire(import.meta.url)(
    'node:timers/promises',
  ) as typeof import('node:timers/promises')
  const real = timers.setTimeout
  const sleep = <T>(delay?: number, value?: T, options?: { signal?: AbortSignal }): Promise<T> => {
    if (active === undefined) return real(delay, value, options)
    const clock = active
    const signal = options?.signal
    return new Promise<T>((resolve, reject) => {
      const abort = (): void => {
        clock.remove(timer)
        reject(new DOMException('The operation was aborted', 'AbortError'))
      }
      const timer = clock.add(
        () => {
          signal?.removeEventListener('abort', abort)
          resolve(value as T)
        },
        delay ?? 0,
        false,
      )
      if (signal?.aborted === true) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }
  Object.assign(timers, { setTimeout: sleep })
  syncBuiltinESMExports()
}
