/** Owns the target `arguments`: calls of the client with values that no type allows, on a connection that works. */
import { steps } from '../forms.js'
import { oddCall } from '../session/arguments.js'
import { Conversation } from '../session/play.js'
import type { Target } from '../target.js'

export const oddArguments: Target<readonly string[]> = {
  name: 'arguments',
  form: steps,
  generate: random => ['connect', 'turn', ...Array.from({ length: 6 }, () => oddCall(random))],
  mutate: (input, random) =>
    input.map(step => (step.startsWith('with') && random.chance(50) ? oddCall(random) : step)),
  run: input => new Conversation().play(input),
}
