/**
 * Owns one live connection at the level of frames: its transport, handshake, heartbeat, channel table and end. It ends
 * once, for one reason, and then everything on it has been told. Knows nothing of operations, or of reconnecting.
 */
import { type ArgsOf, decodeMethod, type Method, type MethodName, methodName } from '../codec/methods.gen.js'
import { debugConnection, debugFrame } from '../debug.js'
import {
  AmqpError,
  ChannelError,
  CommandInvalidError,
  ConnectionBrokenError,
  type ConnectionClosedError,
  type ErrorContext,
  errorFromReply,
  InternalError,
  ResourceError,
  UnexpectedFrameError,
} from '../errors.js'
import { FRAME_HEARTBEAT, FRAME_METHOD, HEARTBEAT, PROTOCOL_HEADER } from '../frame/constants.js'
import { FrameParser, type FrameSink } from '../frame/parser.js'
import type { ServerInfo, Transport } from '../options.js'
import { Deque } from '../util/deque.js'
import { type Deferred, defer, ignore } from '../util/promise.js'
import { Reader } from '../wire/reader.js'
import { Channel, type ChannelHome, type ChannelOwner } from './channel.js'
import { ChannelNumbers } from './channel-numbers.js'
import type { ConnectionConfig } from './connection-config.js'
import { ContentCopier } from './content-copy.js'
import { Handshake, type HandshakeHome, type Tuning } from './handshake.js'
import { Heartbeat, type HeartbeatHome } from './heartbeat.js'
import type { Metrics } from './metrics.js'
import { connectFailure, messageOf, openTransport } from './open-transport.js'
import { Outbox } from './outbox.js'
import { encodeRequest } from './request.js'

/** What a connection tells whoever opened it. Nothing of it is called before `open` has resolved. */
export interface ConnectionEvents {
  /** The broker asks not to publish (connection.blocked). */
  onBlocked(reason: string): void
  onUnblocked(): void
  /** The transport takes more, after a pause. */
  onWritable(): void
  /** The connection is over. `blamed` are the requests that the broker may mean, if it named a method. */
  onEnd(reason: AmqpError, blamed: readonly ErrorContext[]): void
}

/** Where a connection stands. */
type State =
  | { readonly name: 'handshake'; readonly handshake: Handshake }
  | { readonly name: 'open' }
  | { readonly name: 'closing'; readonly reason: AmqpError; readonly done: Deferred<void> }
  | { readonly name: 'ended'; readonly reason: AmqpError }

/** How long a broker may take to answer connection.close, and to hang up then, before it is dropped, in milliseconds. */
const CLOSE_TIMEOUT = 3000

export class Connection implements FrameSink, ChannelHome, HandshakeHome, HeartbeatHome {
  readonly outbox: Outbox
  readonly maxMessageSize: number
  readonly keeper = new ContentCopier()
  readonly #transport: Transport
  readonly #events: ConnectionEvents
  readonly #parser: FrameParser
  readonly #reader = new Reader(Buffer.alloc(0))
  readonly #channels: (Channel | undefined)[] = []
  readonly #numbers: ChannelNumbers
  readonly #trace = debugFrame.enabled
  /** New secrets that the broker has not taken yet. */
  readonly #secrets = new Deque<Deferred<void>>()
  #heartbeat: Heartbeat | undefined
  /** Drops a transport that does not come to its end by itself. */
  #dropTimer: NodeJS.Timeout | undefined
  #state: State
  #info: ServerInfo | undefined

