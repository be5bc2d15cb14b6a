/**
 * Owns the secrets that take the place of the password: which one is used first, which one instead where the broker refuses
 * that, and those that wait for a connection to take them. Knows nothing of how a connection is made.
 */
import { CONNECTION_UPDATE_SECRET } from '../codec/methods.gen.js'
import { AmqpError } from '../errors.js'
import { type Deferred, defer } from '../util/promise.js'

/** What takes a new secret on an open connection. */
interface SecretTaker {
  updateSecret(newSecret: string, reason: string): Promise<void>
}

/** A secret that waits for a connection, the number of its call, and everybody who waits with it. */
interface Waiting {
  readonly secret: string
  readonly reason: string
  readonly number: number
  readonly done: Deferred<void>[]
}

export class Secrets {
  /** The last one that the broker has let the user in with. */
  #proven: string | undefined
  /** What the broker has taken on an open connection: RabbitMQ's own users may give it anything there. */
  #given: string | undefined
  /** It was refused where another one was not. */
  #givenFails = false
  /** The last one that was given while there was no connection. */
  #waiting: Waiting | undefined
  #calls = 0
  /** The call that gave the present secret. */
  #current = 0

  /** What to let the user in with who has this password, the most promising first. */
  inOrder(password: string): string[] {
    const known = [this.#proven, password]
    if (this.#givenFails) known.push(this.#given)
    else known.unshift(this.#given)
    const all = [this.#waiting?.secret, ...known].filter(secret => secret !== undefined)
    return [...new Set(all)]
  }

  /** Numbers a call that gives a secret: the last one counts. */
  nextCall(): number {
    return ++this.#calls
  }

  /** The broker has taken a secret on an open connection. */
  give(secret: string, call: number): void {
    if (call < this.#current) return
    this.#current = call
    this.#given = secret
    this.#givenFails = false
  }

  /** Resolves when a connection has taken the secret, or a later one. Rejects if the broker refuses it, or none follows. */
  wait(secret: string, reason: string, call: number): Promise<void> {
    const done = defer<void>()
    const { number = 0, done: others = [] } = this.#waiting ?? {}
    if (this.#waiting !== undefined && number > call) others.push(done)
    else this.#waiting = { secret, reason, number: call, done: [...others, done] }
    return done.promise
  }

  /**
   * The broker has let the user in with this secret, which may be the `password` itself; `failure` is how it has refused
   * those that were tried before.
   */
  onLetIn(secret: string, password: string, refused: ReadonlySet<string>, failure?: Error): void {
    const waiting = this.#waiting
    if (waiting?.secret === secret) this.#onTaken(waiting)
    else if (waiting !== undefined && refused.has(waiting.secret)) this.#onRefused(waiting, failure)
    if (this.#given !== undefined && refused.has(this.#given)) this.#givenFails = true
    if (this.#given === secret) this.#given = undefined
    if (secret !== password || this.#proven !== undefined) this.#proven = secret
  }

  /** Gives the secret that waits, if any, to a connection that may not know it. Never rejects. */
  async giveWaiting(connection: SecretTaker): Promise<void> {
    const waiting = this.#waiting
    if (waiting === undefined) return
    try {
      await connection.updateSecret(waiting.secret, waiting.reason)
      this.#onTaken(waiting)
    } catch (error) {
      // If the connection was lost for another reason, the next one takes it.
      if (isSecretRefused(error)) this.#onRefused(waiting, error)
    }
  }

  /** No connection follows, or none that takes the secret. */
  fail(error: unknown): void {
    const { done = [] } = this.#waiting ?? {}
    this.#waiting = undefined
    for (const one of done) one.reject(error)
  }

  /** A connection has taken the secret that waits. */
  #onTaken(waiting: Waiting): void {
    if (this.#waiting !== waiting) return
    const { secret, number, done } = waiting
    this.#waiting = undefined
    this.give(secret, number)
    for (const one of done) one.resolve()
  }

  /** The broker refuses the secret that waits: what there was before is used. */
  #onRefused(waiting: Waiting, error: unknown): void {
    if (this.#waiting === waiting) this.fail(error)
  }
}

/** The broker has ended the connection over a secret: RabbitMQ names the method. Any other end says nothing of it. */
export function isSecretRefused(error: unknown): boolean {
  if (!(error instanceof AmqpError)) return false
  const { classId = 0, methodId = 0 } = error
  return ((classId << 16) | methodId) === CONNECTION_UPDATE_SECRET
}
