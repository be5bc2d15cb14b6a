/**
 * Owns the operation lanes: a bounded pool of channels, each with one operation at a time, so that a failing operation
 * takes down its own channel and nothing else. Lanes that a burst needed are closed again when it is over. Knows nothing
 * of what the operations are.
 */
import { type Channel, ChannelListener, type Reply } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import type { Request } from '../connection/request.js'
import { ConnectionClosedError, ResourceError } from '../errors.js'
import type { Outcome } from '../ticket.js'
import { Slots, type Task } from '../util/slots.js'

/** How long lanes may stand idle before they are closed. */
const IDLE_MS = 500
/** So many lanes stay open, for the next operation. */
const KEPT_LANES = 1

/** A lane carries requests only: whatever else the broker might send there means nothing. */
const NO_LISTENER = new ChannelListener()

export class Lanes {
  readonly #connection: Connection
  readonly #slots: Slots
  readonly #maxWaiting: number
  readonly #idle: Channel[] = []
  /** The fewest lanes that were idle since the timer was set: these nobody needs. */
  #leastIdle = 0
  #timer: NodeJS.Timeout | undefined

  constructor(connection: Connection, concurrency: number, maxWaiting: number) {
    this.#connection = connection
    this.#slots = new Slots(concurrency)
    this.#maxWaiting = maxWaiting
  }

  /**
   * Runs a task when its turn comes, unless its ticket is settled by then. The task must not throw, and calls `leave` when
   * it is done.
   */
  admit<T>(ticket: Outcome<T>, task: Task): void {
    if (this.#slots.waiting >= this.#maxWaiting && !this.#slots.anyFree) {
      const limit = `${this.#maxWaiting} operations wait already (maxPendingOperations)`
      ticket.reject(new ResourceError(`${ticket.operation}: ${limit}`, ticket.context))
      return
    }
    this.#slots.run(leave => (ticket.settled ? leave() : task(leave)))
  }

  /** Runs a request on a lane; `result` makes the outcome of the reply. */
  run<T>(ticket: Outcome<T>, request: Request, result: (reply: Reply) => T): void {
    this.admit(ticket, leave => {
      let lane: Channel | undefined
      // An abandoned request keeps its lane until the reply has come: the lane is then as good as new.
      const end = (): void => {
        if (lane !== undefined) this.giveBack(lane)
        leave()
      }
      const fail = (error: unknown): void => {
        ticket.fail(error)
        end()
      }
      const onReply = (reply: Reply): void => {
        try {
          ticket.resolve(result(reply))
        } catch (error) {
          ticket.fail(error)
        }
        end()
      }
      try {
        lane = this.acquire()
        lane.ask(request, ticket.context, onReply, fail)
      } catch (error) {
        fail(error)
      }
    })
  }

  /** Takes an idle lane, or opens one. Throws {@link ResourceError} if the connection has no channel left. */
  acquire(): Channel {
    const lane = this.#idle.pop() ?? this.#connection.openChannel(NO_LISTENER)
    this.#leastIdle = Math.min(this.#leastIdle, this.#idle.length)
    return lane
  }

  /** Gives a lane back; one that the broker has closed is forgotten. */
  giveBack(lane: Channel): void {
    if (!lane.isOpen) return
    this.#idle.push(lane)
    if (this.#timer === undefined && this.#idle.length > KEPT_LANES) this.#watchIdle()
  }

  /** The connection is gone. */
  end(): void {
    clearTimeout(this.#timer)
    this.#idle.length = 0
  }

  #watchIdle(): void {
    this.#leastIdle = this.#idle.length
    this.#timer = setTimeout(() => this.#closeIdle(), IDLE_MS)
    this.#timer.unref()
  }

  #closeIdle(): void {
    this.#timer = undefined
    // The lanes at the bottom of the stack are those that were idle throughout.
    const surplus = this.#idle.splice(0, Math.max(0, this.#leastIdle - KEPT_LANES))
    for (const lane of surplus) lane.close(new ConnectionClosedError('the lane was idle'))
    if (this.#idle.length > KEPT_LANES) this.#watchIdle()
  }
}
