/**
 * Owns the channels of a connection by their numbers: a number that was used before is given out first, and reserved
 * ones are opened only by number.
 */
import type { AmqpError, ErrorContext } from '../errors.js'
import type { Channel } from './channel.js'

export class ChannelTable {
  /** The highest number that may be given out (`channel-max`, as negotiated). */
  max = 0
  readonly #reserved: number
  readonly #channels: (Channel | undefined)[] = []
  readonly #free: number[] = []
  #last: number

  /** The numbers from 1 to `reserved` belong to whoever asks for them by number. */
  constructor(reserved: number) {
    this.#reserved = reserved
    this.#last = reserved
  }

  /** Takes a number that is free, or undefined if there is none. */
  takeNumber(): number | undefined {
    return this.#free.pop() ?? (this.#last < this.max ? ++this.#last : undefined)
  }

  add(channel: Channel): void {
    this.#channels[channel.number] = channel
  }

  /** The channel of a number, while it is open. */
  get(number: number): Channel | undefined {
    return this.#channels[number]
  }

  /** Whether there has ever been a channel of this number. */
  wasUsed(number: number): boolean {
    return number <= this.#last
  }

  /** The channel is closed: its number may be given out again. */
  remove(number: number): void {
    this.#channels[number] = undefined
    if (number > this.#reserved) this.#free.push(number)
  }

  /** The requests in progress that use a method: a connection.close that names it is about one of them. */
  requestsOf(methodId: number): ErrorContext[] {
    return this.#channels.flatMap(channel => channel?.requestsOf(methodId) ?? [])
  }

  /** The connection has ended: so has every channel. */
  endAll(reason: AmqpError): void {
    for (const channel of this.#channels) channel?.onConnectionEnd(reason)
    this.#channels.length = 0
  }
}
