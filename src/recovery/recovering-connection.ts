/**
 * Owns the client's connection over time: which session is the current one, how a lost one is replaced, and what is
 * brought back on the new one, in order: topology, consumers, publishes, operations. Knows nothing of frames.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { resolveConfig } from '../connection/connection-config.js'
import { Metrics } from '../connection/metrics.js'
import { debugRecovery } from '../debug.js'
import { type AmqpError, ConnectionBrokenError, ConnectionClosedError, type ErrorContext } from '../errors.js'
import type {
  ClientMetrics,
  ClientOptions,
  ClientState,
  OperationOptions,
  ReconnectAttempt,
  ServerInfo,
  UrlSource,
} from '../options.js'
import type { Message } from '../publishing/message-envelope.js'
import { Publisher } from '../publishing/publisher.js'
import { isRefusal } from '../reply-codes.js'
import type { Session, SessionEvents } from '../session/session.js'
import type { TicketCounter } from '../ticket.js'
import { unlessAborted } from '../util/abort.js'
import { type Deferred, defer, ignore, quiet } from '../util/promise.js'
import { delayBefore, planRecovery, type RecoveryPlan } from './backoff.js'
import { Hosts, openAny } from './hosts.js'
import { Operations, type OperationTask } from './operations.js'
import {
  type Connecting,
  checkState,
  describeState,
  mayGoOn,
  type Reconnecting,
  type RecoveryState,
} from './recovery-state.js'
import { TopologyRecord } from './topology-record.js'
import { type ReplayEvents, replay } from './topology-replay.js'

/** What the link tells the client. */
export interface RecoveryEvents extends ReplayEvents {
  onConnect(info: ServerInfo): void
  onDisconnect(error: AmqpError): void
  onReconnecting(attempt: ReconnectAttempt): void
  onRecovered(info: ServerInfo): void
  onBlocked(reason: string): void
  onUnblocked(): void
  /** There is a new session: consumers come back. Never rejects. */
  restoreConsumers(session: Session): Promise<void>
  /** The client has come to its end by itself. */
  onGivenUp(reason: AmqpError): void
}

/** Why a session is closed that nobody uses. */
const NOT_WANTED = new ConnectionClosedError('the connection came too late, or is not whole')

export class RecoveringConnection {
  readonly record = new TopologyRecord()
  readonly #operations: Operations
  readonly #publisher: Publisher
  readonly #closed: Deferred<void> = defer<void>()
  readonly #hosts: Hosts
  readonly #plan: RecoveryPlan | undefined
  readonly #retryInitial: boolean
  readonly #failsOffline: boolean
  readonly #counter: TicketCounter
  readonly #metrics = new Metrics()
  readonly #events: RecoveryEvents
  #state: RecoveryState = { name: 'idle' }
  #connecting: Promise<ServerInfo> | undefined
  #recovering: Promise<void> | undefined
  #blocked: string | undefined
  #frameMax: number

  /** Throws {@link ArgumentError} where a URL or an option makes no sense. */
  constructor(source: UrlSource, options: ClientOptions, counter: TicketCounter, events: RecoveryEvents) {
    this.#hosts = new Hosts(source, options)
    this.#plan = planRecovery(options.recovery)
    this.#retryInitial = options.retryInitial ?? false
    this.#failsOffline = options.whileOffline === 'fail'
    this.#counter = counter
    this.#events = events
    const limits = resolveConfig('amqp:///', options)
    this.#frameMax = limits.frameMax
    this.#operations = new Operations(counter, limits.maxPendingOperations)
    this.#publisher = new Publisher(counter, limits, this.#metrics)
  }

  /** The end, whatever its cause; never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  get state(): ClientState {
    return describeState(this.#state, this.#blocked)
  }

  /** What has been counted so far, and what is under way. */
  get metrics(): ClientMetrics {
    const { count, bytes } = this.#publisher.pending
    const operations = this.#operations.size
    return {
      ...this.#metrics,
      pendingPublishes: count,
      pendingPublishBytes: bytes,
      pendingOperations: operations,
    }
  }

  /** The session that is there, if any: also one on which things are still being brought back. */
  get session(): Session | undefined {
    return this.#state.name === 'open' || this.#state.name === 'reconnecting'
      ? this.#state.session
      : undefined
  }

  /** A lost connection is going to be replaced, or is there. */
  get alive(): boolean {
    return this.#state.name === 'open' || this.#state.name === 'reconnecting'
  }

  /** What is lost is brought back. */
  get recovering(): boolean {
    return this.#plan !== undefined && this.alive
  }

