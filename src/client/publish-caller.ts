/**
 * Owns how a message is put to the publisher: what the user passed is read, and the client has to have a connection, or
 * to expect one. Knows nothing of what becomes of the message.
 */
import { captureCallSite, leadingTo } from '../call-site.js'
import { withOperation } from '../operation-errors.js'
import type { OperationOptions, PublishOptions } from '../options.js'
import type { Publisher } from '../publishing/publisher.js'
import type { RecoveringConnection } from '../recovery/recovering-connection.js'
import { checkOptionsOf } from './operation-options.js'
import type { PublishDefaults } from './publish-defaults.js'
import { readPublish } from './publish-options.js'
import { publishes } from './trace-channels.js'

const NO_OPTIONS: PublishOptions = {}

export class PublishCaller {
  readonly #connection: RecoveringConnection
  readonly #publisher: Publisher
  readonly #defaults: PublishDefaults | undefined
  readonly #capturesStacks: boolean
  /** For traces. */
  readonly #client: object

  constructor(
    client: object,
    connection: RecoveringConnection,
    publisher: Publisher,
    defaults: PublishDefaults | undefined,
    capturesStacks: boolean,
  ) {
    this.#client = client
    this.#capturesStacks = capturesStacks
    this.#connection = connection
    this.#publisher = publisher
    this.#defaults = defaults
  }

  /** No more publishes may be pending: the next one is refused. */
  get full(): boolean {
    return this.#publisher.full
  }

  /** Resolves when another publish may be pending. */
  room(): Promise<void> {
    return this.#publisher.room()
  }

  /** Throws {@link ConnectionClosedError} or {@link ConnectionBrokenError} if nothing can be published. */
  check(operation: string): void {
    this.#connection.check(operation)
  }

  /** Publishes what a user's own call has; its options have to be known ones. Never throws, but rejects. */
  publishOne(
    exchange: string,
    routingKey: string,
    body: string | Uint8Array,
    options: PublishOptions | undefined,
  ): Promise<void> {
    try {
      if (options !== undefined) checkOptionsOf('basicPublish', options)
    } catch (error) {
      return Promise.reject(error)
    }
    const published = this.publish(exchange, routingKey, body, options)
    return this.#capturesStacks ? leadingTo(captureCallSite(this.publishOne), published) : published
  }

  /** Publishes; never throws, but rejects. `abort` has the signal and the timeout where `options` has not. */
  publish(
    exchange: string,
    routingKey: string,
    body: string | Uint8Array,
    options: PublishOptions | undefined,
    abort: OperationOptions = options ?? NO_OPTIONS,
  ): Promise<void> {
    if (!publishes.hasSubscribers) return this.#publish(exchange, routingKey, body, options, abort)
    try {
      // What a subscriber adds to the headers goes with the message; the user's own objects stay as they are.
      const copy = copyOf(options)
      const context = { client: this.#client, exchange, routingKey, body, options: copy }
      const publish = (): Promise<void> => this.#publish(exchange, routingKey, body, copy, abort)
      return publishes.tracePromise(publish, context) as Promise<void>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #publish(
    exchange: string,
    routingKey: string,
    body: string | Uint8Array,
    options: PublishOptions | undefined,
    abort: OperationOptions,
  ): Promise<void> {
    try {
      const read = readPublish(exchange, routingKey, body, options)
      const message = this.#defaults === undefined ? read : this.#defaults(read, options)
      this.#connection.check('basicPublish')
      return this.#publisher.publish(message, options?.confirm ?? true, abort)
    } catch (error) {
      return Promise.reject(withOperation(error, { operation: 'basicPublish' }))
    }
  }
}

function copyOf(options: PublishOptions | undefined): PublishOptions {
  const { headers } = options ?? NO_OPTIONS
  const isTable = typeof headers === 'object' && headers !== null
  return isTable ? { ...options, headers: { ...headers } } : { ...options }
}
