/**
 * Owns basic.get with acknowledgement. A message has to be settled on the channel that it came by, so each queue that is
 * read from has a channel of its own until everything got from it is settled. What fails for one queue then touches no
 * message of another.
 */
import { type Channel, ChannelListener, type Reply } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import type { Request } from '../connection/request.js'
import { ConnectionClosedError } from '../errors.js'
import type { Outcome } from '../ticket.js'
import type { Lanes } from './lanes.js'
import { type Settlement, type Settler, UnackedDeliveries } from './settlement.js'

export class GetChannels {
  readonly #connection: Connection
  readonly #lanes: Lanes
  readonly #channels = new Map<string, GetChannel>()
  /** One channel stays open when it is idle, for the next get. */
  #spare: GetChannel | undefined

  constructor(connection: Connection, lanes: Lanes) {
    this.#connection = connection
    this.#lanes = lanes
  }

  /** Gets a message; `result` makes the outcome of the reply. */
  get<T>(
    queue: string,
    ticket: Outcome<T>,
    request: Request,
    result: (reply: Reply, settler: Settler) => T,
  ): void {
    this.#lanes.admit(ticket, leave => void this.#get(queue, ticket, request, result).then(leave))
  }

  /** A channel has nothing to do. */
  onIdle(channel: GetChannel): void {
    const spare = this.#spare
    this.#spare = channel
    if (spare !== undefined && spare !== channel && spare.idle) spare.close()
  }

  onClosed(channel: GetChannel): void {
    if (this.#channels.get(channel.queue) === channel) this.#channels.delete(channel.queue)
    if (this.#spare === channel) this.#spare = undefined
  }

  /** Never rejects. */
  async #get<T>(
    queue: string,
    ticket: Outcome<T>,
    request: Request,
    result: (reply: Reply, settler: Settler) => T,
  ): Promise<void> {
    try {
      // If another get closes the channel, that is not this one's failure: it gets another channel.
      let reply: Reply | undefined
      let channel: GetChannel
      do {
        channel = this.#channelOf(queue)
        reply = await channel.get(request, ticket)
      } while (reply === undefined)
      if (!ticket.settled) ticket.resolve(result(reply, channel))
      else if (reply.method.name === 'basic.get-ok') channel.requeue(reply.method.args.deliveryTag)
    } catch (error) {
      ticket.fail(error)
    }
  }

  #channelOf(queue: string): GetChannel {
    let channel = this.#channels.get(queue)
    if (channel === undefined) {
      channel = this.#reassignSpare(queue) ?? new GetChannel(queue, this.#connection, this)
      this.#channels.set(queue, channel)
    }
    return channel
  }

  /** A channel without unacknowledged messages is as good as a new one. */
  #reassignSpare(queue: string): GetChannel | undefined {
    const channel = this.#spare
    if (channel?.idle !== true) return undefined
    this.#spare = undefined
    this.#channels.delete(channel.queue)
    channel.queue = queue
    return channel
  }
}

class GetChannel extends ChannelListener implements Settler {
  queue: string
  readonly #channels: GetChannels
  readonly #channel: Channel
  readonly #unacked: UnackedDeliveries
  #inProgress = 0
  #failed = false

  constructor(queue: string, connection: Connection, channels: GetChannels) {
    super()
    this.queue = queue
    this.#channels = channels
    this.#channel = connection.openChannel(this)
    this.#unacked = new UnackedDeliveries(this.#channel.number, connection.outbox, connection.metrics)
  }

  /** No get is in progress, and no message is unacknowledged. */
  get idle(): boolean {
    return this.#unacked.count === 0 && this.#inProgress === 0
  }

  /** Resolves with the reply, or with undefined if another request closed the channel. */
  async get<T>(request: Request, ticket: Outcome<T>): Promise<Reply | undefined> {
    this.#inProgress++
    try {
      const reply = await this.#channel.request(request, ticket.context)
      this.#inProgress--
      const { method } = reply
      if (method.name === 'basic.get-ok') this.#unacked.add(method.args.deliveryTag)
      else this.#reportIdle()
      return reply
    } catch (error) {
      // A channel error is about the oldest request, and that one is told first.
      const guilty = !this.#failed
      this.#failed = true
      if (guilty || ticket.settled) throw error
      return undefined
    }
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (!this.#channel.isOpen) return this.#unacked.settleTooLate(deliveryTag)
    this.#unacked.settle(deliveryTag, settlement)
    this.#reportIdle()
    return true
  }

  publicTag(wireTag: string): string {
    return wireTag
  }

  /** Gives a message back that nobody waits for any more. */
  requeue(deliveryTag: number): void {
    this.settle(deliveryTag, { kind: 'nack', multiple: false, requeue: true })
  }

  close(): void {
    this.#channels.onClosed(this)
    this.#unacked.onFlush()
    this.#channel.close(new ConnectionClosedError('the channel was idle'))
  }

  override onClosed(): void {
    this.#unacked.onChannelClosed()
    this.#channels.onClosed(this)
  }

  #reportIdle(): void {
    if (this.idle && this.#channel.isOpen) this.#channels.onIdle(this)
  }
}
