/**
 * Owns the client's connection over time: which session is the current one, how a lost one is replaced, and the ordered
 * list of what comes back on the next one. Knows nothing of frames, and nothing of what is on the list.
 */

import type { ClientOptions, UrlSource } from '../client-options.js'
import type { ClientState, ReconnectAttempt, ServerInfo } from '../client-state.js'
import { ChannelLimits } from '../connection/channel-limit.js'
import type { ConnectionConfig } from '../connection/connection-config.js'
import type { Metrics } from '../connection/metrics.js'
import { debugRecovery } from '../debug.js'
import { AmqpError, ArgumentError, ConnectionBrokenError, ConnectionClosedError } from '../errors.js'
import type { ConnectionLoss } from '../operation-errors.js'
import { isChannelLimit, isRefusal } from '../reply-codes.js'
import { type Renewal, Session } from '../session/session.js'
import { unlessAborted } from '../util/abort.js'
import { checkFlag } from '../util/check.js'
import { type Deferred, defer, quiet } from '../util/promise.js'
import { tellAll } from '../util/tell-all.js'
import { planRecovery, type RecoveryPlan } from './backoff.js'
import { ConnectAttempts } from './connect-attempts.js'
import { Hosts, openFirst } from './hosts.js'
import { type Recoverable, RecoverableList } from './recoverable.js'
import {
  type Connecting,
  checkState,
  describeState,
  type Open,
  type Reconnecting,
  type RecoveryState,
  sessionOf,
} from './recovery-state.js'
import { isSecretRefused } from './secrets.js'

/** What the client is told of its connection. */
export interface RecoveryEvents {
  onConnect(info: ServerInfo): void
  onDisconnect(error: AmqpError): void
  onReconnecting(attempt: ReconnectAttempt): void
  onRecovered(info: ServerInfo): void
  onBlocked(reason: string): void
  onUnblocked(): void
}

/** After so many milliseconds on a connection, the limits on channels are asked for again. */
const RELEARN_AFTER = 5000

/** Why a session is closed that is not taken into use. */
const NOT_USED = new ConnectionClosedError('the connection came too late, or is not whole')

export class RecoveringConnection {
  readonly #hosts: Hosts
  readonly #plan: RecoveryPlan | undefined
  readonly #attempts: ConnectAttempts
  readonly #retryInitial: boolean
  readonly #failsOffline: boolean
  readonly #metrics: Metrics
  readonly #events: RecoveryEvents
  /** What comes back, in this order. */
  readonly #parts: RecoverableList
  readonly #closed: Deferred<void> = defer<void>()
  #state: RecoveryState = { name: 'idle' }
  /** What makes the first connection and replaces each lost one: there is one such loop at a time. */
  #loop: Promise<void> = Promise.resolve()
  /** The reason that the user was told for which the broker takes no publishes. */
  #toldBlocked: string | undefined
  #frameMax: number
  /** What was learned of them on earlier connections. */
  readonly #channelLimits = new ChannelLimits()

  /** Throws {@link ArgumentError} if a URL or an option is invalid. `frameMax` holds before there is a session. */
  constructor(
    source: UrlSource,
    options: ClientOptions,
    frameMax: number,
    metrics: Metrics,
    parts: readonly Recoverable[],
    events: RecoveryEvents,
  ) {
    this.#hosts = new Hosts(source, options)
    this.#plan = planRecovery(options.recovery)
    this.#attempts = new ConnectAttempts(this.#plan)
    const { retryInitial = false, whileOffline = 'wait' } = options
    checkFlag('retryInitial', retryInitial)
    if (whileOffline !== 'wait' && whileOffline !== 'fail') {
      throw new ArgumentError("whileOffline must be 'wait' or 'fail'")
    }
    this.#retryInitial = retryInitial
    this.#failsOffline = whileOffline === 'fail'
    this.#frameMax = frameMax
    this.#metrics = metrics
    this.#parts = new RecoverableList(parts)
    this.#events = events
  }

  /** Resolves when the client is closed, whatever the cause; never rejects. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  get state(): ClientState {
    return describeState(this.#state)
  }

  /** There is a connection, or a lost one is going to be replaced. */
  get isAlive(): boolean {
    return this.#state.name === 'open' || this.#state.name === 'reconnecting'
  }

  /** A connection that is lost is replaced. */
  get recovers(): boolean {
    return this.#plan !== undefined && this.isAlive
  }

  /** For how many milliseconds what time may cure is tried again; 0 without recovery. */
  get patience(): number {
    return this.#plan?.patience ?? 0
  }

