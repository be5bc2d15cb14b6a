/**
 * Owns one channel of a connection: its requests and their replies, in order; the assembly of its content; its end, from
 * either side. What the channel is used for is its listener's concern.
 */
import {
  type ArgsOf,
  BASIC_ACK,
  BASIC_CANCEL,
  BASIC_DELIVER,
  BASIC_GET_OK,
  BASIC_NACK,
  BASIC_RETURN,
  CHANNEL_CLOSE,
  CHANNEL_CLOSE_OK,
  CHANNEL_FLOW,
  CHANNEL_OPEN_OK,
  decodeBasicCancel,
  decodeChannelClose,
  decodeChannelFlow,
  decodeMethod,
  type Method,
  type MethodName,
  methodName,
  methods,
  type SynchronousName,
} from '../codec/methods.gen.js'
import { REPLY_SUCCESS } from '../constants.gen.js'
import { debugChannel } from '../debug.js'
import {
  type AmqpError,
  AmqpSyntaxError,
  CommandInvalidError,
  type ErrorContext,
  UnexpectedFrameError,
} from '../errors.js'
import { FRAME_BODY, FRAME_HEADER, FRAME_METHOD } from '../frame/constants.js'
import { connectionLost } from '../operation-errors.js'
import { errorFromReply } from '../reply-errors.js'
import { Deque } from '../util/deque.js'
import { takeAll, tellAll } from '../util/tell-all.js'
import { Reader } from '../wire/reader.js'
import { Assembly, type Content, contentOf } from './content.js'
import type { ContentCopier } from './content-copy.js'
import type { Outbox } from './outbox.js'
import type { Request } from './request.js'

/** Whoever uses a channel. It overrides what matters to it; the rest means nothing to it. */
export class ChannelListener {
  /** A message for a consumer came; `content` is valid only during the call. */
  onDeliver(_content: Content): void {}
  /** One beyond `maxMessageSize` came, of `size` bytes: its body is discarded, `content` has an empty one. */
  onOversized(_content: Content, _size: number): void {}
  /** A published message came back; `content` is valid only during the call. */
  onReturn(_content: Content): void {}
  /** The broker confirmed (`acked`) or refused a publish, or all up to this one. */
  onConfirm(_deliveryTag: number, _multiple: boolean, _acked: boolean): void {}
  /** The broker cancelled a consumer. */
  onCancel(_consumerTag: string): void {}
  /** The broker wants publishing to stop, or to go on. */
  onFlow(_active: boolean): void {}
  /** The channel was closed by the broker, or `lost` with its connection. */
  onClosed(_error: AmqpError, _lost: boolean): void {}
  /** The broker agreed to the closing of the channel: its number is free. */
  onReleased(): void {}
}

/** A reply, with its content where it has one (basic.get-ok). */
export interface Reply {
  readonly method: Method
  readonly content: Content | undefined
  /** The size of a content beyond `maxMessageSize`: its body is discarded, `content` has an empty one. */
  readonly oversized: number | undefined
}

interface PendingRequest {
  readonly name: SynchronousName
  readonly replies: readonly number[]
  readonly context: ErrorContext
  resolve(reply: Reply): void
  reject(reason: AmqpError): void
}

/** What a channel needs of its connection. */
export interface ChannelHost {
  readonly outbox: Outbox
  readonly maxMessageSize: number
  readonly contentCopier: ContentCopier
  /** The channel is closed on both sides: its number is free. */
  onChannelClosed(channel: Channel): void
}

export class Channel {
  readonly number: number
  readonly #host: ChannelHost
  #listener: ChannelListener
  readonly #assembly: Assembly
  readonly #pending = new Deque<PendingRequest>()
  readonly #reader = new Reader(Buffer.alloc(0))
  /** Until the broker has answered channel.open, what comes belongs to a former channel of this number. */
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening'

  constructor(number: number, host: ChannelHost, listener: ChannelListener) {
    this.number = number
    this.#host = host
    this.#listener = listener
    this.#assembly = new Assembly(host.maxMessageSize, host.contentCopier)
  }

  /** Requests may be made. */
  get isOpen(): boolean {
    return this.#state === 'open' || this.#state === 'opening'
  }

