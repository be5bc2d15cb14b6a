/**
 * Owns one live connection at the level of frames: its transport, handshake, heartbeat, channels and end. It ends once,
 * for one reason, and then every channel and request has been told. Knows nothing of operations, or of reconnecting.
 */

import type { ServerInfo } from '../client-state.js'
import { type ArgsOf, decodeMethod, type Method, type MethodName } from '../codec/methods.gen.js'
import { REPLY_SUCCESS } from '../constants.gen.js'
import { debugConnection, debugFrame } from '../debug.js'
import {
  AmqpError,
  ChannelError,
  ConnectionBrokenError,
  ConnectionClosedError,
  type ErrorContext,
  InternalError,
  ResourceError,
  UnexpectedFrameError,
} from '../errors.js'
import { FRAME_HEARTBEAT, FRAME_METHOD, HEARTBEAT, PROTOCOL_HEADER } from '../frame/constants.js'
import { type FrameEvents, FrameParser } from '../frame/parser.js'
import type { ConnectionLoss } from '../operation-errors.js'
import { isChannelLimit, violationCode } from '../reply-codes.js'
import type { Transport } from '../transport-types.js'
import { onAbort } from '../util/abort.js'
import { cleanText } from '../util/clean-text.js'
import { type Deferred, defer, ignore } from '../util/promise.js'
import { takeAll } from '../util/tell-all.js'
import { Reader } from '../wire/reader.js'
import { Channel, type ChannelHost, type ChannelListener } from './channel.js'
import type { ChannelLimit } from './channel-limit.js'
import { ChannelTable } from './channel-table.js'
import type { ConnectionConfig } from './connection-config.js'
import { ContentCopier } from './content-copy.js'
import { ControlChannel, type ControlHost, unasked } from './control-channel.js'
import { Handshake, type HandshakeHost, type Tuning } from './handshake.js'
import { Heartbeat, type HeartbeatHost } from './heartbeat.js'
import type { Metrics } from './metrics.js'
import { openTransport, transportClosed, unfinished, withinConnectTimeout } from './open-transport.js'
import { Outbox } from './outbox.js'
import { encodeRequest } from './request.js'
import { describeFrame } from './trace.js'

/** What a connection tells its session. Nothing of it is called before `connect` has resolved. */
export interface ConnectionEvents {
  /** The broker asks not to publish (connection.blocked). */
  onBlocked(reason: string): void
  onUnblocked(): void
  /** The transport takes more, after a pause. */
  onWritable(): void
  /** All channels are in use: one that its user can do without. */
  giveWay(): Channel | undefined
  /** A channel is closed: its number is free. */
  onChannelFree(): void
  /** The connection has ended. Its channels are told after this. */
  onEnd(loss: ConnectionLoss): void
}

/** How a channel is opened. */
export interface ChannelOptions {
  /** The number, of the reserved ones; else any that is free. */
  readonly reserved?: number
  /** For whom it is opened, in errors. */
  readonly context?: ErrorContext
}

type State =
  | { readonly name: 'connecting' }
  | { readonly name: 'handshake'; readonly handshake: Handshake }
  | { readonly name: 'open' }
  | { readonly name: 'closing'; readonly reason: AmqpError; readonly done: Deferred<void> }
  | { readonly name: 'ended'; readonly reason: AmqpError }

/** How long a broker may take to answer connection.close, in milliseconds. */
const CLOSE_TIMEOUT = 3000
/** A short string holds 255 bytes; so much of our own reply text is enough. */
const REPLY_TEXT_LENGTH = 80
const OPEN = encodeRequest('channel.open', {}, 0)
const NOT_NEEDED = new ConnectionClosedError('the channel is needed for something else')

