/**
 * Owns which publishes may make the broker close the channel: those with a property that was not seen to work yet, and
 * those that a closed channel left under suspicion. What is in flight when the channel closes is dropped, or never
 * confirmed. So such a publish is sent with no other in flight on its channel; then no other one is harmed, and the culprit
 * is known.
 */

/** So many proven risks are remembered; beyond that the memory starts over. */
const MEMORY = 4096
/** Bodies up to this size are never in doubt, in bytes. RabbitMQ's limit (`max_message_size`) can be set to any value. */
const SAFE_SIZE = 131_072
/** So many suspects are tried one by one; of more of them, several together. */
const MAX_TRIALS = 256

/** The risk of a publish that nothing speaks against, but that was in flight when its channel was closed. */
export const SUSPICION = 'suspicion'

/** What may make the broker close the channel over a publish. */
export interface Risky {
  readonly exchange: string
  readonly userId: string | undefined
  /** The size of the body in bytes, or, of a short text, at most. */
  readonly maxSize: number
  /** It was in flight when the channel was closed over a publish that is not known. */
  suspect: boolean
  /** What is not proven about it. */
  risk: string | undefined
}

export class PublishRisks {
  /** So many suspects are to be tried together. */
  trialSize = 1
  /** One of the suspects has made the broker end the connection, not just the channel. */
  endsConnection = false
  /** How often something was forgotten: what was sent before and proves harmless afterwards proves nothing. */
  timesForgotten = 0
  readonly #proven = new Set<string>()
  #provenSize = SAFE_SIZE
  /** Most publishes go where the last one went. */
  #lastExchange = ''

  /** What is not proven about a publish, or undefined. */
  riskOf({ exchange, userId, maxSize, suspect }: Risky): string | undefined {
    if (maxSize > this.#provenSize) return `size:${maxSize}`
    const none = suspect ? SUSPICION : undefined
    // Anything else is refused when it is encoded.
    if (typeof userId === 'string') {
      const risk = `user:${userId}:${exchange}`
      return this.#proven.has(risk) ? none : risk
    }
    if (exchange === '' || exchange === this.#lastExchange) return none
    const risk = `exchange:${exchange}`
    if (!this.#proven.has(risk)) return risk
    this.#lastExchange = exchange
    return none
  }

  /** One of these has closed the channel, or ended the connection. */
  suspect(publishes: readonly Risky[], endsConnection: boolean): void {
    for (const publish of publishes) publish.suspect = true
    this.endsConnection = endsConnection
    this.trialSize = Math.max(1, Math.ceil(publishes.length / MAX_TRIALS))
  }

  /** The broker took a message, which was sent when `timesForgotten` was so many. */
  markHarmless(publish: Risky, timesForgotten = this.timesForgotten): void {
    const { risk } = publish
    publish.suspect = false
    if (risk === undefined || risk === SUSPICION || timesForgotten !== this.timesForgotten) return
    if (risk.startsWith('size:')) {
      this.#provenSize = Math.max(this.#provenSize, nextPowerOfTwo(publish.maxSize))
      return
    }
    if (this.#proven.size >= MEMORY) this.#proven.clear()
    this.#proven.add(risk)
  }

  /** A publish to this exchange failed, or it was deleted: what was known of it does not hold. */
  forgetExchange(exchange: string): void {
    this.timesForgotten++
    for (const risk of this.#proven) if (risk.endsWith(`:${exchange}`)) this.#proven.delete(risk)
    this.#lastExchange = ''
  }
}

/** Sizes that grow little by little are not in doubt one by one: limits are hardly ever that close. */
function nextPowerOfTwo(size: number): number {
  return 2 ** Math.ceil(Math.log2(size))
}
