/** Owns the one error class of the demo: what went wrong, in a line for a human. Knows nothing of who prints it. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
}
