/**
 * Owns the telling of several parties of one thing, such as the end of a connection: each of them is told, whatever the
 * others make of it. What one throws has nowhere to go, since nobody asked for it: it is a line in `debug`.
 */
import { debugError } from '../debug.js'

/** Tells each of those that are there now, in order. Never throws. */
export function tellAll<T>(parties: Iterable<T>, tell: (party: T) => void): void {
  for (const party of [...parties]) {
    try {
      tell(party)
    } catch (error) {
      debugError('one that was told threw: %O', error)
    }
  }
}

/** Takes each step, in order, also if one before it throws. Never throws. */
export function takeAll(...steps: readonly (() => void)[]): void {
  tellAll(steps, step => step())
}
