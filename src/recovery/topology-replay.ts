/**
 * Owns the replay of the recorded topology on a new session: exchanges, then queues, then bindings. What cannot come
 * back is reported and does not stop the rest; a queue that a dead connection still holds comes later.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TopologyEntity } from '../client-state.js'
import type { ArgsOf, Method, SynchronousName } from '../codec/methods.gen.js'
import { encodeRequest } from '../connection/request.js'
import { debugRecovery } from '../debug.js'
import { AmqpError, InternalError, NotFoundError } from '../errors.js'
import { isLocked, isUnavailable, LOCK_TIMEOUT } from '../reply-codes.js'
import type { Session } from '../session/session.js'
import { Ticket, type TicketCounter } from '../ticket.js'
import { type Deferred, defer, ignore } from '../util/promise.js'
import type {
  ExchangeArgs,
  ExchangeBinding,
  QueueBinding,
  RecordedQueue,
  TopologyRecord,
} from './topology-record.js'

/** What a replay tells. */
export interface ReplayEvents {
  onQueueRenamed(from: string, to: string): void
  onTopologyError(entity: TopologyEntity, error: AmqpError): void
}

/** Milliseconds between two attempts to declare a queue that another connection holds. */
const LOCKED_PAUSE = 500

/** The replay on one session. */
export class TopologyReplay {
  readonly #record: TopologyRecord
  readonly #session: Session
  readonly #counter: TicketCounter
  readonly #events: ReplayEvents
  /** What was reported: what is tried again is not reported twice. */
  readonly #reported = new Set<string>()
  /** The queues that are not back yet, each with what resolves when it is, or will not be. */
  readonly #pendingQueues = new Map<string, Deferred<void>>()

  constructor(record: TopologyRecord, session: Session, counter: TicketCounter, events: ReplayEvents) {
    this.#record = record
    this.#session = session
    this.#counter = counter
    this.#events = events
  }

