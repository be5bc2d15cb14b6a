/** Owns the error classes of the fuzzer. Knows nothing of who prints them. */

/** What went wrong with the fuzzer itself, or how it was called, in a line for a human. */
export class FuzzError extends Error {
  override readonly name: string = 'FuzzError'
}

/** An invariant that does not hold: a find. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant'
}

/** Throws {@link BrokenInvariant} unless the condition holds. */
export function demand(condition: boolean, otherwise: string | (() => string)): asserts condition {
  if (!condition) throw new BrokenInvariant(typeof otherwise === 'string' ? otherwise : otherwise())
}