export class Connection implements FrameEvents, ChannelHost, ControlHost, HandshakeHost, HeartbeatHost {
  readonly outbox: Outbox
  readonly metrics: Metrics
  readonly contentCopier = new ContentCopier()
  readonly maxMessageSize: number
  readonly #config: ConnectionConfig
  readonly #events: ConnectionEvents
  readonly #parser: FrameParser
  readonly #reader = new Reader(Buffer.alloc(0))
  readonly #channels: ChannelTable
  readonly #trace = debugFrame.enabled
  readonly #control = new ControlChannel(this)
  /** Keeps what came with the handshake's end until that is handled, and what comes meanwhile: it stays in order. */
  #heldBack: Handshake | undefined
  #transport: Transport | undefined
  #heartbeat: Heartbeat | undefined
  #state: State = { name: 'connecting' }
  #info: ServerInfo | undefined

  /** A connection that is not made yet. The channels up to `reserved` are opened only by number. */
  constructor(
    config: ConnectionConfig,
    reserved: number,
    events: ConnectionEvents,
    metrics: Metrics,
    limit?: ChannelLimit,
  ) {
    this.metrics = metrics
    this.maxMessageSize = config.maxMessageSize
    this.#config = config
    this.#events = events
    this.#channels = new ChannelTable(reserved, limit)
    this.#parser = new FrameParser(this, config.frameMax)
    this.outbox = new Outbox(config.frameMax, metrics, error => this.#onViolation(asAmqpError(error)))
  }

  /**
   * Connects and shakes hands, once, within `connectTimeout` from `since` on. Rejects with an error that says what went
   * wrong; then nothing is left open.
   */
  connect(signal: AbortSignal, since = performance.now()): Promise<void> {
    return withinConnectTimeout(this.#config, since, signal, async giveUp => {
      const transport = await openTransport(this.#config, giveUp)
      this.#transport = transport
      this.outbox.transport = transport
      await this.#shakeHands(transport, giveUp)
    })
  }

  /** What the broker says of itself. */
  get info(): ServerInfo {
    if (this.#info === undefined) throw new InternalError('the handshake is not over')
    return this.#info
  }

  /** The broker's reason not to take publishes for now (connection.blocked). */
  get blocked(): string | undefined {
    return this.#control.blocked
  }

  /** How many channels are open. */
  get channels(): number {
    return this.#channels.size
  }

  get writes(): number {
    return this.outbox.writes
  }

  /** Why nothing can be done any more; undefined while it can. */
  get endReason(): AmqpError | undefined {
    return this.#state.name === 'closing' || this.#state.name === 'ended' ? this.#state.reason : undefined
  }

  /** A channel is being closed: its number will be free. */
  get isClosingChannels(): boolean {
    return this.#channels.isClosing
  }

  /**
   * Opens a channel, on any free number or a reserved one. Requests may follow at once.
   * Throws {@link ResourceError} if the connection has no channel left, or none of that number.
   */
  openChannel(listener: ChannelListener, { reserved, context = {} }: ChannelOptions = {}): Channel {
    if (this.endReason !== undefined) throw this.endReason
    if (reserved !== undefined && reserved > this.#channels.max) {
      throw new ResourceError(
        `channel ${reserved} is beyond the ${this.#channels.max} that the broker allows (channelMax)`,
      )
    }
    // An idle one makes room for one that has to have its number. If there is none, the broker decides.
    if (reserved !== undefined && this.#channels.isFull) this.#events.giveWay()?.close(NOT_NEEDED)
    const number = reserved ?? this.#channels.takeNumber()
    if (number === undefined) return this.#takeOver(listener)
    const channel = new Channel(number, this, listener)
    this.#channels.add(channel)
    channel.ask(OPEN, context, ignore, ignore)
    return channel
  }

  onChannelClosed(channel: Channel): void {
    this.#channels.remove(channel.number)
    this.#events.onChannelFree()
  }

  /** The user has no channel left for another connection, which needs it more than this one does. */
  leaveRoom(): void {
    this.#channels.leaveRoom()
  }

  #takeOver(listener: ChannelListener): Channel {
    const channel = this.#giveWay()
    channel.reassign(listener)
    return channel
  }

  #giveWay(): Channel {
    const channel = this.#events.giveWay()
    if (channel !== undefined) return channel
    throw new ResourceError(
      this.#channels.isFull
        ? `the broker lets this user have ${this.#channels.size} channels here, and all are in use`
        : `all ${this.#channels.max} channels of the connection are in use (channelMax)`,
    )
  }

  /** Closes the connection gracefully: everything on it ends with `reason`, and what was written leaves. */
  async close(reason: ConnectionClosedError): Promise<void> {
    this.#takeRest()
    if (this.#state.name === 'closing') return this.#state.done.promise
    if (this.#state.name !== 'open') return this.#end(reason, [])
    const done = defer<void>()
    debugConnection('closing: %s', reason.message)
    this.#flush()
    this.#tell(reason, [])
    this.#state = { name: 'closing', reason, done }
    this.#sendClose(REPLY_SUCCESS, 'Goodbye')
    const timer = setTimeout(() => this.#end(reason, []), CLOSE_TIMEOUT)
    await done.promise
    clearTimeout(timer)
  }

  /** Ends the connection at once, for `reason`: what was written leaves, and nobody waits for connection.close-ok. */
  drop(reason: AmqpError): void {
    if (this.#state.name !== 'open') return
    this.#sendClose(REPLY_SUCCESS, 'Goodbye')
    this.#end(reason, [], 'end')
  }

  /** Gives the broker a new secret, for credentials that expire (RabbitMQ, `connection.update-secret`). */
  updateSecret(newSecret: string, reason: string): Promise<void> {
    if (this.endReason !== undefined) return Promise.reject(this.endReason)
    return this.#control.updateSecret(newSecret, reason)
  }

  /** Sends a method on channel 0. */
  send<N extends MethodName>(name: N, args: ArgsOf<N>): void {
    this.outbox.method(0, name, args)
  }

  sendHeartbeat(): void {
    if (this.#trace) debugFrame('> 0 heartbeat')
    this.outbox.reference(HEARTBEAT)
  }

  onPeerDead(silence: number): void {
    const seconds = (silence / 1000).toFixed(1)
    this.#end(new ConnectionBrokenError(`nothing came from the broker for ${seconds} s (heartbeat)`), [])
  }

  onBlocked(reason: string): void {
    if (this.#state.name === 'open') this.#events.onBlocked(reason)
  }

  onUnblocked(): void {
    if (this.#state.name === 'open') this.#events.onUnblocked()
  }

  /** The broker closes the connection. */
  onClose(reason: AmqpError, methodId: number): void {
    if (isChannelLimit(reason)) this.#channels.onRefused()
    this.#flush()
    this.#end(reason, this.#channels.requestsOf(methodId), 'end')
  }

  onCloseOk(): void {
    if (this.#state.name === 'open') throw unasked('connection.close-ok')
    if (this.#state.name === 'closing') this.#end(this.#state.reason, [], 'end')
  }

  onTuned({ frameMax, channelMax, heartbeat }: Tuning): void {
    this.#parser.frameMax = frameMax
    this.outbox.frameMax = frameMax
    this.#channels.max = channelMax === 0 ? 65_535 : channelMax
    if (heartbeat > 0) this.#heartbeat = new Heartbeat(this, heartbeat)
  }

  onFrame(type: number, number: number, buffer: Buffer, start: number, end: number, rest: number): void {
    if (this.#trace) debugFrame('< %d %s', number, describeFrame(type, buffer, start, end))
    if (number !== 0) {
      const channel = this.#channels.open[number]
      if (channel !== undefined) channel.onFrame(type, buffer, start, end, rest)
      // RabbitMQ may go on for a while on a channel that it has closed.
      else if (!this.#channels.wasUsed(number))
        throw new ChannelError(`a frame came on channel ${number}, not open`)
    } else if (type === FRAME_METHOD) {
      this.#onMethod(decodeMethod(this.#reader.reset(buffer, start, end)))
    } else if (type !== FRAME_HEARTBEAT) {
      throw new UnexpectedFrameError(`a frame of type ${type} came on channel 0`)
    }
  }

  roomFor(number: number, bytes: number): Buffer | undefined {
    return this.#channels.open[number]?.roomFor(bytes)
  }

  async #shakeHands(transport: Transport, giveUp: AbortSignal): Promise<void> {
    const began = performance.now()
    const silence = (): number | undefined =>
      this.#parser.isUntouched ? performance.now() - began : undefined
    const stopWatching = onAbort(giveUp, () => {
      this.#end(this.#parser.verdictAtEnd() ?? unfinished(silence()), [])
    })
    try {
      const handshake = new Handshake(this, this.#config)
      this.#state = { name: 'handshake', handshake }
      transport.start({
        onData: this.#onData,
        room: this.#parser.room.bind(this.#parser),
        onDrain: () => this.#onDrain(),
        onClose: error => this.#end(this.#parser.verdictAtEnd() ?? transportClosed(error, silence()), []),
      })
      this.outbox.reference(PROTOCOL_HEADER)
      giveUp.throwIfAborted()
      this.#info = await handshake.run()
      if (this.endReason !== undefined) throw this.endReason
      this.#state = { name: 'open' }
      this.#heldBack = handshake
      // Methods that came with open-ok are handled after `connect` has resolved.
      setImmediate(() => this.#takeRest())
      debugConnection(
        'open: %s at %s',
        cleanText(`${this.#info.product} ${this.#info.version}`),
        this.#info.host,
      )
    } catch (error) {
      this.#flush()
      this.#end(error instanceof AmqpError ? error : new ConnectionBrokenError('the transport failed'), [])
      throw error
    } finally {
      stopWatching()
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state.name === 'ended') return
    this.#heartbeat?.onData()
    this.metrics.bytesReceived += chunk.length
    this.#attempt(() => this.#parser.push(chunk))
    this.contentCopier.reset()
  }

  #onDrain(): void {
    if (this.#state.name === 'ended') return
    this.outbox.resume()
    if (this.#state.name === 'open') this.#attempt(() => this.#events.onWritable())
  }

  /** Does what the transport has brought about, which is to hear of no error. */
  #attempt(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#onViolation(asAmqpError(error))
    }
  }

  /** The peer broke the protocol: it is told so, and the connection ends. */
  #onViolation(error: AmqpError): void {
    this.#takeRest()
    if (this.#state.name === 'open') {
      this.#sendClose(violationCode(error), error.message.slice(0, REPLY_TEXT_LENGTH))
    }
    this.#end(error, [])
  }

  #takeRest(): void {
    const rest = this.#heldBack?.rest() ?? []
    this.#heldBack = undefined
    this.#attempt(() => {
      for (const method of rest) if (this.#state.name !== 'ended') this.#onMethod(method)
    })
  }

  #onMethod(method: Method): void {
    const handshake = this.#state.name === 'handshake' ? this.#state.handshake : this.#heldBack
    if (handshake === undefined) this.#control.onMethod(method)
    else handshake.onMethod(method)
  }

  /** Nothing may follow it: what others have gathered leaves before. */
  #sendClose(replyCode: number, replyText: string): void {
    this.#flush()
    this.send('connection.close', { replyCode, replyText, classId: 0, methodId: 0 })
    this.outbox.flushNoMore()
  }

  /** Writes what there is. Who has gathered it may throw: that keeps the connection from no end. */
  #flush(): void {
    takeAll(() => this.outbox.flush())
  }

  #end(reason: AmqpError, blamed: readonly ErrorContext[], farewell: 'end' | 'destroy' = 'destroy'): void {
    this.#takeRest()
    const state = this.#state
    if (state.name === 'ended') return
    this.#heartbeat?.stop()
    this.#parser.stop()
    if (state.name === 'handshake') state.handshake.fail(reason)
    this.#state = { name: 'ended', reason }
    debugConnection('ended: %s', reason.message)
    this.outbox.close()
    this.#transport?.[farewell]()
    if (state.name === 'open') this.#tell(reason, blamed)
    if (state.name === 'closing') state.done.resolve()
  }

  #tell(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    takeAll(
      () => this.#events.onEnd({ reason, blamed }),
      () => this.#control.end(reason),
      () => this.#channels.endAll(reason),
    )
  }
}

function asAmqpError(error: unknown): AmqpError {
  return error instanceof AmqpError ? error : new InternalError('a bug in puka-amqp', { cause: error })
}
