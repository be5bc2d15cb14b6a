/**
 * Owns basic.get with acknowledgement: a message has to be settled on the channel that it came by, so each queue that
 * is read from gets a lane of its own until everything got from it is settled. What fails for one queue then touches
 * no message of another.
 */

import type { Channel, ChannelOwner, Reply } from '../connection/channel.js'
import type { Outbox } from '../connection/outbox.js'
import type { Request } from '../connection/request.js'
import { ConnectionClosedError } from '../errors.js'
import type { Outcome } from '../ticket.js'
import type { Lanes } from './lanes.js'
import { type Settlement, type Settler, UnackedDeliveries } from './settlement.js'

/** The part of the session that getting needs. */
export interface GetterHome {
  readonly outbox: Outbox
  readonly lanes: Lanes
  openChannel(owner: ChannelOwner): Channel
}

export class GetChannels {
  readonly #home: GetterHome
  readonly #lanes = new Map<string, GetLane>()
  /** One lane stays open when it is idle, for the next queue that is asked, or the same one. */
  #parked: GetLane | undefined

  constructor(home: GetterHome) {
    this.#home = home
  }

  /** Gets a message; `result` makes the outcome of the reply. */
  get<T>(
    queue: string,
    ticket: Outcome<T>,
    request: Request,
    result: (reply: Reply, settler: Settler) => T,
  ): void {
    this.#home.lanes.admit(ticket, leave => void this.#get(queue, ticket, request, result).then(leave))
  }

  /** A lane has nothing to do. */
  onIdle(lane: GetLane): void {
    const parked = this.#parked
    this.#parked = lane
    if (parked !== undefined && parked !== lane && parked.idle) parked.close()
  }

  /** A lane is no more. */
  onGone(lane: GetLane): void {
    if (this.#lanes.get(lane.queue) === lane) this.#lanes.delete(lane.queue)
    if (this.#parked === lane) this.#parked = undefined
  }

  /** Never rejects. */
  async #get<T>(
    queue: string,
    ticket: Outcome<T>,
    request: Request,
    result: (reply: Reply, settler: Settler) => T,
  ): Promise<void> {
    try {
      // A lane that another get brought down is not this one's failure: it gets another lane.
      let reply: Reply | undefined
      let lane: GetLane
      do {
        lane = this.#laneOf(queue)
        reply = await lane.get(request, ticket)
      } while (reply === undefined)
      if (!ticket.settled) ticket.resolve(result(reply, lane))
      else if (reply.method.name === 'basic.get-ok') lane.giveBack(reply.method.args.deliveryTag)
    } catch (error) {
      ticket.fail(error)
    }
  }

  #laneOf(queue: string): GetLane {
    let lane = this.#lanes.get(queue)
    if (lane === undefined) {
      lane = this.#reassignParked(queue) ?? new GetLane(queue, this.#home, this)
      this.#lanes.set(queue, lane)
    }
    return lane
  }

  /** A lane on which nothing is outstanding is as good as a new one. */
  #reassignParked(queue: string): GetLane | undefined {
    const lane = this.#parked
    if (lane?.idle !== true) return undefined
    this.#parked = undefined
    this.#lanes.delete(lane.queue)
    lane.queue = queue
    return lane
  }
}

class GetLane implements ChannelOwner, Settler {
  queue: string
  readonly #getter: GetChannels
  readonly #channel: Channel
  readonly #ledger: UnackedDeliveries
  #underWay = 0
  #failed = false

  constructor(queue: string, home: GetterHome, getter: GetChannels) {
    this.queue = queue
    this.#getter = getter
    this.#channel = home.openChannel(this)
    this.#ledger = new UnackedDeliveries(this.#channel.number, home.outbox)
  }

  /** Nothing is asked for, and nothing is to be settled. */
  get idle(): boolean {
    return this.#ledger.outstanding === 0 && this.#underWay === 0
  }

  /** Resolves with the reply, or with undefined where another request brought the lane down. */
  async get<T>(request: Request, ticket: Outcome<T>): Promise<Reply | undefined> {
    this.#underWay++
    try {
      const reply = await this.#channel.request(request, ticket.context)
      this.#underWay--
      const { method } = reply
      if (method.name === 'basic.get-ok') this.#ledger.delivered(method.args.deliveryTag)
      else this.#reportIdle()
      return reply
    } catch (error) {
      // A channel error is about the oldest request, and that one hears of it first.
      const guilty = !this.#failed
      this.#failed = true
      if (guilty || ticket.settled) throw error
      return undefined
    }
  }

  settle(deliveryTag: number, settlement: Settlement): boolean {
    if (!this.#channel.open) return this.#ledger.settleTooLate(deliveryTag)
    this.#ledger.settle(deliveryTag, settlement)
    this.#reportIdle()
    return true
  }

  publicTag(wireTag: string): string {
    return wireTag
  }

  /** For a message whose receiver has given up. */
  giveBack(deliveryTag: number): void {
    this.settle(deliveryTag, { kind: 'nack', multiple: false, requeue: true })
  }

  close(): void {
    this.#getter.onGone(this)
    this.#ledger.onFlush()
    this.#channel.close(new ConnectionClosedError('the lane was idle'))
  }

  onClosed(): void {
    this.#ledger.onChannelGone()
    this.#getter.onGone(this)
  }

  onDeliver(): void {}
  onReturn(): void {}
  onConfirm(): void {}
  onCancel(): void {}
  onFlow(): void {}

  #reportIdle(): void {
    if (this.idle && this.#channel.open) this.#getter.onIdle(this)
  }
}
