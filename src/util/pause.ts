/** Owns waiting for a while, that ends early when a signal says so. */
import { watchAbort } from './abort.js'

/** Resolves after so many milliseconds, or when the signal is aborted. Never rejects. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return settledWithin(new Promise(() => {}), milliseconds, signal)
}

/** Resolves when the promise is settled, after so many milliseconds, or when the signal is aborted. Never rejects. */
export function settledWithin(
  promise: Promise<unknown>,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const stopWatching = watchAbort(
      { signal, timeout: milliseconds },
      () => resolve(),
      () => resolve(),
    )
    const settled = (): void => {
      stopWatching()
      resolve()
    }
    promise.then(settled, settled)
  })
}
