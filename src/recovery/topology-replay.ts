/**
 * Owns the replay of the recorded topology on a new session: exchanges, then the queues, then what binds them. Each part
 * waits for those that it needs and for no other, has its own patience, and what cannot come back is reported and does not
 * stop the rest.
 */
import type { TopologyEntity } from '../client-state.js'
import type { ArgsOf } from '../codec/methods.gen.js'
import { debugRecovery } from '../debug.js'
import { AmqpError, ConnectionClosedError, InternalError, NotFoundError, TimeoutError } from '../errors.js'
import { isUnavailable, timeMayCure } from '../reply-codes.js'
import type { Session } from '../session/session.js'
import type { TicketCounter } from '../ticket.js'
import { pause, settledWithin } from '../util/pause.js'
import { type Deferred, defer, quiet } from '../util/promise.js'
import { type ReplayRequest, ReplayRequests } from './replay-requests.js'
import { Restoration, type RestorationPlan } from './restoration.js'
import type {
  ExchangeArgs,
  ExchangeBinding,
  QueueBinding,
  RecordedQueue,
  TopologyRecord,
} from './topology-record.js'
import type { TopologySuspects } from './topology-suspects.js'

/** What a replay tells. */
export interface ReplayEvents {
  onQueueRenamed(from: string, to: string): void
  onTopologyError(entity: TopologyEntity, error: AmqpError): void
  /** It is not back yet, and the rest has gone on without it. */
  onTopologyDelayed(entity: TopologyEntity, error: AmqpError): void
  /** Something is back that was late, or will not be. */
  onLateRestored(): void
}

/** What a replay works with. */
export interface ReplayContext {
  readonly record: TopologyRecord
  readonly suspects: TopologySuspects
  readonly counter: TicketCounter
  readonly events: ReplayEvents
  /** Milliseconds for which one part is tried. */
  readonly patience: number
}

/** Milliseconds between two attempts to bring back what the broker refuses for now. */
const RETRY_PAUSE = 500
/** Milliseconds for which publishes and operations wait for what is late. */
const GRACE = 2000

/** The replay on one session. */
export class TopologyReplay {
  readonly #context: ReplayContext
  readonly #record: TopologyRecord
  readonly #session: Session
  readonly #requests: ReplayRequests
  /** What was reported: what is tried again is not reported twice. */
  readonly #reported = new Set<string>()
  readonly #late = new Set<Restoration>()
  readonly #over = new AbortController()
  readonly #started = performance.now()
  #all: readonly Restoration[] = []
  /** How many are neither settled nor late. */
  #unsettled = 0
  readonly #done: Deferred<void> = defer<void>()

