/**
 * Owns the channels of a connection by their numbers: a number that was used before is given out first, and reserved
 * ones are opened only by number, whatever is known of the limits of the user: others have to make room for them.
 */
import type { AmqpError, ErrorContext } from '../errors.js'
import { tellAll } from '../util/tell-all.js'
import type { Channel } from './channel.js'
import { ChannelLimit } from './channel-limit.js'

export class ChannelTable {
  /** The highest number that may be given out (`channel-max`, as negotiated). */
  max = 0
  readonly #reserved: number
  readonly #limit: ChannelLimit
  /** The channels that are open, by number. Read for each frame, and changed only here. */
  readonly open: (Channel | undefined)[] = []
  readonly #free: number[] = []
  #last: number
  /** The reserved ones that were opened. */
  readonly #opened = new Set<number>()

  /** The numbers from 1 to `reserved` belong to whoever asks for them by number. */
  constructor(reserved: number, limit = new ChannelLimit()) {
    this.#reserved = reserved
    this.#limit = limit
    this.#last = reserved
  }

  /** As many are open as the broker lets the user have. */
  get isFull(): boolean {
    const { count } = this.#limit
    return count !== Number.POSITIVE_INFINITY && this.open.filter(channel => channel?.isOpen).length >= count
  }

  /** The broker has refused a channel beside those that it has opened. */
  onRefused(): void {
    const isNeeded = this.open.some(
      channel => channel?.isAccepted === false && channel.number <= this.#reserved,
    )
    this.#limit.learn(this.#accepted - (isNeeded ? 1 : 0))
  }

  /** There has to be room for one more channel of this user: on this connection or another one. */
  leaveRoom(): void {
    this.#limit.learn(Math.min(this.#accepted, this.#limit.count) - 1)
  }

  get #accepted(): number {
    return this.open.filter(channel => channel?.isAccepted).length
  }

  /** Takes a number that is free, or undefined if there is none. */
  takeNumber(): number | undefined {
    if (this.isFull) return undefined
    return this.#free.pop() ?? (this.#last < this.max ? ++this.#last : undefined)
  }

  /** How many channels are open. */
  get size(): number {
    return this.open.filter(channel => channel !== undefined).length
  }

  /** Whether one of them is being closed: its number will be free. */
  get isClosing(): boolean {
    return this.open.some(channel => channel?.isOpen === false)
  }

  add(channel: Channel): void {
    this.open[channel.number] = channel
    if (channel.number <= this.#reserved) this.#opened.add(channel.number)
  }

  /** Whether there has ever been a channel of this number. */
  wasUsed(number: number): boolean {
    return number <= this.#reserved ? this.#opened.has(number) : number <= this.#last
  }

  /** The channel is closed: its number may be given out again. */
  remove(number: number): void {
    this.open[number] = undefined
    if (number > this.#reserved) this.#free.push(number)
  }

  /** The requests in progress that use a method: a connection.close that names it is about one of them. */
  requestsOf(methodId: number): ErrorContext[] {
    return this.open.flatMap(channel => channel?.requestsOf(methodId) ?? [])
  }

  /** The connection has ended: so has every channel. */
  endAll(reason: AmqpError): void {
    tellAll(this.open, channel => channel?.onConnectionEnd(reason))
    this.open.length = 0
  }
}
