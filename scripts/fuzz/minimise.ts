/** Owns making a find smaller: as long as a smaller input breaks the same invariant, it takes its place. */
import type { Target } from './target.js'

/** So often a smaller input is tried. */
const MOST_TRIES = 2000

/** `breaks` says in a few words what an input breaks; undefined where nothing. */
export async function minimise<I>(
  { form }: Target<I>,
  input: I,
  breaks: (input: I) => Promise<string | undefined>,
  tries = MOST_TRIES,
): Promise<I> {
  const kind = await breaks(input)
  if (kind === undefined) return input
  let smallest = input
  let left = tries
  for (let found = true; found && left > 0; ) {
    found = false
    for (const smaller of form.smaller(smallest)) {
      if (left-- <= 0) break
      if ((await breaks(smaller)) !== kind) continue
      smallest = smaller
      found = true
      break
    }
  }
  return smallest
}