  /** The broker has opened it. */
  get isAccepted(): boolean {
    return this.#state === 'open'
  }

  /** It belongs to somebody else from now on: nothing is in progress on it, and nothing was left on it. */
  reassign(listener: ChannelListener): void {
    this.#listener = listener
  }

  /** Makes a request; further ones may follow at once, since replies come in order. */
  request(request: Request, context: ErrorContext = {}): Promise<Reply> {
    return new Promise((resolve, reject) => this.ask(request, context, resolve, reject))
  }

  /**
   * Like {@link request}, but calls back while the reply is parsed: before the next frame. What `resolve` throws ends the
   * connection.
   */
  ask(
    { name, payload, replies }: Request,
    context: ErrorContext,
    resolve: (reply: Reply) => void,
    reject: (reason: AmqpError) => void,
  ): void {
    this.#host.outbox.encoded(this.number, name, payload)
    this.#pending.push({ name, replies, context, resolve, reject })
  }

  /** Sends a method that has no reply. */
  send<N extends MethodName>(name: N, args: ArgsOf<N>): void {
    this.#host.outbox.method(this.number, name, args)
  }

  /** Closes the channel. Requests in progress end with `reason`; the listener is told only that it is released. */
  close(reason: AmqpError): void {
    if (!this.isOpen) return
    this.#state = 'closing'
    this.send('channel.close', { replyCode: REPLY_SUCCESS, replyText: '', classId: 0, methodId: 0 })
    debugChannel('channel %d: closing', this.number)
    tellAll(this.#pending.drain(), request => request.reject(reason))
  }

  /**
   * Takes a frame of this channel, or a part of a large body frame, of which `rest` bytes are still to come. Throws what has
   * to end the connection.
   */
  onFrame(type: number, buffer: Buffer, start: number, end: number, rest = 0): void {
    if (this.#state === 'closing') {
      if (type === FRAME_METHOD) this.#onMethodWhileClosing(buffer, start, end)
    } else if (this.#state === 'opening') {
      if (type === FRAME_METHOD) this.#onMethodWhileOpening(buffer, start, end)
    } else if (type === FRAME_METHOD) {
      this.#onMethod(buffer, start, end)
    } else if (type === FRAME_HEADER) {
      if (this.#assembly.header(buffer, start, end)) this.#onContent()
    } else if (type === FRAME_BODY) {
      if (this.#assembly.body(buffer, start, end, rest)) this.#onContent()
    } else {
      throw new UnexpectedFrameError(`a heartbeat came on channel ${this.number}`)
    }
  }

  /** Where the next bytes of a body are best put. */
  roomFor(bytes: number): Buffer | undefined {
    return this.#state === 'open' ? this.#assembly.roomFor(bytes) : undefined
  }

  /** The requests in progress that use a method: whom an error of the whole connection may be about. */
  requestsOf(methodId: number): ErrorContext[] {
    return this.#pending
      .items()
      .flatMap(({ name, context }) => (methods[name].id === methodId ? [context] : []))
  }

  /** The connection is gone: nothing can be sent any more. */
  onConnectionEnd(reason: AmqpError): void {
    if (this.#state === 'closed') return
    const wasOpen = this.isOpen
    this.#state = 'closed'
    tellAll(this.#pending.drain(), ({ context, reject }) => reject(connectionLost(reason, context)))
    if (wasOpen) takeAll(() => this.#listener.onClosed(reason, true))
  }

  #onMethod(buffer: Buffer, start: number, end: number): void {
    if (end - start < 4) throw new AmqpSyntaxError('a method frame is too short')
    if (this.#assembly.busy) throw new UnexpectedFrameError('a method came where content was announced')
    const id = buffer.readUInt32BE(start)
    switch (id) {
      case BASIC_DELIVER:
      case BASIC_GET_OK:
      case BASIC_RETURN:
        this.#assembly.begin(id, buffer, start + 4, end)
        break
      case BASIC_ACK:
      case BASIC_NACK: {
        const fields = this.#reader.reset(buffer, start + 4, end)
        const deliveryTag = fields.u64()
        const multiple = (fields.u8() & 1) === 1
        this.#listener.onConfirm(deliveryTag, multiple, id === BASIC_ACK)
        break
      }
      case BASIC_CANCEL: {
        const { consumerTag, noWait } = decodeBasicCancel(this.#reader.reset(buffer, start + 4, end))
        if (!noWait) this.#answer('basic.cancel-ok', { consumerTag })
        this.#listener.onCancel(consumerTag)
        break
      }
      case CHANNEL_FLOW: {
        const { active } = decodeChannelFlow(this.#reader.reset(buffer, start + 4, end))
        this.#answer('channel.flow-ok', { active })
        this.#listener.onFlow(active)
        break
      }
      case CHANNEL_CLOSE:
        this.#onClose(buffer, start, end)
        break
      default:
        this.#onReply(decodeMethod(this.#reader.reset(buffer, start, end)))
    }
  }

  #onMethodWhileOpening(buffer: Buffer, start: number, end: number): void {
    if (end - start < 4) throw new AmqpSyntaxError('a method frame is too short')
    const id = buffer.readUInt32BE(start)
    if (id === CHANNEL_OPEN_OK) this.#state = 'open'
    else if (id !== CHANNEL_CLOSE) return
    this.#onMethod(buffer, start, end)
  }

  #onMethodWhileClosing(buffer: Buffer, start: number, end: number): void {
    if (end - start < 4) throw new AmqpSyntaxError('a method frame is too short')
    const id = buffer.readUInt32BE(start)
    // Both sides may close at once: each answers the other.
    if (id === CHANNEL_CLOSE) this.#answer('channel.close-ok', {})
    else if (id === CHANNEL_CLOSE_OK) this.#onClosed()
  }

  #onContent(): void {
    const assembly = this.#assembly
    switch (assembly.method) {
      case BASIC_DELIVER:
        if (assembly.oversized === 0) this.#listener.onDeliver(assembly)
        else this.#listener.onOversized(assembly, assembly.oversized)
        break
      case BASIC_RETURN:
        this.#listener.onReturn(assembly)
        break
      default: {
        const { methodBytes, methodAt, methodEnd } = assembly
        // The fields stand behind the ids, which decodeMethod wants to see.
        const method = decodeMethod(this.#reader.reset(methodBytes, methodAt - 4, methodEnd))
        this.#onReply(method, contentOf(assembly), assembly.oversized || undefined)
      }
    }
    assembly.clear()
  }

  #onReply(method: Method, content?: Content, oversized?: number): void {
    const pending = this.#pending.peek()
    if (pending === undefined || !pending.replies.includes(method.id)) {
      throw new CommandInvalidError(
        `${method.name} came on channel ${this.number}, where nothing asked for it`,
      )
    }
    this.#pending.shift()
    try {
      pending.resolve({ method, content, oversized })
    } catch (error) {
      // Whoever cannot accept the reply is told of the connection's end, as the others are.
      this.#pending.unshift(pending)
      throw error
    }
  }

  #answer<N extends MethodName>(name: N, args: ArgsOf<N>): void {
    this.#host.outbox.answer(this.number, name, args)
  }

  /** The broker closed the channel: the oldest request is the one that it did not like. */
  #onClose(buffer: Buffer, start: number, end: number): void {
    const close = decodeChannelClose(this.#reader.reset(buffer, start + 4, end))
    const { classId, methodId, replyCode, replyText } = close
    debugChannel(
      'channel %d: closed by the broker: %d %s (%s)',
      this.number,
      replyCode,
      replyText,
      methodName((classId << 16) | methodId),
    )
    this.send('channel.close-ok', {})
    this.#state = 'closed'
    const errorFor = (context: ErrorContext): AmqpError =>
      errorFromReply(replyCode, replyText, { ...context, classId, methodId })
    tellAll(this.#pending.drain(), ({ context, reject }) => reject(errorFor(context)))
    takeAll(
      () => this.#host.onChannelClosed(this),
      () => this.#listener.onClosed(errorFor({}), false),
    )
  }

  #onClosed(): void {
    this.#state = 'closed'
    debugChannel('channel %d: closed', this.number)
    this.#host.onChannelClosed(this)
    this.#listener.onReleased()
  }
}
