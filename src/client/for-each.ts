/**
 * Owns the running of a handler for every message of a consumer, several at once, and the settling of each message by its
 * handler's outcome.
 */
import { AlreadySettledError, ArgumentError } from '../errors.js'
import { withOperation } from '../operation-errors.js'
import type { ForEachOptions } from '../options.js'
import { onAbort } from '../util/abort.js'
import { checkFlag, checkSignal, shown } from '../util/check.js'
import { ignore } from '../util/promise.js'
import { Slots } from '../util/slots.js'
import type { Message } from './message.js'
import { checkOptionsOf } from './operation-options.js'
import { processes } from './trace-channels.js'

/** What running handlers needs of their consumer. */
export interface HandlerHost extends AsyncIterable<Message> {
  begin(): void
  end(): void
  cancel(): void
  /** Resolves, with an error that says so, when nothing that handlers do can reach the broker any more. */
  readonly gone: Promise<unknown>
}

/** What a user asks of `forEach`, checked. */
export interface ForEachPlan {
  readonly concurrency: number
  readonly signal: AbortSignal | undefined
  readonly requeue: boolean
  readonly onError: ForEachOptions<Message>['onError']
}

export async function forEachMessage(
  host: HandlerHost,
  handler: (message: Message) => unknown,
  noAck: boolean,
  { concurrency, signal, requeue, onError }: ForEachPlan,
): Promise<void> {
  const slots = new Slots(concurrency)
  const failures: unknown[] = []
  let gone: { readonly error: unknown } | undefined
  let wake = ignore
  void host.gone.then(error => {
    gone = { error }
    wake()
  })
  /** Resolves when no more than `most` handlers run. */
  const atMost = async (most: number): Promise<void> => {
    while (slots.running > most) {
      if (gone !== undefined) throw gone.error
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
  const work = async (message: Message): Promise<void> => {
    host.begin()
    try {
      await (processes.hasSubscribers ? traced(handler, message) : handler(message))
      if (!noAck) unlessSettled(() => message.ack())
    } catch (error) {
      // A failed delivery counts towards the delivery limit of a quorum queue: from RabbitMQ 4.3 on, a nack does not.
      if (!noAck) unlessSettled(() => message.reject({ requeue }))
      try {
        await onError?.(error, message)
      } catch (failure) {
        failures.push(failure)
        host.cancel()
      }
    } finally {
      host.end()
    }
  }
  const stop = (): void => host.cancel()
  const stopWatching = signal === undefined ? ignore : onAbort(signal, stop)
  if (signal?.aborted === true) stop()
  try {
    for await (const message of host) {
      slots.run(leave => {
        void work(message).then(() => {
          leave()
          wake()
        })
      })
      // No more than can run is taken out: what waits stays in the consumer's buffer, and with the broker.
      if (!slots.anyFree) await atMost(concurrency - 1)
    }
  } finally {
    try {
      await atMost(0)
    } finally {
      stopWatching()
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Runs a handler, within the context of whoever traces it. */
function traced(handler: (message: Message) => unknown, message: Message): Promise<unknown> {
  const context: { readonly message: Message; run?: (handler: () => unknown) => unknown } = { message }
  const handle = (): unknown => handler(message)
  return processes.tracePromise(
    async () => (context.run === undefined ? handle() : context.run(handle)),
    context,
  )
}

/** A handler may have settled its message itself. */
function unlessSettled(settle: () => void): void {
  try {
    settle()
  } catch (error) {
    if (!(error instanceof AlreadySettledError)) throw error
  }
}

/** Reads the options. Throws {@link ArgumentError} if one is invalid. */
export function readForEachOptions(handler: unknown, options: ForEachOptions<Message>): ForEachPlan {
  checkOptionsOf('forEach', options)
  try {
    return checkedForEach(handler, options)
  } catch (error) {
    throw withOperation(error, { operation: 'forEach' })
  }
}

function checkedForEach(handler: unknown, options: ForEachOptions<Message>): ForEachPlan {
  const { concurrency = 1, signal, requeue = true, onError } = options
  if (typeof handler !== 'function') throw new ArgumentError('the handler must be a function')
  if (!(concurrency === Number.POSITIVE_INFINITY || (Number.isInteger(concurrency) && concurrency >= 1))) {
    throw new ArgumentError(`concurrency must be a whole number above 0, got ${shown(concurrency)}`)
  }
  checkSignal('signal', signal)
  checkFlag('requeue', requeue)
  if (onError !== undefined && typeof onError !== 'function') {
    throw new ArgumentError('onError must be a function')
  }
  return { concurrency, signal, requeue, onError }
}