  /** The limit on frames of the session, or of the last one. */
  get frameMax(): number {
    return this.#frameMax
  }

  /** Throws {@link ConnectionClosedError} or {@link ConnectionBrokenError} where nothing can be done, now or later. */
  check(operation: string): void {
    checkState(this.#state, operation, this.#failsOffline)
  }

  /** Begins an operation, now or as soon as there is a session. */
  perform<T>(operation: string, options: OperationOptions, undertaking: OperationTask<T>): Promise<T> {
    this.check(operation)
    return this.#operations.perform(operation, options, undertaking)
  }

  /** Publishes, now or as soon as there is a session. */
  publish(message: Message, confirm: boolean, options: OperationOptions): Promise<void> {
    this.check('basicPublish')
    return this.#publisher.publish(message, confirm, options)
  }

  /** An exchange was deleted for good. */
  exchangeDeleted(exchange: string): void {
    this.record.exchangeDeleted(exchange)
    this.#publisher.exchangeDeleted(exchange)
  }

  /**
   * Resolves when no publish and no operation is under way, whatever became of them. Rejects where the client came to its
   * end meanwhile: then it is that which became of them, and `drain` has failed.
   */
  async idle(): Promise<void> {
    await this.#publisher.idle()
    await this.#operations.idle()
    if (this.#state.name === 'closed') this.check('drain')
  }

  connect(): Promise<ServerInfo> {
    const state = this.#state
    if (state.name === 'closed') {
      return Promise.reject(new ConnectionClosedError(`connect: ${state.reason.message}; make a new client`))
    }
    if (state.name === 'open') return Promise.resolve(state.session.info)
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  /** Takes a new secret, for this connection and for those to come. */
  async updateSecret(newSecret: string, reason: string): Promise<void> {
    this.check('updateSecret')
    this.#hosts.newSecret = newSecret
    await this.session?.updateSecret(newSecret, reason)
  }

  /** Ends it all with `reason`; everything outstanding hears it. */
  close(reason: ConnectionClosedError): Promise<void> {
    const state = this.#state
    if (state.name === 'closed') return state.done
    const done = defer<void>()
    this.#state = { name: 'closed', reason, done: done.promise }
    void this.#shut(state, reason).then(() => {
      this.#closed.resolve()
      done.resolve()
    })
    return done.promise
  }

  async #shut(state: RecoveryState, reason: ConnectionClosedError): Promise<void> {
    if (state.name === 'connecting' || state.name === 'reconnecting') state.abort.abort(reason)
    if (state.name === 'reconnecting') state.recovered.reject(reason)
    const session = state.name === 'open' || state.name === 'reconnecting' ? state.session : undefined
    const closed = session?.close(reason)
    this.#operations.end({ reason, blamed: [] })
    this.#publisher.end(reason)
    await closed
    await this.#connecting?.catch(ignore)
    await this.#recovering
  }

  async #connect(): Promise<ServerInfo> {
    if (this.#state.name === 'reconnecting') return this.#state.recovered.promise
    const abort = new AbortController()
    const state: Connecting = { name: 'connecting', abort, attempt: 1 }
    this.#state = state
    let session: Session | undefined
    try {
      session = await this.#keepConnecting(state)
      this.#begin(session, abort.signal)
      this.#events.onConnect(session.info)
      return session.info
    } catch (error) {
      // A client that did not get through may try again; one that was closed may not.
      if (this.#state === state) this.#state = { name: 'idle' }
      await session?.close(NOT_WANTED)
      throw error
    }
  }

  /** The first session: by default at the first attempt, or not at all. */
  async #keepConnecting(state: Connecting): Promise<Session> {
    const { signal } = state.abort
    const started = performance.now()
    for (;;) {
      try {
        return await this.#open(signal)
      } catch (error) {
        const plan = this.#retryInitial && !signal.aborted ? this.#plan : undefined
        const elapsed = performance.now() - started
        if (plan === undefined || !mayGoOn(plan, state.attempt, elapsed, error)) throw error
        const delay = delayBefore(state.attempt, plan)
        debugRecovery(
          'attempt %d to connect failed, the next follows in %d ms: %s',
          state.attempt,
          delay,
          error,
        )
        state.attempt++
        await this.#pause(delay, signal)
      }
    }
  }