  /** Brings back what is on record. Rejects only if the session is lost. */
  async run(): Promise<void> {
    const record = this.#record
    await Promise.all(record.exchanges.map(args => this.#declareExchange(args)))
    await Promise.all(record.queues.map(([name, queue]) => this.#replayQueue(name, queue)))
    await Promise.all([
      ...record.exchangeBindings.map(args => this.#bindExchange(args)),
      ...record.queueBindings
        .filter(({ queue }) => !this.#pendingQueues.has(queue))
        .map(args => {
          const restore = record.mayVanish(args) ? () => this.restoreQueue(args.queue) : undefined
          return this.#bindQueue(args, restore)
        }),
    ])
  }

  /** Resolves when a queue that is not back yet is, or will not be. Undefined for any other queue. */
  pendingQueue(name: string): Promise<void> | undefined {
    return this.#pendingQueues.get(name)?.promise
  }

  /**
   * Brings back one queue with all that binds it. An auto-delete queue may be deleted when the broker sees that the old
   * connection is dead: after it was brought back, but before a binding or a consumer holds it.
   */
  async restoreQueue(name: string): Promise<void> {
    const queue = this.#record.queue(name)
    if (queue === undefined) return
    await this.#attempt({ kind: 'queue', name }, () => this.#declareQueue(name, queue))
    await this.#restoreBindings(this.#record.nameOf(name))
  }

  /** The session is lost: nothing more comes back on it. */
  end(): void {
    for (const name of [...this.#pendingQueues.keys()]) this.#settleQueue(name)
  }

  get #lost(): boolean {
    return this.#session.endReason !== undefined
  }

  async #restoreBindings(queue: string): Promise<void> {
    const record = this.#record
    const bindings = record.queueBindings.filter(binding => binding.queue === queue)
    const sources = new Set(bindings.map(({ exchange }) => exchange))
    const toSources = record.exchangeBindings.filter(({ destination }) => sources.has(destination))
    await Promise.all(
      record.exchanges
        .filter(({ exchange }) => sources.has(exchange))
        .map(args => this.#declareExchange(args)),
    )
    await Promise.all([
      ...toSources.map(args => this.#bindExchange(args)),
      ...bindings.map(args => this.#bindQueue(args)),
    ])
  }

  #replayQueue(name: string, queue: RecordedQueue): Promise<void> {
    return this.#attempt({ kind: 'queue', name }, async () => {
      try {
        await this.#declareQueue(name, queue)
      } catch (error) {
        if (!isLocked(error)) throw error
        debugRecovery('queue %s is held by another connection', name)
        this.#pendingQueues.set(name, defer<void>())
        void this.#claim(name)
      }
    })
  }

  /**
   * Waits for a queue that the dead connection may still hold, which the broker may take its time to see. The rest of
   * the recovery need not wait for that; what binds the queue does. Never rejects.
   */
  async #claim(name: string): Promise<void> {
    const since = performance.now()
    for (;;) {
      // The end of the session does not end this timer, so it must not keep a process alive.
      await sleep(LOCKED_PAUSE, undefined, { ref: false })
      const queue = this.#record.queue(name)
      // What is on record comes back on the next session.
      if (queue === undefined || this.#lost) break
      try {
        await this.#declareQueue(name, queue)
        await this.#restoreBindings(name).catch(ignore)
        break
      } catch (error) {
        if (this.#lost) break
        if (isLocked(error) && performance.now() - since < LOCK_TIMEOUT) continue
        this.#report({ kind: 'queue', name }, error)
        break
      }
    }
    this.#settleQueue(name)
  }

  #settleQueue(name: string): void {
    this.#pendingQueues.get(name)?.resolve()
    this.#pendingQueues.delete(name)
  }

  async #declareQueue(name: string, { args, serverNamed }: RecordedQueue): Promise<void> {
    if (!serverNamed) {
      await this.#call('queue.declare', args)
      return
    }
    // Only a queue that was deleted with the connection needs another name.
    if (!args.exclusive && (await this.#exists(args))) return
    const reply = await this.#call('queue.declare', { ...args, queue: '' })
    if (reply.name !== 'queue.declare-ok') return
    this.#record.renameQueue(name, reply.args.queue)
    this.#events.onQueueRenamed(name, reply.args.queue)
  }

  async #exists(args: ArgsOf<'queue.declare'>): Promise<boolean> {
    try {
      await this.#call('queue.declare', { ...args, passive: true })
      return true
    } catch (error) {
      if (error instanceof NotFoundError && !isUnavailable(error)) return false
      throw error
    }
  }

  #declareExchange(args: ExchangeArgs): Promise<void> {
    return this.#attempt({ kind: 'exchange', name: args.exchange }, () =>
      this.#call('exchange.declare', args),
    )
  }

  #bindExchange(args: ExchangeBinding): Promise<void> {
    return this.#attempt(bindingOf(args.source, args.destination, args.routingKey), () =>
      this.#call('exchange.bind', args),
    )
  }

  /** Binds a queue; if one end is missing, calls `onMissing`. */
  #bindQueue(args: QueueBinding, onMissing?: () => Promise<void>): Promise<void> {
    return this.#attempt(bindingOf(args.exchange, args.queue, args.routingKey), async () => {
      try {
        await this.#call('queue.bind', args)
      } catch (error) {
        if (onMissing === undefined || !(error instanceof NotFoundError) || this.#lost) throw error
        await onMissing()
      }
    })
  }

  /** Reports what fails; rejects only if the session is lost. */
  async #attempt(entity: TopologyEntity, act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (this.#lost) throw error
      this.#report(entity, error)
    }
  }

  #report(entity: TopologyEntity, error: unknown): void {
    const name = `${entity.kind} ${entity.name}`
    if (this.#reported.has(name)) return
    this.#reported.add(name)
    debugRecovery('%s %s does not come back: %s', entity.kind, entity.name, error)
    const reason = error instanceof AmqpError ? error : new InternalError(String(error), { cause: error })
    this.#events.onTopologyError(entity, reason)
  }

  #call<N extends SynchronousName>(name: N, args: ArgsOf<N>): Promise<Method> {
    const ticket = new Ticket<Method>(this.#counter.next(), 'recovery', {})
    this.#session.call(ticket, encodeRequest(name, args, this.#session.frameMax), ({ method }) => method)
    return ticket.promise
  }
}

function bindingOf(source: string, destination: string, routingKey: string): TopologyEntity {
  return { kind: 'binding', name: `${source} -> ${destination} (${routingKey})` }
}
