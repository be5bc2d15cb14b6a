/** Owns the small helpers around promises that several layers need. */

/** A promise with its two ends. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: unknown): void
}

/** Makes a {@link Deferred}. */
export function defer<T>(): Deferred<T> {
  let resolve: (value: T) => void = unreachable
  let reject: (reason: unknown) => void = unreachable
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

/** Marks a promise whose rejection its owner may look at, or not: it never counts as unhandled. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** For results that do not matter. */
export function ignore(): void {}

function unreachable(): never {
  throw new Error('a promise was settled before it was made')
}
