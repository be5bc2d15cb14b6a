/** Owns `signal` and `timeout`: what users pass to abandon an operation. */
import type { OperationOptions } from '../options.js'
import { checkSignal, checkTimeout } from './check.js'
import { ignore } from './promise.js'
import { tellAll } from './tell-all.js'

/** Longer than this a timer of the runtime cannot run; it counts as no timeout at all (24 days). */
const LONGEST_TIMER = 2_147_483_647

/** Throws {@link ArgumentError} if `signal` or `timeout` are not what they should be. */
export function checkAbortOptions({ signal, timeout }: OperationOptions): void {
  checkTimeout('timeout', timeout)
  checkSignal('signal', signal)
}

/**
 * Calls `onTimeout` or `onAbort`, once, when the first of the two says so. Returns what ends the watch; it has to be
 * called when the operation ends otherwise. A signal that is aborted already is the caller's to see.
 */
export function watchAbort(
  { signal, timeout }: OperationOptions,
  onAbort: (reason: unknown) => void,
  onTimeout: (milliseconds: number) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined
  const abort = (): void => {
    stop()
    onAbort(signal?.reason)
  }
  const stop = (): void => {
    clearTimeout(timer)
    if (signal !== undefined) unlisten(signal, abort)
  }
  if (timeout !== undefined && timeout <= LONGEST_TIMER) {
    timer = setTimeout(() => {
      stop()
      onTimeout(timeout)
    }, timeout)
  }
  if (signal !== undefined && !signal.aborted) listen(signal, abort)
  return stop
}

/**
 * Calls back when a signal is aborted, once. Returns what ends the watch. A signal that is aborted already is the caller's
 * to see.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  return watchAbort({ signal }, callback, ignore)
}

/** The same as the promise, unless the signal is aborted first: then it rejects with its reason. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    else listen(signal, abort)
    const settled = (): void => unlisten(signal, abort)
    promise.then(resolve, reject).then(settled)
  })
}

/** A signal that is aborted when the first of two is. `release` ends that; it has to be called when nobody listens more. */
export function eitherSignal(
  first: AbortSignal,
  second: AbortSignal,
): { readonly signal: AbortSignal; release(): void } {
  // AbortSignal.any keeps a trace of each result in a signal that lives long.
  const either = new AbortController()
  const abort = (reason: unknown): void => {
    release()
    either.abort(reason)
  }
  const stops = [first, second].map(signal => watchAbort({ signal }, abort, ignore))
  const release = (): void => {
    for (const stop of stops) stop()
  }
  const aborted = [first, second].find(signal => signal.aborted)
  if (aborted !== undefined) abort(aborted.reason)
  return { signal: either.signal, release }
}

interface Watch {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

/**
 * One listener per signal, however many operations share it: the runtime warns of a leak from the eleventh listener on,
 * and looks through all of them whenever it adds one.
 */
const watches = new WeakMap<AbortSignal, Watch>()

function listen(signal: AbortSignal, callback: () => void): void {
  let watch = watches.get(signal)
  if (watch === undefined) {
    const callbacks = new Set<() => void>()
    watch = {
      callbacks,
      listener: () => tellAll(callbacks, callback => callback()),
    }
    watches.set(signal, watch)
    signal.addEventListener('abort', watch.listener)
  }
  watch.callbacks.add(callback)
}

function unlisten(signal: AbortSignal, callback: () => void): void {
  const watch = watches.get(signal)
  if (watch === undefined || !watch.callbacks.delete(callback) || watch.callbacks.size > 0) return
  signal.removeEventListener('abort', watch.listener)
  watches.delete(signal)
}
