/**
 * Owns channel 0 of an open connection: its blocking, new secrets, and the broker's closing of it
 * (AMQP 0-9-1, section 2.2.4 "The Connection Class"; RabbitMQ, "Blocked Connection Notifications").
 */
import type { ArgsOf, Method, MethodName } from '../codec/methods.gen.js'
import { debugConnection } from '../debug.js'
import { type AmqpError, CommandInvalidError } from '../errors.js'
import { errorFromReply } from '../reply-errors.js'
import { cleanText } from '../util/clean-text.js'
import { Deque } from '../util/deque.js'
import { type Deferred, defer } from '../util/promise.js'
import { tellAll } from '../util/tell-all.js'

/** What the control channel needs of its connection. */
export interface ControlHost {
  /** Sends a method on channel 0. */
  send<N extends MethodName>(name: N, args: ArgsOf<N>): void
  onBlocked(reason: string): void
  onUnblocked(): void
  /** The broker closes the connection, for `reason`; `methodId` is the method that it blames, or 0. */
  onClose(reason: AmqpError, methodId: number): void
  /** The broker has answered our connection.close. */
  onCloseOk(): void
}

export class ControlChannel {
  /** The broker's reason not to take publishes for now. */
  blocked: string | undefined
  readonly #host: ControlHost
  /** New secrets that the broker has not taken yet. */
  readonly #secrets = new Deque<Deferred<void>>()
  /** Nobody waits for answers any more, which may come still. */
  #ended = false

  constructor(host: ControlHost) {
    this.#host = host
  }

  onMethod(method: Method): void {
    switch (method.name) {
      case 'connection.close': {
        const { replyCode, replyText, classId, methodId } = method.args
        debugConnection('closed by the broker: %d %s', replyCode, cleanText(replyText))
        this.#host.send('connection.close-ok', {})
        this.#host.onClose(
          errorFromReply(replyCode, replyText, { classId, methodId }),
          (classId << 16) | methodId,
        )
        break
      }
      case 'connection.close-ok':
        this.#host.onCloseOk()
        break
      case 'connection.update-secret-ok':
        this.#onSecretTaken()
        break
      case 'connection.blocked':
        this.blocked = method.args.reason
        this.#host.onBlocked(method.args.reason)
        break
      case 'connection.unblocked':
        this.blocked = undefined
        this.#host.onUnblocked()
        break
      default:
        throw unasked(method.name)
    }
  }

  updateSecret(newSecret: string, reason: string): Promise<void> {
    this.#host.send('connection.update-secret', { newSecret: Buffer.from(newSecret), reason })
    const done = defer<void>()
    this.#secrets.push(done)
    return done.promise
  }

  /** The connection has ended. */
  end(reason: AmqpError): void {
    this.#ended = true
    tellAll(this.#secrets.drain(), secret => secret.reject(reason))
  }

  #onSecretTaken(): void {
    const secret = this.#secrets.shift()
    if (secret === undefined && !this.#ended) throw unasked('connection.update-secret-ok')
    secret?.resolve()
  }
}

/** The error of a method of channel 0 that is the answer to nothing. */
export function unasked(name: MethodName): CommandInvalidError {
  return new CommandInvalidError(`${name} came on channel 0, where nothing asked for it`)
}