  constructor(context: ReplayContext, session: Session) {
    this.#context = context
    this.#record = context.record
    this.#session = session
    this.#requests = new ReplayRequests(context.counter, context.patience, session)
    void quiet(this.#done.promise)
  }

  /** Brings back what is on record. Resolves when all of it is settled, or late. Rejects only if the session is lost. */
  run(): Promise<void> {
    this.#all = this.#plan()
    this.#unsettled = this.#all.length
    // What was on record may have expired.
    if (this.#unsettled === 0) this.#done.resolve()
    const { suspects } = this.#context
    const suspected = new Set(this.#all.filter(one => suspects.isSuspected(one)))
    const others = this.#all.filter(one => !suspected.has(one) && !one.follows(suspected))
    for (const one of this.#all) if (!suspected.has(one)) void this.#restore(one)
    void this.#restoreOneByOne(suspected, others)
    return this.#done.promise
  }

  /** What is not back yet: it is late. */
  get late(): ReadonlySet<Restoration> {
    return this.#late
  }

  /** What is on its way. */
  get requests(): readonly ReplayRequest[] {
    return this.#requests.all
  }

  /** Resolves when nothing is late any more, or everything has had its time: then tells what is. */
  grace(): Promise<void> | undefined {
    return this.#late.size === 0 ? undefined : this.#waitForLate()
  }

  async #waitForLate(): Promise<void> {
    const left = Math.max(0, GRACE - (performance.now() - this.#started))
    const { signal } = this.#over
    await settledWithin(this.settled(), left, signal)
    if (signal.aborted) return
    for (const one of this.#late) {
      const { entity, error } = one
      debugRecovery('%s is not back yet: %s', one.name, error)
      const text = `${one.name} is not back yet${error === undefined ? '' : `: ${error.message}`}`
      this.#context.events.onTopologyDelayed(entity, new TimeoutError(text, { cause: error }))
    }
  }

  /** Resolves when nothing is late any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#late].map(one => one.settled))
  }

  /** Resolves when a part that is late is back, or will not be. Undefined for any other one. */
  pending(kind: TopologyEntity['kind'], name: string): Promise<void> | undefined {
    for (const one of this.#late) {
      if (one.entity.kind === kind && one.entity.name === name) return one.settled
    }
    return undefined
  }

  /**
   * Brings back one queue with all that binds it. An auto-delete queue may be deleted when the broker sees that the old
   * connection is dead: after it was brought back, but before a binding or a consumer holds it.
   */
  async restoreQueue(name: string): Promise<void> {
    const queue = this.#record.queue(name)
    if (queue === undefined || this.#context.suspects.isExcluded({ subject: queue })) return
    await this.#attempt({ kind: 'queue', name }, async () => {
      // If it is there, it keeps its name: another one would be a second queue, and this one left behind.
      if (!queue.serverNamed || !(await this.#exists(queue.args))) await this.#declareQueue(name, queue)
    })
    await this.#restoreBindings(this.#record.nameOf(name))
  }

  /** The session is lost: nothing more comes back on it. */
  end(): void {
    this.#done.reject(this.#session.endReason ?? new ConnectionClosedError('the session is not used'))
    this.#over.abort()
    for (const one of this.#all) one.settle()
    this.#late.clear()
  }

  get #lost(): boolean {
    return this.#session.endReason !== undefined || this.#over.signal.aborted
  }

  #plan(): Restoration[] {
    const record = this.#record
    const all: Restoration[] = []
    const add = (plan: RestorationPlan): Restoration => {
      const restoration = new Restoration(plan, one => this.#onQuiet(one))
      all.push(restoration)
      return restoration
    }
    const exchanges = new Map<string, Restoration>()
    for (const args of record.exchanges) {
      const restoration = add({
        entity: { kind: 'exchange', name: args.exchange },
        subject: args,
        before: [],
        isWanted: () => record.hasExchange(args.exchange),
        act: self => this.#requests.make('exchange.declare', args, self),
      })
      exchanges.set(args.exchange, restoration)
    }
    const queues = new Map<string, Restoration>()
    for (const [name, queue] of record.queues) {
      const restoration = add({
        entity: { kind: 'queue', name },
        subject: queue,
        before: [],
        isWanted: () => record.queue(name) !== undefined,
        act: self => this.#declareQueue(name, queue, self),
      })
      queues.set(name, restoration)
    }
    for (const args of record.exchangeBindings) {
      add({
        entity: bindingOf(args.source, args.destination, args.routingKey),
        subject: args,
        before: [exchanges.get(args.source), exchanges.get(args.destination)],
        isWanted: () => record.hasExchangeBinding(args),
        act: self => this.#requests.make('exchange.bind', args, self),
      })
    }
    for (const args of record.queueBindings) {
      add({
        entity: bindingOf(args.exchange, args.queue, args.routingKey),
        subject: args,
        before: [exchanges.get(args.exchange), queues.get(args.queue)],
        isWanted: () => record.hasQueueBinding({ ...args, queue: record.nameOf(args.queue) }),
        act: self => this.#rebindQueue(args, self),
      })
    }
    return all
  }

  /** Brings one back, over and over while time may help. Never rejects. */
  async #restore(one: Restoration): Promise<void> {
    await one.turn()
    one.deadline = performance.now() + this.#context.patience
    for (;;) {
      if (this.#lost) {
        this.#done.reject(this.#session.endReason)
        return
      }
      if (!one.isWanted() || this.#context.suspects.isExcluded(one)) break
      try {
        await one.act()
        break
      } catch (error) {
        if (this.#lost) continue
        const isUnanswered = error instanceof TimeoutError
        if (isUnanswered) one.timeouts++
        if (!(isUnanswered || timeMayCure(error)) || performance.now() >= one.deadline) {
          this.#report(one.entity, error)
          break
        }
        debugRecovery('%s does not come back yet: %s', one.name, error)
        one.delay(error as Error)
        await pause(RETRY_PAUSE, this.#over.signal)
      }
    }
    this.#settle(one)
  }

  /** If one of them ends the connection again, it is known which. Never rejects. */
  async #restoreOneByOne(suspects: Iterable<Restoration>, others: readonly Restoration[]): Promise<void> {
    await Promise.all(others.map(one => one.quiet))
    for (const one of suspects) {
      if (this.#lost) return
      void this.#restore(one)
      await one.quiet
    }
  }

  #onQuiet(one: Restoration): void {
    if (one.isLate) this.#late.add(one)
    if (--this.#unsettled === 0) this.#done.resolve()
  }

  #settle(one: Restoration): void {
    one.settle()
    if (this.#late.delete(one)) this.#context.events.onLateRestored()
  }

  async #restoreBindings(queue: string): Promise<void> {
    const record = this.#record
    const bindings = record.queueBindings.filter(binding => binding.queue === queue)
    const sources = new Set(bindings.map(({ exchange }) => exchange))
    const toSources = record.exchangeBindings.filter(({ destination }) => sources.has(destination))
    await Promise.all(
      record.exchanges
        // What has ended a connection would end this one, too.
        .filter(args => sources.has(args.exchange) && !this.#context.suspects.isExcluded({ subject: args }))
        .map(args => this.#declareExchange(args)),
    )
    await Promise.all([
      ...toSources.map(args => this.#bindExchange(args)),
      ...bindings.map(args => this.#bindQueue(args)),
    ])
  }

  async #declareQueue(name: string, { args, serverNamed }: RecordedQueue, one?: Restoration): Promise<void> {
    if (!serverNamed) {
      await this.#requests.make('queue.declare', args, one)
      return
    }
    // Only a queue that was deleted with the connection needs another name.
    if (!args.exclusive && (await this.#exists(args, one))) return
    const reply = await this.#requests.make('queue.declare', { ...args, queue: '' }, one)
    if (reply.name !== 'queue.declare-ok') return
    this.#record.renameQueue(name, reply.args.queue)
    this.#context.events.onQueueRenamed(name, reply.args.queue)
  }

  async #exists(args: ArgsOf<'queue.declare'>, one?: Restoration): Promise<boolean> {
    try {
      await this.#requests.make('queue.declare', { ...args, passive: true }, one)
      return true
    } catch (error) {
      if (error instanceof NotFoundError && !isUnavailable(error)) return false
      throw error
    }
  }

  /** Binds a queue. One end may have been deleted by the broker's own rules since it was brought back. */
  async #rebindQueue(args: QueueBinding, one: Restoration): Promise<void> {
    const queue = this.#record.nameOf(args.queue)
    try {
      await this.#requests.make('queue.bind', { ...args, queue }, one)
    } catch (error) {
      if (!(error instanceof NotFoundError) || this.#lost || !this.#record.mayVanish({ ...args, queue })) {
        throw error
      }
      await this.restoreQueue(queue)
    }
  }

  #declareExchange(args: ExchangeArgs): Promise<void> {
    return this.#attempt({ kind: 'exchange', name: args.exchange }, () =>
      this.#requests.make('exchange.declare', args),
    )
  }

  #bindExchange(args: ExchangeBinding): Promise<void> {
    return this.#attempt(bindingOf(args.source, args.destination, args.routingKey), () =>
      this.#requests.make('exchange.bind', args),
    )
  }

  #bindQueue(args: QueueBinding): Promise<void> {
    return this.#attempt(bindingOf(args.exchange, args.queue, args.routingKey), () =>
      this.#requests.make('queue.bind', args),
    )
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
    debugRecovery('%s does not come back: %s', name, error)
    const reason = error instanceof AmqpError ? error : new InternalError(String(error), { cause: error })
    this.#context.events.onTopologyError(entity, reason)
  }
}

function bindingOf(source: string, destination: string, routingKey: string): TopologyEntity {
  return { kind: 'binding', name: `${source} -> ${destination} (${routingKey})` }
}