  /** How many channels are open, and how many messages are delivered or got and not settled. */
  get usage(): { readonly channels: number; readonly unsettled: number } {
    const { channels = 0, unsettled = 0 } = sessionOf(this.#state) ?? {}
    return { channels, unsettled }
  }

  /** The limit on frames of the session, or of the last one. */
  get frameMax(): number {
    return this.#frameMax
  }

  /** Throws {@link ConnectionClosedError} or {@link ConnectionBrokenError} if nothing can be done, now or later. */
  check(operation: string): void {
    checkState(this.#state, operation, this.#failsOffline)
  }

  /** Connects, or waits for the attempts in progress. */
  connect(): Promise<ServerInfo> {
    const state = this.#state
    switch (state.name) {
      case 'closed':
        return Promise.reject(
          new ConnectionClosedError(`connect: ${state.reason.message}; make a new client`, {
            operation: 'connect',
          }),
        )
      case 'open':
        return Promise.resolve(state.session.info)
      case 'connecting':
      case 'reconnecting':
        return state.connected.promise
      case 'idle':
        return this.#connect()
    }
  }

  /**
   * Takes a new secret, for this connection and for those to come. Resolves when the broker has taken it: on this
   * connection, or on the next one. What the broker refuses does not count.
   */
  async updateSecret(newSecret: string, reason: string): Promise<void> {
    if (!this.#isConnecting) this.check('updateSecret')
    const { secrets } = this.#hosts
    const call = secrets.nextCall()
    const session = sessionOf(this.#state)
    if (session === undefined) return secrets.wait(newSecret, reason, call)
    try {
      await session.updateSecret(newSecret, reason)
      secrets.give(newSecret, call)
    } catch (error) {
      if (!this.#isConnecting || isSecretRefused(error)) throw error
      await secrets.wait(newSecret, reason, call)
    }
  }

  /**
   * Resolves when nothing is in progress on any part, whatever became of it. Rejects if the client was closed meanwhile.
   */
  async idle(): Promise<void> {
    for (;;) {
      await this.#parts.idle()
      const session = sessionOf(this.#state)
      // Whoever settles a message may begin something else.
      if (session === undefined || session.isIdle) break
      await session.idle()
    }
    if (this.#state.name === 'closed') this.check('drain')
  }

  /** Closes it for good; everything outstanding ends with `reason`. */
  close(reason: ConnectionClosedError): Promise<void> {
    const state = this.#state
    if (state.name === 'closed') return state.done
    const done = defer<void>()
    this.#state = { name: 'closed', reason, done: done.promise }
    if (state.name === 'connecting' || state.name === 'reconnecting') {
      state.abort.abort(reason)
      state.connected.reject(reason)
    }
    // One may wait that was given to the present connection, too.
    this.#hosts.secrets.fail(reason)
    const closed = sessionOf(state)?.close(reason)
    this.#parts.end({ reason, blamed: [] })
    if (state.name === 'open') state.over.resolve()
    void Promise.all([closed, this.#loop]).then(() => {
      this.#closed.resolve()
      done.resolve()
    })
    return done.promise
  }

  /** There is no connection, but there is going to be one. */
  get #isConnecting(): boolean {
    return this.#state.name === 'connecting' || this.#state.name === 'reconnecting'
  }

  #connect(): Promise<ServerInfo> {
    const state: Connecting = {
      name: 'connecting',
      abort: new AbortController(),
      connected: defer<ServerInfo>(),
      attempt: 1,
      error: undefined,
      session: undefined,
    }
    this.#state = state
    this.#loop = this.#run(state)
    return state.connected.promise
  }

  /** Connects, and replaces each connection that is lost, until the client is closed or gives up. Never rejects. */
  async #run(connecting: Connecting): Promise<void> {
    for (let state: RecoveryState = connecting; ; state = this.#state) {
      if (state.name !== 'connecting' && state.name !== 'reconnecting') return
      try {
        const open = await this.#attempt(state)
        await open.over.promise
      } catch (error) {
        if (this.#state === state) this.#giveUp(state, error)
        return
      }
    }
  }

  /** Connects until that works, or a limit is reached. */
  #attempt(state: Connecting | Reconnecting): Promise<Open> {
    const host = {
      onAttempt: (attempt: number, delay: number, error: Error): void => {
        state.attempt = attempt
        state.error = error
        this.#tell(events => events.onReconnecting({ attempt, delay, host: this.#hosts.next, error }))
      },
      connect: (signal: AbortSignal): Promise<Open> => this.#establish(state, signal),
    }
    const { signal } = state.abort
    return state.name === 'connecting'
      ? this.#attempts.first(signal, this.#retryInitial, host)
      : this.#attempts.again(state.error, signal, host)
  }

  #giveUp(state: Connecting | Reconnecting, error: unknown): void {
    if (state.name === 'reconnecting') {
      this.#finish({ reason: givenUp(this.#attempts.made, error as Error), blamed: [] })
    } else {
      this.#hosts.secrets.fail(error)
      // The first attempts may be repeated by another call.
      this.#state = { name: 'idle' }
      state.connected.reject(error)
    }
  }

  /** A session on which everything is back, at the first host that answers. */
  async #establish(state: Connecting | Reconnecting, signal: AbortSignal): Promise<Open> {
    const asked = performance.now()
    const candidates = await unlessAborted(this.#hosts.candidates(signal), signal)
    // The time of the user's own function is part of the first one's.
    const session = await openFirst(candidates, signal, config =>
      this.#open(config, config === candidates[0] ? asked : performance.now(), signal),
    )
    const open: Open = { name: 'open', session, since: performance.now(), over: defer<void>() }
    try {
      signal.throwIfAborted()
      if (session.endReason !== undefined) throw session.endReason
      state.session = session
      // It may have sent its credentials before a secret came, which goes ahead of anything else.
      void this.#hosts.secrets.giveWaiting(session)
      this.#frameMax = session.frameMax
      await this.#parts.attach(session, signal, () => this.#use(open, state))
      return open
    } catch (error) {
      this.#parts.detach({ reason: session.endReason ?? NOT_USED, blamed: [] })
      state.session = undefined
      state.error = error as Error
      await session.close(NOT_USED)
      throw error
    }
  }

  async #open(config: ConnectionConfig, since: number, signal: AbortSignal): Promise<Session> {
    const events = {
      onBlocked: (reason: string) => this.#onBlocked(reason),
      onUnblocked: () => this.#onUnblocked(),
      onEnd: (loss: ConnectionLoss) => this.#onEnd(session, loss),
    }
    const renew: Renewal = async (ended, open) => {
      const asked = performance.now()
      const renewed = await unlessAborted(this.#hosts.renew(config), ended)
      return this.#hosts.openWithSecrets(renewed, present => open(present, asked))
    }
    const renewal = config.separatePublishing ? renew : undefined
    let session: Session
    return this.#hosts.openWithSecrets(config, async present => {
      session = new Session(present, events, this.#metrics, renewal, this.#channelLimits)
      await session.connect(signal, since)
      return session
    })
  }

  /** Everything is back, or known to be late. */
  #use(open: Open, state: Connecting | Reconnecting): void {
    const { session } = open
    this.#state = open
    if (state.name === 'connecting') {
      this.#tell(events => events.onConnect(session.info))
    } else {
      debugRecovery('back at attempt %d', state.attempt)
      this.#metrics.reconnects++
      const rest = this.#parts.complete()
      const recovered = (): void => this.#tell(events => events.onRecovered(session.info))
      if (rest === undefined) recovered()
      else void rest.then(() => this.#state === open && recovered())
    }
    // An alarm may have ended while there was no connection.
    if (session.blocked === undefined) this.#onUnblocked()
    // Whoever waits for the connection goes on after the event.
    state.connected.resolve(session.info)
  }

  #onBlocked(reason: string): void {
    if (reason === this.#toldBlocked) return
    this.#toldBlocked = reason
    this.#tell(events => events.onBlocked(reason))
  }

  #onUnblocked(): void {
    if (this.#toldBlocked === undefined) return
    this.#toldBlocked = undefined
    this.#tell(events => events.onUnblocked())
  }

  #onEnd(session: Session, loss: ConnectionLoss): void {
    const state = this.#state
    if (sessionOf(state) !== session) return
    if (state.name !== 'open') {
      // What is coming back fails, and the attempts go on.
      this.#parts.detach(loss)
    } else if (this.#plan === undefined) {
      this.#finish(loss)
      this.#tell(events => events.onDisconnect(loss.reason))
    } else {
      this.#parts.detach(loss)
      // The next connection may have more channels, if it was not over these that this one ended.
      if (performance.now() - state.since >= RELEARN_AFTER && !isOverChannels(loss.reason)) {
        this.#channelLimits.forget()
      }
      this.#await(loss.reason)
      this.#tell(events => events.onDisconnect(loss.reason))
      state.over.resolve()
    }
  }

  /** What a listener throws must not look like a failed attempt: that would start another loop beside this one. */
  #tell(tell: (events: RecoveryEvents) => void): void {
    tellAll([this.#events], tell)
  }

  /** Another connection is needed. */
  #await(reason: AmqpError): void {
    const connected = defer<ServerInfo>()
    void quiet(connected.promise)
    this.#state = {
      name: 'reconnecting',
      abort: new AbortController(),
      connected,
      since: new Date(),
      attempt: 0,
      error: reason,
      session: undefined,
    }
  }

  /** Recovery is off, or has given up: the client closes. */
  #finish(loss: ConnectionLoss): void {
    const state = this.#state
    this.#state = { name: 'closed', reason: loss.reason, done: this.#closed.promise }
    if (state.name === 'open') state.over.resolve()
    if (state.name === 'reconnecting') state.connected.reject(loss.reason)
    this.#hosts.secrets.fail(loss.reason)
    this.#parts.end(loss)
    this.#closed.resolve()
  }
}

/** The connection has ended over a channel too many, or the one for publishing has. */
function isOverChannels(reason: AmqpError): boolean {
  const { cause } = reason
  return isChannelLimit(reason) || (cause instanceof AmqpError && isChannelLimit(cause))
}

function givenUp(attempts: number, error: Error): AmqpError {
  if (attempts === 0 && isRefusal(error)) return error as AmqpError
  return new ConnectionBrokenError(`no connection after ${attempts} attempts: ${error.message}`, {
    cause: error,
  })
}
