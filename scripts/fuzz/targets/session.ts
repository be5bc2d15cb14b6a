/**
 * Owns the target `session`: whole conversations of a client with a broker that misbehaves. Every promise of the client
 * settles with an error of the library, or well; nothing is thrown elsewhere; no timer, no connection stays; and what the client
 * sends is in order whatever it gets.
 */
import { steps } from '../forms.js'
import { Conversation } from '../session/play.js'
import { changed, conversation } from '../session/steps.js'
import type { Target } from '../target.js'

export const session: Target<readonly string[]> = {
  name: 'session',
  form: steps,
  generate: conversation,
  mutate: changed,
  run: input => new Conversation().play(input),
}
