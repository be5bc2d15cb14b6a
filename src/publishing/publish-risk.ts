/**
 * Owns which publishes may make the broker close the channel: those with a property that was not seen to work yet. What is
 * in flight when the channel closes is dropped, or never confirmed. So such a publish is sent with no other in flight,
 * once; then no other one is harmed, and the culprit is known.
 */

/** So many proven risks are remembered; beyond that the memory starts over. */
const MEMORY = 4096
/** RabbitMQ 4's default `max_message_size`; no broker is known to refuse less. */
const SAFE_SIZE = 16_777_216

/** What may make the broker close the channel over a publish. */
export interface Risky {
  readonly exchange: string
  readonly userId: string | undefined
  /** The size of the body in bytes, at most. */
  readonly maxSize: number
}

export class PublishRisks {
  readonly #proven = new Set<string>()
  #provenSize = SAFE_SIZE
  /** Most publishes go where the last one went. */
  #lastExchange = ''

  /** What is not proven about a publish, or undefined. */
  riskOf({ exchange, userId, maxSize }: Risky): string | undefined {
    if (maxSize > this.#provenSize) return `size:${maxSize}`
    if (userId !== undefined) {
      const risk = `user:${userId}:${exchange}`
      return this.#proven.has(risk) ? undefined : risk
    }
    if (exchange === '' || exchange === this.#lastExchange) return undefined
    const risk = `exchange:${exchange}`
    if (!this.#proven.has(risk)) return risk
    this.#lastExchange = exchange
    return undefined
  }

  /** The broker took a message with this risk. */
  markProven(risk: string): void {
    if (risk.startsWith('size:')) {
      this.#provenSize = Math.max(this.#provenSize, Number(risk.slice('size:'.length)))
      return
    }
    if (this.#proven.size >= MEMORY) this.#proven.clear()
    this.#proven.add(risk)
  }

  /** A publish to this exchange failed, or it was deleted: what was known of it does not hold. */
  forgetExchange(exchange: string): void {
    for (const risk of this.#proven) if (risk.endsWith(`:${exchange}`)) this.#proven.delete(risk)
    this.#lastExchange = ''
  }
}
