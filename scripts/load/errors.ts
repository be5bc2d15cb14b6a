/** Owns the one error class of the load: what went wrong, in a line for a human. Knows nothing of who prints it. */
export class LoadError extends Error {
  override readonly name = 'LoadError'
}