  private constructor(
    transport: Transport,
    config: ConnectionConfig,
    reserved: number,
    events: ConnectionEvents,
    metrics: Metrics,
  ) {
    this.maxMessageSize = config.maxMessageSize
    this.#transport = transport
    this.#events = events
    this.#numbers = new ChannelNumbers(reserved)
    this.#parser = new FrameParser(this, config.frameMax)
    this.outbox = new Outbox(config.frameMax, pieces => this.#write(pieces), metrics)
    this.#state = { name: 'handshake', handshake: new Handshake(this, config) }
  }

  /**
   * Connects and shakes hands; rejects with an error that says what went wrong, and then nothing is left open.
   * The channels up to `reserved` are opened only by number.
   */
  static async open(
    config: ConnectionConfig,
    reserved: number,
    events: ConnectionEvents,
    signal: AbortSignal | undefined,
    metrics: Metrics,
  ): Promise<Connection> {
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), config.connectTimeout)
    const giveUp = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal])
    try {
      signal?.throwIfAborted()
      debugConnection('connecting to %s', config.hostLabel)
      const transport = await openTransport(config, giveUp)
      const connection = new Connection(transport, config, reserved, events, metrics)
      await connection.#shakeHands(giveUp)
      return connection
    } catch (error) {
      debugConnection('%s: %s', config.hostLabel, error)
      if (signal?.aborted === true) throw signal.reason
      throw connectFailure(error, config, deadline.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  /** What the broker says of itself. */
  get info(): ServerInfo {
    if (this.#info === undefined) throw new InternalError('the handshake is not over')
    return this.#info
  }

  /** Channels can be opened. */
  get open(): boolean {
    return this.#state.name === 'open'
  }

  get writes(): number {
    return this.outbox.writes
  }

  /** Why nothing can be done any more; undefined while it can. */
  get endReason(): AmqpError | undefined {
    return this.#state.name === 'closing' || this.#state.name === 'ended' ? this.#state.reason : undefined
  }

  /**
   * Opens a channel, on a number of its own or a reserved one. Requests may follow at once.
   * Throws {@link ResourceError} where the connection has no channel left.
   */
  openChannel(owner: ChannelOwner, reserved?: number): Channel {
    if (this.endReason !== undefined) throw this.endReason
    const number = reserved ?? this.#numbers.take()
    if (number === undefined) {
      throw new ResourceError(`all ${this.#numbers.max} channels of the connection are in use (channelMax)`)
    }
    const channel = new Channel(number, this, owner)
    this.#channels[number] = channel
    channel.request(encodeRequest('channel.open', {}, this.outbox.frameMax)).catch(ignore)
    return channel
  }

  onChannelGone(channel: Channel): void {
    this.#channels[channel.number] = undefined
    this.#numbers.release(channel.number)
  }

  /** Ends the connection in good order: everything on it ends with `reason`, and what was written leaves. */
  async close(reason: ConnectionClosedError): Promise<void> {
    if (this.#state.name === 'closing') return this.#state.done.promise
    if (this.#state.name !== 'open') return this.#end(reason, [])
    const done = defer<void>()
    debugConnection('closing: %s', reason.message)
    this.outbox.flush()
    this.#tell(reason, [])
    this.#state = { name: 'closing', reason, done }
    this.#sendClose(200, 'Goodbye')
    const timer = setTimeout(() => this.#end(reason, []), CLOSE_TIMEOUT)
    await done.promise
    clearTimeout(timer)
  }

  /** Ends the connection at once, for `reason`: what was written leaves, and nobody waits for the broker's farewell. */
  drop(reason: AmqpError): void {
    if (this.#state.name !== 'open') return
    this.#sendClose(200, 'Goodbye')
    this.#end(reason, [], 'end')
  }

  /** Gives the broker a new secret, for credentials that expire (RabbitMQ, `connection.update-secret`). */
  updateSecret(newSecret: string, reason: string): Promise<void> {
    if (this.endReason !== undefined) return Promise.reject(this.endReason)
    this.send('connection.update-secret', { newSecret: Buffer.from(newSecret), reason })
    const done = defer<void>()
    this.#secrets.push(done)
    return done.promise
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

  onTuned({ frameMax, channelMax, heartbeat }: Tuning): void {
    this.#parser.frameMax = frameMax
    this.outbox.frameMax = frameMax
    this.#numbers.max = channelMax === 0 ? 65_535 : channelMax
    if (heartbeat > 0) this.#heartbeat = new Heartbeat(this, heartbeat)
  }

  onFrame(type: number, number: number, buffer: Buffer, start: number, end: number): void {
    if (this.#trace) debugFrame('< %d %s', number, describeFrame(type, buffer, start, end))
    if (number !== 0) {
      const channel = this.#channels[number]
      if (channel !== undefined) channel.onFrame(type, buffer, start, end)
      // RabbitMQ may go on for a while on a channel that it has closed.
      else if (!this.#numbers.wasUsed(number))
        throw new ChannelError(`a frame came on channel ${number}, not open`)
    } else if (type === FRAME_METHOD) {
      this.#onControl(decodeMethod(this.#reader.reset(buffer, start, end)))
    } else if (type !== FRAME_HEARTBEAT) {
      throw new UnexpectedFrameError(`a frame of type ${type} came on channel 0`)
    }
  }

  roomFor(number: number, bytes: number): Buffer | undefined {
    return this.#channels[number]?.roomFor(bytes)
  }

  async #shakeHands(giveUp: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#end(new ConnectionBrokenError('given up'), [])
    giveUp.addEventListener('abort', onAbort)
    try {
      this.#transport.start({
        onData: chunk => this.#onData(chunk),
        room: () => this.#parser.room(),
        onDrain: () => this.#onDrain(),
        onClose: error => this.#onTransportClosed(error),
      })
      this.outbox.reference(PROTOCOL_HEADER)
      giveUp.throwIfAborted()
      if (this.#state.name !== 'handshake') throw this.endReason
      const { handshake } = this.#state
      this.#info = await handshake.run()
      if (this.endReason !== undefined) throw this.endReason
      this.#state = { name: 'open' }
      // Whoever opens the connection is not there to hear of anything before that is done.
      setImmediate(() => this.#control(handshake.rest()))
      debugConnection('open: %s %s at %s', this.#info.product, this.#info.version, this.#info.host)
    } catch (error) {
      this.outbox.flush()
      this.#end(error instanceof AmqpError ? error : new ConnectionBrokenError('given up'), [])
      throw error
    } finally {
      giveUp.removeEventListener('abort', onAbort)
    }
  }

  #onData(chunk: Buffer): void {
    if (this.#state.name === 'ended') return
    this.#heartbeat?.onData()
    this.outbox.metrics.bytesReceived += chunk.length
    try {
      this.#parser.push(chunk)
    } catch (error) {
      this.#onViolation(
        error instanceof AmqpError ? error : new InternalError('a bug in puka-amqp', { cause: error }),
      )
    }
    this.keeper.release()
  }

  /** A transport of the user's own may throw: that is its end, and nobody else's. */
  #write(pieces: readonly Uint8Array[]): boolean {
    try {
      return this.#transport.write(pieces)
    } catch (error) {
      queueMicrotask(() => this.#onTransportClosed(error))
      return false
    }
  }

  #onDrain(): void {
    if (this.#state.name === 'ended') return
    this.outbox.resume()
    if (this.#state.name === 'open') this.#events.onWritable()
  }

  #onTransportClosed(error: unknown): void {
    clearTimeout(this.#dropTimer)
    const detail = error === undefined ? 'the broker hung up' : messageOf(error)
    this.#end(new ConnectionBrokenError(detail, { cause: error }), [])
  }

  /** The peer broke the rules: it is told so, and the connection is over. */
  #onViolation(error: AmqpError): void {
    if (this.#state.name === 'open') {
      this.#sendClose(replyCodes[error.code] ?? 541, error.message.slice(0, 80))
    }
    this.#end(error, [])
  }

  #control(methods: readonly Method[]): void {
    for (const method of methods) if (this.open) this.#onControl(method)
  }

  #onControl(method: Method): void {
    if (this.#state.name === 'handshake') {
      this.#state.handshake.onMethod(method)
      return
    }
    switch (method.name) {
      case 'connection.close': {
        const { replyCode, replyText, classId, methodId } = method.args
        debugConnection('closed by the broker: %d %s', replyCode, replyText)
        this.send('connection.close-ok', {})
        this.outbox.flush()
        const context = { classId, methodId }
        const blamed = this.#blame((classId << 16) | methodId)
        this.#end(errorFromReply(replyCode, replyText, context), blamed, 'end')
        break
      }
      case 'connection.close-ok':
        if (this.#state.name === 'closing') this.#end(this.#state.reason, [], 'end')
        break
      case 'connection.update-secret-ok':
        this.#secrets.shift()?.resolve()
        break
      case 'connection.blocked':
        if (this.#state.name === 'open') this.#events.onBlocked(method.args.reason)
        break
      case 'connection.unblocked':
        if (this.#state.name === 'open') this.#events.onUnblocked()
        break
      default:
        throw new CommandInvalidError(`${method.name} came on channel 0, where nothing asked for it`)
    }
  }

  #sendClose(replyCode: number, replyText: string): void {
    this.send('connection.close', { replyCode, replyText, classId: 0, methodId: 0 })
    this.outbox.flush()
  }

  /** The request that a connection.close is about, where only one can be meant. */
  #blame(methodId: number): ErrorContext[] {
    return this.#channels.flatMap(channel => channel?.requestsOf(methodId) ?? [])
  }

  /** It is over, whatever came first. */
  #end(reason: AmqpError, blamed: readonly ErrorContext[], farewell: 'end' | 'destroy' = 'destroy'): void {
    const state = this.#state
    if (state.name === 'ended') return
    this.#heartbeat?.stop()
    this.#parser.stop()
    if (state.name === 'handshake') state.handshake.fail(reason)
    this.#state = { name: 'ended', reason }
    debugConnection('ended: %s', reason.message)
    this.outbox.close()
    this.#transport[farewell]()
    if (farewell === 'end') {
      this.#dropTimer = setTimeout(() => this.#transport.destroy(), CLOSE_TIMEOUT)
      this.#dropTimer.unref()
    }
    if (state.name === 'open') this.#tell(reason, blamed)
    if (state.name === 'closing') state.done.resolve()
  }

  #tell(reason: AmqpError, blamed: readonly ErrorContext[]): void {
    this.#events.onEnd(reason, blamed)
    for (const secret of this.#secrets.drain()) secret.reject(reason)
    for (const channel of this.#channels) channel?.onConnectionEnd(reason)
    this.#channels.length = 0
  }
}

function describeFrame(type: number, buffer: Buffer, start: number, end: number): string {
  if (type === FRAME_METHOD && end - start >= 4) return methodName(buffer.readUInt32BE(start))
  return type === FRAME_HEARTBEAT ? 'heartbeat' : `content, ${end - start} bytes`
}

/** What a violation is called in connection.close. */
const replyCodes: Readonly<Record<string, number>> = {
  FRAME_ERROR: 501,
  SYNTAX_ERROR: 502,
  COMMAND_INVALID: 503,
  CHANNEL_ERROR: 504,
  UNEXPECTED_FRAME: 505,
  RESOURCE_ERROR: 506,
}
