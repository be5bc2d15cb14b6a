/** Owns the reading of what a user passes to `basicConsume` and `basicConsumeMulti`: checks, defaults, unique tags. */
import { ArgumentError } from '../errors.js'
import type { ConsumeMultiOptions, QueueItem } from '../options.js'
import type { SubscribedQueue } from '../session/queue-consumer.js'
import { PrefetchWindow } from './prefetch-window.js'

/** What a consumer is to be. */
export interface ConsumePlan {
  readonly queues: readonly SubscribedQueue[]
  readonly noAck: boolean
  readonly window: PrefetchWindow
  readonly signal: AbortSignal | undefined
}

/** Reads the plan; `ticket` makes generated consumer tags unique. Throws {@link ArgumentError} where it makes no sense. */
export function planConsumer(
  items: readonly QueueItem[],
  options: ConsumeMultiOptions,
  ticket: number,
): ConsumePlan {
  const { prefetchCount, noAck = false, signal } = options
  if (typeof noAck !== 'boolean') throw new ArgumentError('noAck must be true or false')
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ArgumentError('signal must be an AbortSignal')
  }
  if (!Array.isArray(items) || items.length === 0) {
    throw new ArgumentError('the queues must be an array with at least one queue')
  }
  const taken = new Set<string>()
  const queues = items.map((item: QueueItem, index) => {
    const queue = readItem(item)
    const consumerTag = unique(queue.consumerTag ?? `puka.${ticket}.${index + 1}`, taken)
    taken.add(consumerTag)
    return { ...queue, consumerTag }
  })
  return { queues, noAck, window: new PrefetchWindow(prefetchCount, noAck), signal }
}

function readItem(item: QueueItem) {
  const given = typeof item === 'string' ? { queue: item } : item
  if (typeof given !== 'object' || given === null) {
    throw new ArgumentError('a queue must be given by its name, or as an object with its name and options')
  }
  const { queue, noLocal = false, exclusive = false, consumerTag, arguments: args = {} } = given
  if (typeof queue !== 'string') throw new ArgumentError(`queue must be a string, got ${typeof queue}`)
  if (consumerTag !== undefined && (typeof consumerTag !== 'string' || consumerTag === '')) {
    throw new ArgumentError('consumerTag must be a string that is not empty')
  }
  return { queue, noLocal, exclusive, consumerTag, arguments: args }
}

/** The tag itself, or with a number behind it where it is taken. */
function unique(tag: string, taken: ReadonlySet<string>): string {
  if (!taken.has(tag)) return tag
  let number = 2
  while (taken.has(`${tag}.${number}`)) number++
  return `${tag}.${number}`
}
