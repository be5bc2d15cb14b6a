/**
 * Owns the requests of a replay on one session: a handful at a time, each with its patience, and none that others wait for
 * because the broker takes long to answer it.
 */
import type { ArgsOf, Method, SynchronousName } from '../codec/methods.gen.js'
import { encodeRequest } from '../connection/request.js'
import { TimeoutError } from '../errors.js'
import type { Session } from '../session/session.js'
import { Ticket, type TicketCounter } from '../ticket.js'
import { Slots } from '../util/slots.js'
import type { Restoration } from './restoration.js'

/** A request whose answer is not there. */
export interface ReplayRequest {
  readonly ticket: number
  readonly restoration: Restoration
}

/** So many requests are on their way at once: a handful, since each takes a channel. */
const CONCURRENCY = 8
/** Milliseconds after which the rest does not wait for an answer any more. */
const SLOW = 1000
/** Milliseconds after which a request without an answer is made again; twice as many for each one after it. */
const FIRST_TIMEOUT = 10_000

export class ReplayRequests {
  readonly #counter: TicketCounter
  readonly #timeout: number
  readonly #session: Session
  readonly #slots = new Slots(CONCURRENCY)
  readonly #pending = new Set<ReplayRequest>()

  /** `patience` is for how many milliseconds an answer is waited for. */
  constructor(counter: TicketCounter, patience: number, session: Session) {
    this.#counter = counter
    this.#timeout = Math.max(1, patience)
    this.#session = session
  }

  /** Those that are on their way, but for what is brought back again beside the replay. */
  get all(): readonly ReplayRequest[] {
    return [...this.#pending]
  }

  /** Makes a request when its turn comes. Where the broker takes long to answer, others have their turn meanwhile. */
  make<N extends SynchronousName>(name: N, args: ArgsOf<N>, one?: Restoration): Promise<Method> {
    return new Promise((resolve, reject) => {
      this.#slots.run(leave => {
        const timeout =
          one === undefined || !isRepeatable(name, args) ? this.#timeout : this.#nextTimeout(one)
        const ticket = new Ticket<Method>(this.#counter.next(), 'recovery', { timeout })
        const request = one === undefined ? undefined : { ticket: ticket.id, restoration: one }
        if (request !== undefined) this.#pending.add(request)
        const slow = setTimeout(() => {
          const text = `${name} was not answered within ${SLOW} ms`
          one?.delay(new TimeoutError(text))
          free()
        }, SLOW)
        let isFree = false
        const free = (): void => {
          clearTimeout(slow)
          if (isFree) return
          isFree = true
          leave()
        }
        const done = (): void => {
          if (request !== undefined) this.#pending.delete(request)
          free()
        }
        ticket.promise.then(resolve, reject)
        try {
          const encoded = encodeRequest(name, args, this.#session.frameMax)
          this.#session.callNow(ticket, encoded, ({ method }) => method, done)
        } catch (error) {
          ticket.reject(error)
          done()
        }
      })
    })
  }

  /** A node that hung may never answer what it was asked meanwhile, and answers when it is asked again. */
  #nextTimeout(one: Restoration): number {
    return Math.min(FIRST_TIMEOUT * 2 ** one.timeouts, Math.max(1, one.deadline - performance.now()))
  }
}

/** Each queue that the broker names is another one. */
function isRepeatable<N extends SynchronousName>(name: N, args: ArgsOf<N>): boolean {
  return name !== 'queue.declare' || !('queue' in args) || args.queue !== ''
}
