/**
 * Owns the operation lanes: a bounded pool of channels, each with one operation at a time, so that a failing operation
 * takes down its own channel and nothing else. Lanes that a burst needed are closed again when it is over, and an idle one
 * gives way to whoever needs a channel. Knows nothing of what the operations are.
 */
import { type Channel, ChannelListener, type Reply } from '../connection/channel.js'
import type { Connection } from '../connection/connection.js'
import type { Request } from '../connection/request.js'
import { type AmqpError, ConnectionClosedError, type ErrorContext, ResourceError } from '../errors.js'
import { connectionLost } from '../operation-errors.js'
import type { Outcome } from '../ticket.js'
import { Deque } from '../util/deque.js'
import { Slots, type Task } from '../util/slots.js'
import { tellAll } from '../util/tell-all.js'

/** How long lanes may stand idle before they are closed. */
const IDLE_MS = 500
/** So many lanes stay open, for the next operation. */
const KEPT_LANES = 1

/** A lane carries requests only: whatever else the broker might send there means nothing. */
const NO_LISTENER = new ChannelListener()

/** Somebody who waits for a lane. Must not throw. */
interface Waiting {
  readonly context: ErrorContext
  take(lane: Channel): void
  fail(error: unknown): void
}

export class Lanes {
  readonly #connection: Connection
  readonly #slots: Slots
  readonly #maxWaiting: number
  readonly #idle: Channel[] = []
  /** How many lanes are in use. */
  #busy = 0
  /** Those that wait for a lane, while the connection has no channel left. */
  readonly #waiting = new Deque<Waiting>()
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

  /** Runs a request on a lane when its turn comes; `result` makes the outcome of the reply. */
  run<T>(ticket: Outcome<T>, request: Request, result: (reply: Reply) => T): void {
    this.admit(ticket, leave => this.runNow(ticket, request, result, leave))
  }

  /** Runs a request as soon as there is a lane, whatever else waits for its turn. Calls `leave` when it is done. */
  runNow<T>(ticket: Outcome<T>, request: Request, result: (reply: Reply) => T, leave: () => void): void {
    const fail = (error: unknown): void => {
      ticket.fail(error)
      leave()
    }
    this.#acquire({
      context: ticket.context,
      fail,
      take: lane => {
        // An abandoned request keeps its lane until the reply has come: the lane is then as good as new.
        const end = (): void => {
          this.#giveBack(lane)
          leave()
        }
        const onReply = (reply: Reply): void => {
          try {
            ticket.resolve(result(reply))
          } catch (error) {
            ticket.fail(error)
          }
          end()
        }
        if (ticket.settled) end()
        else {
          lane.ask(request, ticket.context, onReply, error => {
            ticket.fail(error)
            end()
          })
        }
      },
    })
  }

  /** Resolves when there may be a channel that somebody can have; undefined if all are in use for other purposes. */
  room(context: ErrorContext): Promise<void> | undefined {
    if (!this.#mayWait) return undefined
    return new Promise((resolve, reject) => {
      this.#acquire({
        context,
        fail: reject,
        take: lane => {
          this.#giveBack(lane)
          resolve()
        },
      })
    })
  }

  /** A channel for somebody else, if there is one that nobody uses: it is as good as new. */
  giveWay(): Channel | undefined {
    let lane = this.#idle.pop()
    // The broker may have closed it while it was idle.
    while (lane?.isOpen === false) lane = this.#idle.pop()
    this.#leastIdle = Math.min(this.#leastIdle, this.#idle.length)
    return lane
  }

  /** A channel of the connection is closed: its number may serve somebody who waits. */
  onChannelFree(): void {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      try {
        const lane = this.giveWay() ?? this.#connection.openChannel(NO_LISTENER, next)
        this.#waiting.shift()
        this.#use(lane, next)
      } catch (error) {
        if (error instanceof ResourceError && this.#mayWait) return
        this.#waiting.shift()
        next.fail(error)
      }
    }
  }

  /** The connection is gone: those that wait end as those on a channel do. */
  end(reason: AmqpError): void {
    clearTimeout(this.#timer)
    this.#idle.length = 0
    tellAll(this.#waiting.drain(), ({ context, fail }) => fail(connectionLost(reason, context)))
  }

  /** There will be a channel: another lane is given back, or a channel is being closed. */
  get #mayWait(): boolean {
    return this.#busy > 0 || this.#connection.isClosingChannels
  }

  /** Hands over an idle lane, or a new one; if the connection has no channel left, as soon as there is one. */
  #acquire(waiting: Waiting): void {
    const idle = this.giveWay()
    if (idle !== undefined) {
      this.#use(idle, waiting)
      return
    }
    let lane: Channel
    try {
      lane = this.#connection.openChannel(NO_LISTENER, waiting)
    } catch (error) {
      if (error instanceof ResourceError && this.#mayWait) this.#waiting.push(waiting)
      else waiting.fail(error)
      return
    }
    this.#use(lane, waiting)
  }

  #use(lane: Channel, { take }: Waiting): void {
    this.#busy++
    take(lane)
  }

  /** A lane that the broker has closed is forgotten. */
  #giveBack(lane: Channel): void {
    this.#busy--
    if (lane.isOpen) {
      this.#idle.push(lane)
      if (this.#timer === undefined && this.#idle.length > KEPT_LANES) this.#watchIdle()
    }
    if (this.#waiting.length > 0) this.onChannelFree()
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
