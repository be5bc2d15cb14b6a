/** Owns where the next subscription goes on: of a stream, at the first message that was not handed out. */
import type { SubscribedQueue } from '../session/queue-consumer.js'
import type { Message } from './message.js'

/**
 * What to subscribe to next. `before` is what the last subscription began with, `rest` what follows the last delivery of
 * each queue, and `unread` was delivered and not handed out.
 */
export function restOf(
  before: readonly SubscribedQueue[],
  rest: readonly SubscribedQueue[],
  unread: readonly Message[],
): readonly SubscribedQueue[] {
  if (rest.every(({ kind }) => kind === 'queue')) return rest
  const first = new Map<string | undefined, Message>()
  for (const message of unread) {
    if (!first.has(message.consumerTag)) first.set(message.consumerTag, message)
  }
  return rest.map((queue, index) => {
    const message = queue.kind === 'queue' ? undefined : first.get(queue.consumerTag)
    if (message === undefined) return queue
    // Where it stands cannot be told if its headers are damaged: what was read is read again, and nothing is left out.
    return { ...queue, resumeAt: message.position ?? before[index]?.resumeAt }
  })
}
