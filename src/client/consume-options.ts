/** Owns the reading of what a user passes to `basicConsume` and `basicConsumeMulti`: checks, defaults, unique tags. */
import type { CallSite } from '../call-site.js'
import { ArgumentError, type ErrorContext } from '../errors.js'
import type { ConsumeMultiOptions, ConsumeOptions, QueueItem } from '../options.js'
import { type QueueKind, STREAM_OFFSET, type SubscribedQueue } from '../session/queue-consumer.js'
import { checkFlag, checkOneOf, checkSignal, checkText } from '../util/check.js'
import { checkNames } from '../util/option-names.js'
import { QUEUE_ITEM } from './operation-options.js'
import { PrefetchWindow } from './prefetch-window.js'
import { checkStreamArguments } from './stream-arguments.js'

/** What a consumer is to be. */
export interface ConsumerPlan {
  readonly queues: readonly SubscribedQueue[]
  readonly noAck: boolean
  readonly window: PrefetchWindow
  readonly signal: AbortSignal | undefined
  readonly onCancel: NonNullable<ConsumeMultiOptions['onCancel']>
  readonly onLeave: NonNullable<ConsumeMultiOptions['onLeave']>
  readonly oversized: NonNullable<ConsumeMultiOptions['oversized']>
  /** Names the consumer in errors; its ticket makes generated consumer tags unique. */
  readonly context: ErrorContext
  /** Where it was made. */
  readonly site: CallSite | undefined
}

/** What is known of a client that a consumer is to belong to. */
export interface ConsumeSurroundings {
  /** The consumer tags of others. */
  readonly takenTags: ReadonlySet<string>
  /** Another consumer may take the place of one of this queue while it makes way for a new one. */
  isContended(queue: string): boolean
  /** Where the user makes the consumer. */
  readonly site?: CallSite
}

/** Throws {@link ArgumentError} if an option is invalid. */
export function readConsumeOptions(
  items: readonly QueueItem[],
  options: ConsumeMultiOptions,
  context: ErrorContext,
  { takenTags, isContended, site }: ConsumeSurroundings,
): ConsumerPlan {
  const { prefetchCount, noAck = false, signal } = options
  const { onCancel = 'resume', onLeave = 'keep', oversized = 'end' } = options
  checkFlag('noAck', noAck)
  checkOneOf('onCancel', onCancel, ['resume', 'end'])
  checkOneOf('onLeave', onLeave, ['keep', 'requeue'])
  checkOneOf('oversized', oversized, ['end', 'reject'])
  checkSignal('signal', signal)
  if (!Array.isArray(items) || items.length === 0) {
    throw new ArgumentError('the queues must be an array with at least one queue')
  }
  const own = new Set<string>()
  const isTaken = (tag: string): boolean => own.has(tag) || takenTags.has(tag)
  // Array.from sees the holes of an array, which map steps over.
  const queues = Array.from(items, (item: QueueItem, index) => {
    const queue = readItem(item)
    const consumerTag = unique(queue.consumerTag ?? `puka.${context.ticket}.${index + 1}`, isTaken)
    own.add(consumerTag)
    return { ...queue, consumerTag }
  })
  const isSteady = queues.some(({ queue, exclusive }) => exclusive || isContended(queue))
  const window = new PrefetchWindow(prefetchCount, noAck, isSteady)
  return { queues, noAck, window, signal, onCancel, onLeave, oversized, context, site }
}

/** The queue of `basicConsume`, with those of the options that are about the queue. */
export function queueItem(
  queue: string,
  { prefetchCount, noAck, signal, onCancel, onLeave, oversized, ...own }: ConsumeOptions,
): QueueItem {
  return { ...own, queue }
}

function readItem(item: QueueItem) {
  const given = typeof item === 'string' ? { queue: item } : item
  if (typeof given !== 'object' || given === null) {
    throw new ArgumentError('a queue must be given by its name, or as an object with its name and options')
  }
  checkNames(given, QUEUE_ITEM)
  const { queue, noLocal = false, exclusive = false, consumerTag, arguments: args = {} } = given
  checkText('queue', queue)
  if (consumerTag !== undefined && (typeof consumerTag !== 'string' || consumerTag === '')) {
    throw new ArgumentError('consumerTag must be a string that is not empty')
  }
  if (typeof args !== 'object' || args === null) throw new ArgumentError('arguments must be a plain object')
  checkStreamArguments(args)
  const kind: QueueKind = args[STREAM_OFFSET] === undefined ? 'unknown' : 'stream'
  const fresh = { kind, outlivesConsumers: false, resumeAt: undefined, generation: 1 }
  return { queue, noLocal, exclusive, consumerTag, arguments: args, ...fresh }
}

/** The tag itself, or with a number behind it if it is taken. */
function unique(tag: string, isTaken: (tag: string) => boolean): string {
  if (!isTaken(tag)) return tag
  let number = 2
  while (isTaken(`${tag}.${number}`)) number++
  return `${tag}.${number}`
}
