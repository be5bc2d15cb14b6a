/**
 * Owns publishing with confirms on one connection. Most goes by one channel. What may make the broker close the channel
 * goes by a channel of its own, so that it harms no other one: it is sent when a barrier says that the broker has dealt
 * with everything before it, and what is behind it follows when a barrier says that it did no harm. Neither waits for a
 * confirm, which may never come.
 */
import { debugChannel } from '../debug.js'
import {
  type AmqpError,
  ConnectionBrokenError,
  ConnectionClosedError,
  type ErrorContext,
  NotFoundError,
  NotImplementedError,
  ResourceError,
} from '../errors.js'
import { withContext, withoutStack } from '../operation-errors.js'
import { ConfirmChannel, type ConfirmChannelHost } from './confirm-channel.js'
import { InFlightWindow } from './in-flight-window.js'
import type { PendingPublish } from './pending-publish.js'
import type { PublishChannel, PublishChannelHost, PublishConnection, PublishKind } from './publish-channel.js'
import { SUSPICION } from './publish-risk.js'
import { Trial } from './trial.js'

/** The most channels for what is risky. Each is closed when nothing is in flight on it. */
const MAX_TRIAL_CHANNELS = 64
/** The most publishes between two barriers: so many are suspects when the channel closes. */
const BETWEEN_BARRIERS = 128
/** The same while the window is not open: it bounds the suspects, too. */
const BETWEEN_BARRIERS_IN_WINDOW = 1024
/** How often in a row a channel may close for no fault of a publish before those in flight fail. */
const MAX_FRUITLESS_RETRIES = 3

/** Publishing with confirms, on the channel of a number. */
export function withConfirms(number: number): PublishKind {
  return {
    number,
    check: (_message, info) => {
      if (info === undefined || info.capabilities.publisher_confirms === true) return
      throw new NotImplementedError(
        'basicPublish: the broker has no publisher confirms; publish with confirm: false',
      )
    },
    open: (connection, host, again) => new ConfirmedPublishing(number, connection, host, again),
  }
}

class ConfirmedPublishing implements PublishChannel, ConfirmChannelHost {
  readonly #number: number
  readonly #connection: PublishConnection
  readonly #host: PublishChannelHost
  readonly #window: InFlightWindow
  #main: ConfirmChannel | undefined
  readonly #trialChannels = new Set<ConfirmChannel>()
  #trial: Trial | undefined
  /** The channel for the next trial, once it is found. */
  #next: ConfirmChannel | undefined
  /** How often in a row a channel was closed for no fault of a publish. */
  #fruitless = 0

