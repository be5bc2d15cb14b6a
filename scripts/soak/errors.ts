/** Owns the one error class of the soak: what went wrong, in a line for a human. Knows nothing of who prints it. */
export class SoakError extends Error {
  override readonly name = 'SoakError'
}
