/**
 * Owns publishing without confirms: a message counts as published when it is handed over. One that may well bring the
 * channel down travels alone, with a question behind it: the answer, or the closed channel, is its outcome.
 */

import type { Channel } from '../connection/channel.js'
import { encodeRequest } from '../connection/request.js'
import { debugChannel } from '../debug.js'
import { type AmqpError, ArgumentError } from '../errors.js'
import { withContext } from '../operation-errors.js'
import { ignore } from '../util/promise.js'
import type { Message } from './message-envelope.js'
import type { PendingPublish } from './pending-publish.js'
import { PublishBuffer, type PublishConnection } from './publish-buffer.js'

/** Harmless on a channel without consumers: all it does is answer. */
const QUESTION = encodeRequest('basic.qos', { prefetchSize: 0, prefetchCount: 0, global: false }, 0)

export class UnconfirmedChannel extends PublishBuffer {
  #channel: Channel | undefined
  #alone: PendingPublish | undefined

  /** Resolves when the broker has read all that was written. */
  async read(): Promise<void> {
    await this.#channel?.request(QUESTION).catch(ignore)
  }

  protected override check({ mandatory }: Message): void {
    if (mandatory)
      throw new ArgumentError('mandatory needs confirm: without it nobody would hear of a returned message')
  }

  protected override mayFollow(): boolean {
    return this.#alone === undefined
  }

  protected override beforeWrite(_entry: PendingPublish, home: PublishConnection): void {
    this.#channel ??= home.openChannel(this, this.number)
  }

  protected override afterWrite(entry: PendingPublish): void {
    const { risk } = entry
    if (risk === undefined || !this.risks.stands(risk) || this.#channel === undefined) {
      entry.resolve()
      return
    }
    this.#alone = entry
    const proven = (): void => {
      this.risks.prove(risk)
      entry.resolve()
      this.#alone = undefined
      this.release()
    }
    this.#channel.ask(QUESTION, {}, proven, ignore)
  }

  protected override takeWritten(): PendingPublish[] {
    const alone = this.#alone
    this.#channel = undefined
    this.#alone = undefined
    return alone === undefined ? [] : [alone]
  }

  protected override onChannelClosed(error: AmqpError): void {
    const [alone] = this.takeWritten()
    if (alone === undefined)
      debugChannel('channel %d: unconfirmed publishes were lost: %s', this.number, error.message)
    else alone.reject(withContext(error, alone.context))
  }
}
