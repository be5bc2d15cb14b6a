/**
 * Owns basic.get with acknowledgement. A message has to be settled on the channel that it came by, so each queue that is
 * read from has a channel of its own until everything got from it is settled. What fails for one queue then touches no
 * message of another.
 */
import { type Channel, ChannelListener, type Reply } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import type { Request } from '../connection/request.js'
import { ConnectionClosedError, ResourceError } from '../errors.js'
import type { Outcome } from '../ticket.js'
import type { Lanes } from './lanes.js'
import { type Settlement, type Settler, UnackedDeliveries } from './settlement.js'

export interface GetListener {
  /** Everything that was got is settled, or cannot be any more. */
  onGetsSettled(): void
}

export class GetChannels {
  readonly #connection: Connection
  readonly #lanes: Lanes
  readonly #listener: GetListener
  readonly #channels = new Map<string, GetChannel>()
  /** One channel stays open when it is idle, for the next get. */
  #spare: GetChannel | undefined

  constructor(connection: Connection, lanes: Lanes, listener: GetListener) {
    this.#connection = connection
    this.#lanes = lanes
    this.#listener = listener
  }

  /** How many messages are got and not settled. */
  get unsettled(): number {
    let sum = 0
    for (const { unsettled } of this.#channels.values()) sum += unsettled
    return sum
  }

  /** The client is being closed: everything goes back, and does not count as a failed delivery. */
  surrender(): void {
    for (const channel of this.#channels.values()) channel.surrender()
  }

  /** The spare channel, for somebody else. */
  giveWay(): Channel | undefined {
    return this.#spare?.idle === true ? this.#spare.giveWay() : undefined
  }

  /** The connection is gone. */
  end(): void {
    this.#channels.clear()
    this.#spare = undefined
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
    this.#listener.onGetsSettled()
  }

  onClosed(channel: GetChannel): void {
    if (this.#channels.get(channel.queue) === channel) this.#channels.delete(channel.queue)
    if (this.#spare === channel) this.#spare = undefined
    this.#listener.onGetsSettled()
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
      let channel: GetChannel | Promise<void> | undefined
      while (reply === undefined || !(channel instanceof GetChannel)) {
        channel = this.#channelOrRoom(queue, ticket)
        if (channel instanceof GetChannel) reply = await channel.get(request, ticket)
        else await channel
      }
      const { method, oversized } = reply
      const unwanted = oversized !== undefined || ticket.settled
      if (unwanted && method.name === 'basic.get-ok') channel.giveBack([method.args.deliveryTag])
      if (oversized !== undefined) throw this.#tooLarge(queue, oversized)
      if (!ticket.settled) ticket.resolve(result(reply, channel))
    } catch (error) {
      ticket.fail(error)
    }
  }

  #tooLarge(queue: string, size: number): ResourceError {
    const { maxMessageSize } = this.#connection
    return new ResourceError(
      `the message at the head of queue '${queue}' has ${size} bytes, beyond maxMessageSize (${maxMessageSize})`,
    )
  }

  /** A channel; where operations hold all that the connection has left, what resolves when there may be one. */
  #channelOrRoom(queue: string, { context }: Outcome<unknown>): GetChannel | Promise<void> {
    try {
      return this.#channelOf(queue)
    } catch (error) {
      const room = error instanceof ResourceError ? this.#lanes.room(context) : undefined
      if (room === undefined) throw error
      return room
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

  get unsettled(): number {
    return this.#channel.isOpen ? this.#unacked.count : 0
  }

  surrender(): void {
    if (this.unsettled > 0) this.#unacked.surrenderAll()
  }

  /** Resolves with the reply, or with undefined if another request closed the channel. */
  get<T>(request: Request, ticket: Outcome<T>): Promise<Reply | undefined> {
    this.#inProgress++
    return new Promise((resolve, reject) => {
      const onReply = (reply: Reply): void => {
        this.#take(reply)
        resolve(reply)
      }
      this.#channel.ask(request, ticket.context, onReply, error => {
        // A channel error is about the oldest request, and that one is told first.
        const guilty = !this.#failed
        this.#failed = true
        if (guilty || ticket.settled) reject(error)
        else resolve(undefined)
      })
    })
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (!this.#channel.isOpen) return this.#unacked.settleTooLate(deliveryTag)
    if (this.#unacked.settle(deliveryTag, settlement) === 0) return false
    this.#reportIdle()
    return true
  }

  publicTag(wireTag: string): string {
    return wireTag
  }

  autoAck(deliveryTag: number): void {
    this.settle(deliveryTag, { kind: 'ack', multiple: false })
  }

  giveBack(deliveryTags: readonly number[]): void {
    if (!this.#channel.isOpen) return
    this.#unacked.giveBack(deliveryTags)
    this.#reportIdle()
  }

  isOutstanding(deliveryTag: number): boolean {
    return this.#channel.isOpen && this.#unacked.isOutstanding(deliveryTag)
  }

  isFromStream(): boolean {
    return false
  }

  close(): void {
    this.giveWay().close(new ConnectionClosedError('the channel was idle'))
  }

  /** It is not used for getting any more. */
  giveWay(): Channel {
    this.#channels.onClosed(this)
    this.#unacked.onFlush()
    return this.#channel
  }

  override onClosed(): void {
    this.#unacked.onChannelClosed()
    this.#channels.onClosed(this)
  }

  /** Is called while the reply is parsed: a delivery tag that cannot be ends the connection. */
  #take({ method }: Reply): void {
    if (method.name === 'basic.get-ok') this.#unacked.add(method.args.deliveryTag)
    this.#inProgress--
    if (method.name !== 'basic.get-ok') this.#reportIdle()
  }

  #reportIdle(): void {
    if (this.idle && this.#channel.isOpen) this.#channels.onIdle(this)
  }
}
