/**
 * Owns the heartbeat (AMQP 0-9-1, section 4.2.7; RabbitMQ, "Detecting Dead TCP Connections with Heartbeats"): one is
 * sent when nothing else was, and the peer counts as dead when nothing came for two intervals. Time in which our own
 * event loop was blocked does not count against the peer.
 */
import { debugConnection } from '../debug.js'

/** What the heartbeat needs of its connection. */
export interface HeartbeatHost {
  /** How many writes there have been. */
  readonly writes: number
  sendHeartbeat(): void
  onPeerDead(silence: number): void
}

/** How often an interval is looked at: the precision of both duties. */
const TICKS_PER_INTERVAL = 4
/** After so many intervals without data the peer counts as dead. */
const INTERVALS_TO_DEATH = 2

export class Heartbeat {
  readonly #host: HeartbeatHost
  readonly #interval: number
  readonly #tick: number
  readonly #timer: NodeJS.Timeout
  #heard: number
  #lastTick: number
  #lastWrites: number
  #quietTicks = 0

  /** `seconds` is the negotiated interval, above 0. */
  constructor(host: HeartbeatHost, seconds: number) {
    this.#host = host
    this.#interval = seconds * 1000
    this.#tick = this.#interval / TICKS_PER_INTERVAL
    this.#heard = performance.now()
    this.#lastTick = this.#heard
    this.#lastWrites = host.writes
    this.#timer = setInterval(() => this.#onTick(), this.#tick)
    // The socket keeps the process alive as long as the connection is to.
    this.#timer.unref()
  }

  /** Bytes came from the peer. */
  onData(): void {
    this.#heard = performance.now()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #onTick(): void {
    const now = performance.now()
    const late = now - this.#lastTick - this.#tick
    this.#lastTick = now
    // What came while we were blocked lies unread in the socket: the peer gets that time back.
    if (late > this.#tick) this.#heard = Math.min(now, this.#heard + late)
    const silence = now - this.#heard
    if (silence >= INTERVALS_TO_DEATH * this.#interval) {
      debugConnection('nothing came for %d ms: the peer is dead', Math.round(silence))
      this.stop()
      this.#host.onPeerDead(silence)
      return
    }
    if (this.#host.writes !== this.#lastWrites) {
      this.#quietTicks = 0
      this.#lastWrites = this.#host.writes
    } else if (++this.#quietTicks >= TICKS_PER_INTERVAL / 2) {
      this.#quietTicks = 0
      this.#host.sendHeartbeat()
    }
  }
}
