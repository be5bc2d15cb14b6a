// Owns: the one error class of the soak: what went wrong, in a line for a human.
// Must not know: who prints it.

export class SoakError extends Error {
  override readonly name = 'SoakError'
}
