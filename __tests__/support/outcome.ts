/**
 * Owns how tests look at promises: the error of one that rejects, the outcomes of many, a condition that comes true, one that
 * a test settles itself. Knows nothing of the client under test.
 */
import { setTimeout as delay } from 'node:timers/promises'

/** The error that a promise rejects with; fails where it resolves. */
export async function errorOf<E = Error>(promise: Promise<unknown>): Promise<E> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error as E
  }
  throw new Error(`it should have failed, but gave ${String(value)}`)
}

/** For each promise 'ok', or the name of its error. */
export async function namesOf(promises: readonly Promise<unknown>[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(promises)
  return outcomes.map(outcome => (outcome.status === 'fulfilled' ? 'ok' : (outcome.reason as Error).name))
}

/** Whether a promise is settled by now, as far as nothing but other promises is between. */
export async function isOver(promise: Promise<unknown>): Promise<boolean> {
  let over = false
  const settled = (): void => {
    over = true
  }
  promise.then(settled, settled)
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  return over
}

/** How often each item occurs. */
export function tally(items: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[item] = (counts[item] ?? 0) + 1
  return counts
}

/** For what happens elsewhere and is announced by no event. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  milliseconds = 20_000,
): Promise<void> {
  const deadline = Date.now() + milliseconds
  for (let pause = 1; !(await condition()); pause = Math.min(2 * pause, 20)) {
    if (Date.now() > deadline) throw new Error('it did not come to pass in time')
    await delay(pause)
  }
}

/** A promise that a test settles. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open: () => open() }
}
