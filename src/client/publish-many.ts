/**
 * Owns the runs of `publishMany` that are in progress on a client: what users pass is read, each message is published as
 * `basicPublish` would, and the client's end is theirs, too.
 */
import { captureCallSite, leadingTo } from '../call-site.js'
import { ArgumentError } from '../errors.js'
import { withOperation } from '../operation-errors.js'
import type {
  OperationOptions,
  PublishManyMessage,
  PublishManyOptions,
  PublishManyResult,
} from '../options.js'
import { eitherSignal } from '../util/abort.js'
import { checkSignal, checkWhole, shown } from '../util/check.js'
import { misspelt } from '../util/option-names.js'
import { checkOptionsOf, LOAD_MESSAGE } from './operation-options.js'
import type { PublishCaller } from './publish-caller.js'
import { PublishLoad, type PublishLoadHost, type PublishLoadPlan } from './publish-load.js'

const OPERATION = 'publishMany'
const WINDOW = 1000

/** A run in progress, whatever its messages are. */
interface RunningLoad {
  readonly outcome: Promise<PublishManyResult>
  checkHost(): void
}

export class PublishLoads {
  readonly #caller: PublishCaller
  readonly #loads = new Set<RunningLoad>()
  /** Names of properties that are the user's own. */
  readonly #ownNames = new Set<string>()

  constructor(caller: PublishCaller) {
    this.#caller = caller
  }

  /** Publishes all messages. Never throws: what is wrong at once rejects, too. */
  async run<M extends PublishManyMessage>(
    messages: Iterable<M> | AsyncIterable<M>,
    options: PublishManyOptions<M>,
  ): Promise<PublishManyResult> {
    const site = captureCallSite(this.run)
    const load = this.#begin(messages, options)
    this.#loads.add(load)
    load.start()
    try {
      return await leadingTo(site, load.outcome)
    } finally {
      this.#loads.delete(load)
    }
  }

  /** The client is closed: nothing can be published any more. */
  cutOff(): void {
    for (const load of this.#loads) load.checkHost()
  }

  /** Resolves when no run is in progress, whatever became of them. */
  async idle(): Promise<void> {
    while (this.#loads.size > 0) {
      await Promise.allSettled([...this.#loads].map(load => load.outcome))
    }
  }

  #begin<M extends PublishManyMessage>(
    messages: Iterable<M> | AsyncIterable<M>,
    options: PublishManyOptions<M>,
  ): PublishLoad<M> {
    try {
      const plan = readPublishManyOptions(messages, options)
      plan.signal?.throwIfAborted()
      this.#caller.check(OPERATION)
      return new PublishLoad(plan, this.#hostOf(plan))
    } catch (error) {
      throw withOperation(error, { operation: OPERATION })
    }
  }

  /** A message may have properties of its user's own, but none that is most likely one of ours, misspelt. */
  #checkMessage(message: unknown): void {
    if (typeof message !== 'object' || message === null) {
      throw loadError(`a message must be an object, got ${shown(message)}`)
    }
    for (const name in message) {
      if (LOAD_MESSAGE.has(name) || this.#ownNames.has(name)) continue
      const meant = misspelt(name, LOAD_MESSAGE)
      if (meant !== undefined) throw loadError(`${name} is no option; did you mean ${meant}?`)
      if (this.#ownNames.size < MOST_OWN_NAMES) this.#ownNames.add(name)
    }
  }

  #hostOf<M extends PublishManyMessage>({ signal }: PublishLoadPlan<M>): PublishLoadHost<M> {
    const caller = this.#caller
    return {
      publish: message => {
        try {
          this.#checkMessage(message)
          return signal === undefined
            ? caller.publish(message.exchange, message.routingKey, message.body, message)
            : publishUnlessAborted(caller, message, signal)
        } catch (error) {
          return Promise.reject(withOperation(error, { operation: 'basicPublish' }))
        }
      },
      get full() {
        return caller.full
      },
      room: () => caller.room(),
      check: () => caller.check(OPERATION),
    }
  }
}

/** So many names of properties that are the user's own are remembered. */
const MOST_OWN_NAMES = 100

function loadError(text: string): ArgumentError {
  return new ArgumentError(`${OPERATION}: ${text}`, { operation: OPERATION })
}

/** The message may have a signal of its own; a timeout is its own in any case. */
function publishUnlessAborted(
  caller: PublishCaller,
  message: PublishManyMessage,
  signal: AbortSignal,
): Promise<void> {
  const { exchange, routingKey, body, timeout, signal: own } = message
  const publish = (abort: OperationOptions): Promise<void> =>
    caller.publish(exchange, routingKey, body, message, abort)
  if (own === undefined || own === signal) return publish({ signal, timeout })
  checkSignal('signal', own)
  const either = eitherSignal(own, signal)
  const published = publish({ signal: either.signal, timeout })
  published.then(either.release, either.release)
  return published
}

function readPublishManyOptions<M>(
  messages: Iterable<M> | AsyncIterable<M>,
  options: PublishManyOptions<M>,
): PublishLoadPlan<M> {
  checkOptionsOf(OPERATION, options)
  const { window = WINDOW, signal, onError } = options
  checkWhole('window', window, 1)
  checkSignal('signal', signal)
  if (onError !== undefined && typeof onError !== 'function')
    throw new ArgumentError('onError must be a function')
  return { messages, window, signal, onError }
}