  constructor(number: number, connection: PublishConnection, host: PublishChannelHost, again: boolean) {
    this.#number = number
    this.#connection = connection
    this.#host = host
    this.#window = new InFlightWindow(!again, {
      age: () => {
        for (const channel of this.#channels()) channel.age()
      },
      countStale: () => this.#channels().reduce((sum, channel) => sum + channel.countStale(), 0),
      onRoom: () => host.writePending(),
    })
    this.#main = this.#openMain()
  }

  get metrics() {
    return this.#host.metrics
  }

  mayFollow({ risk }: PendingPublish): boolean {
    const main = this.#main
    if (main?.paused === true) return false
    if (this.#trial !== undefined) return this.#joins(this.#trial, risk)
    if (risk === undefined)
      return this.#window.isOpen || main === undefined || this.#window.hasRoom(main.inFlight)
    // One that may end the connection would take all with it.
    if (risk === SUSPICION && this.#host.risks.endsConnection && !this.#isIdle()) return false
    if (main === undefined || main.allAnswered) return this.#findTrialChannel()
    main.enclose()
    return false
  }

  beforeWrite(publish: PendingPublish): void {
    this.#main ??= this.#openMain()
    this.#main.beforeWrite(publish)
  }

  afterWrite(publish: PendingPublish): void {
    const main = this.#main
    if (main === undefined) return
    main.afterWrite(publish)
    if (main.written < BETWEEN_BARRIERS) return
    if (this.#window.isOpen || main.written >= BETWEEN_BARRIERS_IN_WINDOW) main.enclose()
  }

  write(publish: PendingPublish): void {
    const { outbox } = this.#connection
    const trial = this.#trialFor(publish)
    if (trial === undefined) {
      this.beforeWrite(publish)
      publish.writeTo(outbox, this.#number)
      this.afterWrite(publish)
      return
    }
    const { channel } = trial
    channel.beforeWrite(publish)
    publish.writeTo(outbox, channel.number)
    channel.afterWrite(publish)
    trial.add(publish, this.#host.lastTicket)
  }

  onCaughtUp(): void {
    this.#trial?.enclose()
    if (!this.#window.isOpen) this.#window.open()
  }

  abandon(publish: PendingPublish): void {
    for (const channel of this.#channels()) if (channel.abandon(publish)) return
  }

  takeInFlight(): PendingPublish[] {
    this.#window.end()
    this.#endTrial()
    return this.#channels().flatMap(channel => channel.takeInFlight())
  }

  onAnswered(channel: ConfirmChannel): void {
    const trial = this.#trial
    if (trial?.channel === channel && trial.isAnswered) {
      this.#endTrial()
      for (const publish of trial.publishes) this.#host.risks.markHarmless(publish, trial.timesForgotten)
    }
    this.#onProgress(channel)
  }

  onConfirmed(channel: ConfirmChannel): void {
    this.#fruitless = 0
    this.#onProgress(channel)
  }

  onUnpaused(): void {
    this.#host.writePending()
  }

  onClosed(channel: ConfirmChannel, error: AmqpError, lost: boolean, inFlight: PendingPublish[]): void {
    const trial = this.#trial?.channel === channel ? this.#trial : undefined
    if (trial !== undefined) this.#endTrial()
    if (channel === this.#main) this.#main = undefined
    if (channel === this.#next) this.#next = undefined
    this.#trialChannels.delete(channel)
    if (lost) {
      this.#window.end()
      const suspects = inFlight.filter(publish => !channel.isAnswered(publish))
      this.#host.onChannelLost(error, inFlight, suspects)
      return
    }
    this.#onClosedByBroker(error, inFlight, channel.suspectsOf(error, inFlight), trial)
    this.#host.writePending()
  }

  onReleased(): void {
    this.#host.writePending()
  }

  #onClosedByBroker(
    error: AmqpError,
    inFlight: PendingPublish[],
    suspects: PendingPublish[],
    trial: Trial | undefined,
  ): void {
    const { risks } = this.#host
    const [first] = suspects
    const last = suspects.at(-1)
    if (first !== undefined) risks.forgetExchange(first.exchange)
    if (first !== undefined && suspects.length === 1) first.reject(withContext(error, first.context))
    else if (suspects.length > 1) risks.suspect(suspects, false)
    if (suspects.length === 0 && inFlight.length > 0 && ++this.#fruitless > MAX_FRUITLESS_RETRIES) {
      for (const publish of inFlight) publish.reject(withContext(error, publish.context))
    }
    // What was written behind the last suspect, the broker has dropped: it can be sent again without harm.
    const mayBeStored = last === undefined ? inFlight.length : inFlight.indexOf(last) + 1
    for (const publish of inFlight.slice(0, mayBeStored)) {
      if (!publish.repeatable) publish.reject(lostWithChannel(error, publish.context))
    }
    const again = this.#host.putBack(inFlight)
    debugChannel('%d of %d publishes in flight are sent again: %s', again, inFlight.length, error.message)
    if (first === undefined || trial === undefined || !(error instanceof NotFoundError)) return
    if (suspects.every(({ exchange }) => exchange === first.exchange)) {
      this.#host.onExchangeMissing(first.exchange, trial.lastTicket, error)
    }
  }

  #onProgress(channel: ConfirmChannel): void {
    this.#release(channel)
    this.#window.onProgress()
    this.#host.writePending()
  }

  /** Whether a publish may be tried together with those that are being tried: only suspects are, if there are many. */
  #joins(trial: Trial, risk: string | undefined): boolean {
    if (risk === SUSPICION && trial.hasRoom) return true
    trial.enclose()
    return false
  }

  #endTrial(): void {
    this.#trial?.end()
    this.#trial = undefined
  }

  /**
   * Finds a channel for what is risky: a new one, else the one with the least in flight. Where the connection allows no
   * other channel at all, it is the main one, when nothing is in flight there. Returns false if it has to wait for that.
   */
  #findTrialChannel(): boolean {
    if (this.#next !== undefined) return true
    const [emptiest] = [...this.#trialChannels].sort((one, other) => one.inFlight - other.inFlight)
    this.#next = this.#openTrialChannel() ?? emptiest
    if (this.#next === undefined && (this.#main?.inFlight ?? 0) === 0) {
      this.#main ??= this.#openMain()
      this.#next = this.#main
    }
    return this.#next !== undefined
  }

  #openTrialChannel(): ConfirmChannel | undefined {
    if (this.#trialChannels.size >= MAX_TRIAL_CHANNELS) return undefined
    try {
      const channel = new ConfirmChannel(this.#connection, this)
      this.#trialChannels.add(channel)
      return channel
    } catch (error) {
      if (error instanceof ResourceError) return undefined
      throw error
    }
  }

  /**
   * The trial that a risky publish belongs to: {@link mayFollow} has found a channel for it, unless it is the first one on
   * the connection, with nothing before it.
   */
  #trialFor({ risk }: PendingPublish): Trial | undefined {
    if (risk === undefined) return undefined
    if (this.#trial === undefined && this.#findTrialChannel() && this.#next !== undefined) {
      this.#trial = new Trial(this.#next, this.#host.risks, () => {
        this.#endTrial()
        this.#host.writePending()
      })
      this.#next = undefined
    }
    return this.#trial
  }

  #openMain(): ConfirmChannel {
    return new ConfirmChannel(this.#connection, this, this.#number)
  }

  /** Nothing is in flight, but for what may never be confirmed. */
  #isIdle(): boolean {
    return this.#window.isEmpty(this.#channels().reduce((sum, { inFlight }) => sum + inFlight, 0))
  }

  #channels(): ConfirmChannel[] {
    return this.#main === undefined ? [...this.#trialChannels] : [this.#main, ...this.#trialChannels]
  }

  /** Closes a channel for what is risky when it is not needed any more. */
  #release(channel: ConfirmChannel): void {
    if (channel === this.#main || channel.inFlight > 0) return
    if (channel === this.#trial?.channel || channel === this.#next) return
    if (!this.#trialChannels.delete(channel)) return
    channel.close(new ConnectionClosedError('not needed any more'))
  }
}

/** The outcome of a publish that must not be sent twice. */
function lostWithChannel(cause: AmqpError, context: ErrorContext): AmqpError {
  const text = `basicPublish: its channel was closed before a confirm: ${cause.message}`
  return withoutStack(() => new ConnectionBrokenError(text, { ...context, cause }))
}
