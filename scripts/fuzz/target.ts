/** Owns what the parts of the fuzzer say of a target to each other. Knows nothing of any of them. */
import type { Random } from './random.js'

/** How inputs of one kind are written down, read, and made smaller. */
export interface Form<I> {
  format(input: I): string
  /** Throws a FuzzError where the text is no such input. */
  parse(text: string): I
  /** Inputs that are smaller than this one, the smallest first. */
  smaller(input: I): Iterable<I>
}

/** A part of the library, and what must hold of it for every input. */
export interface Target<I> {
  readonly name: string
  readonly form: Form<I>
  generate(random: Random): I
  /** Another input that is much like this one. */
  mutate(input: I, random: Random): I
  /**
   * Runs an input. Throws where an invariant does not hold. Returns in a few words what came of it: inputs with a new
   * outcome are kept, and others are made from them.
   */
  run(input: I): string | Promise<string>
}