  /** A session at the first host that answers. */
  async #open(signal: AbortSignal): Promise<Session> {
    let session: Session | undefined
    let ended: AmqpError | undefined
    const events: SessionEvents = {
      onBlocked: reason => {
        this.#blocked = reason
        this.#events.onBlocked(reason)
      },
      onUnblocked: () => {
        this.#blocked = undefined
        this.#events.onUnblocked()
      },
      onEnd: (reason, blamed) => {
        ended = reason
        if (session !== undefined) this.#onEnd(session, reason, blamed)
      },
    }
    const candidates = await unlessAborted(this.#hosts.candidates(), signal)
    session = await openAny(candidates, events, signal, this.#metrics, config => this.#hosts.renew(config))
    this.#frameMax = session.frameMax
    if (ended !== undefined) throw ended
    return session
  }

  /** Takes a session into use. Throws where it has ended by now, or the client has. */
  #begin(session: Session, signal: AbortSignal): void {
    signal.throwIfAborted()
    if (session.endReason !== undefined) throw session.endReason
    this.#state = { name: 'open', session }
    session.startPublishing(this.#publisher)
    this.#operations.attach(session)
  }

  /** Goes on until there is a session on which everything is back, or a limit is reached. */
  async #recover(state: Reconnecting, plan: RecoveryPlan): Promise<void> {
    const { signal } = state.abort
    const started = performance.now()
    while (!signal.aborted) {
      const elapsed = performance.now() - started
      if (!mayGoOn(plan, state.attempt, elapsed, state.error)) {
        this.#finish(this.#givenUp(state), [])
        return
      }
      state.attempt++
      const delay = Math.min(delayBefore(state.attempt, plan), plan.maxTime - elapsed)
      const { attempt, error } = state
      this.#events.onReconnecting({ attempt, delay, host: this.#hosts.next, error })
      let session: Session | undefined
      try {
        await this.#pause(delay, signal)
        session = await this.#open(signal)
        state.session = session
        if (this.#publisher.pending.count > 0) session.preparePublishing()
        await unlessAborted(this.#restore(session, signal), signal)
        this.#begin(session, signal)
        debugRecovery('recovered at attempt %d', attempt)
        this.#metrics.reconnects++
        state.recovered.resolve(session.info)
        this.#events.onRecovered(session.info)
        return
      } catch (failure) {
        debugRecovery('attempt %d failed: %s', attempt, failure)
        state.session = undefined
        state.error = failure as Error
        await session?.close(NOT_WANTED)
      }
    }
  }

  /** Brings back topology, then consumers. Rejects where the session is lost meanwhile. */
  async #restore(session: Session, signal: AbortSignal): Promise<void> {
    const isLost = (): boolean => signal.aborted || session.endReason !== undefined
    await replay(this.record, {
      session,
      counter: this.#counter,
      lost: isLost,
      events: this.#events,
    })
    if (isLost()) throw session.endReason
    await this.#events.restoreConsumers(session)
  }

  /** Waits; rejects where the client is closed. */
  async #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    await sleep(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted())
  }

  #givenUp({ attempt, error }: Reconnecting): AmqpError {
    if (attempt === 0 && isRefusal(error)) return error as AmqpError
    return new ConnectionBrokenError(`no connection after ${attempt} attempts: ${error.message}`, {
      cause: error,
    })
  }

  /** The client comes to its end by itself. */
  #finish(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    const state = this.#state
    this.#state = { name: 'closed', reason, done: this.#closed.promise }
    if (state.name === 'reconnecting') state.recovered.reject(reason)
    this.#operations.end({ reason, blamed })
    this.#publisher.end(reason)
    this.#events.onGivenUp(reason)
    this.#closed.resolve()
  }

  #onEnd(session: Session, reason: AmqpError, blamed: readonly ErrorContext[]): void {
    const state = this.#state
    this.#blocked = undefined
    if (state.name === 'reconnecting' && state.session === session) {
      // What was being brought back fails, and the loop goes on.
      state.session = undefined
      state.error = reason
      this.#operations.detach({ reason, blamed })
      return
    }
    if (state.name !== 'open' || state.session !== session) return
    if (this.#plan === undefined) {
      this.#finish(reason, blamed)
      this.#events.onDisconnect(reason)
      return
    }
    this.#operations.detach({ reason, blamed })
    const reconnecting: Reconnecting = {
      name: 'reconnecting',
      abort: new AbortController(),
      since: new Date(),
      recovered: defer<ServerInfo>(),
      attempt: 0,
      error: reason,
      session: undefined,
    }
    void quiet(reconnecting.recovered.promise)
    this.#state = reconnecting
    this.#events.onDisconnect(reason)
    this.#recovering = this.#recover(reconnecting, this.#plan)
  }
}
