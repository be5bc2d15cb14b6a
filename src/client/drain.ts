/** Owns the graceful end of a client: consumers are cancelled, what is in progress comes to its outcome, then it closes. */
import { timedOut } from '../operation-errors.js'
import type { RecoveringConnection } from '../recovery/recovering-connection.js'
import { onAbort, watchAbort } from '../util/abort.js'
import { ignore } from '../util/promise.js'
import type { ConsumerRegistry } from './consumer-registry.js'
import type { PublishLoads } from './publish-many.js'

export class Drain {
  /** It was completed, before the client was closed. */
  completed = false
  readonly #connection: RecoveringConnection
  readonly #consumers: ConsumerRegistry
  readonly #loads: PublishLoads
  readonly #close: () => Promise<void>
  #running: Promise<void> | undefined

  constructor(
    connection: RecoveringConnection,
    consumers: ConsumerRegistry,
    loads: PublishLoads,
    close: () => Promise<void>,
  ) {
    this.#connection = connection
    this.#consumers = consumers
    this.#loads = loads
    this.#close = close
  }

  /** Drains within `timeout` milliseconds; a second call joins the first. */
  run(timeout: number): Promise<void> {
    this.#running ??= this.#run(timeout).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #run(timeout: number): Promise<void> {
    if (!this.#connection.isAlive) {
      await this.#close()
      return
    }
    const stopWatching = new AbortController()
    try {
      await Promise.race([this.#comeToRest(), this.#failure(timeout, stopWatching.signal)])
      this.completed = true
    } finally {
      stopWatching.abort()
      await this.#close()
    }
  }

  async #comeToRest(): Promise<void> {
    await this.#consumers.cancel()
    // Between two messages of a slow iterator nothing is pending, and yet there is more to come.
    await this.#loads.idle()
    await this.#connection.idle()
  }

  /** Rejects when the time is up, or the client is closed; `end` ends the watch. */
  #failure(timeout: number, end: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const context = { operation: 'drain' }
      void this.#connection.closed.then(() => {
        try {
          this.#connection.check('drain')
        } catch (reason) {
          reject(reason)
        }
      })
      const stop = watchAbort({ timeout }, ignore, () => reject(timedOut('drain', timeout, context)))
      onAbort(end, stop)
    })
  }
}
