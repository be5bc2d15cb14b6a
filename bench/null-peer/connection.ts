/**
 * Owns one connection of the null peer: it counts publishes, confirms them once per read, floods consumers, and answers
 * whatever else it is asked.
 */
import type { Socket } from 'node:net'
import { Id } from '../wire/frames.js'
import { sampleBody, sampleProperties } from '../wire/sample.js'
import { type FrameSink, FrameWalker, readU32 } from '../wire/walker.js'
import { Flood } from './flood.js'
import { FLOOD_QUEUE, type NullPeerOptions } from './options.js'
import {
  ack,
  consumeOk,
  FRAME_MAX,
  readCancel,
  readConsume,
  readQos,
  readTuneOk,
  reply,
  START,
  tune,
} from './replies.js'

const PROTOCOL_HEADER_SIZE = 8

class ChannelState {
  readonly number: number
  confirms = false
  /** Publishes that came in, and how many of them are confirmed. */
  published = 0
  confirmed = 0
  /** What is still to come of the body that comes in. */
  bodyLeft = 0
  prefetch = 0
  flood: Flood | undefined
  floodTag = ''

  constructor(number: number) {
    this.number = number
  }
}

export class NullConnection implements FrameSink {
  delivered = 0
  acked = 0
  published = 0
  readonly #socket: Socket
  readonly #options: NullPeerOptions
  readonly #walker = new FrameWalker(this)
  readonly #channels = new Map<number, ChannelState>()
  readonly #touched = new Set<ChannelState>()
  #current = new ChannelState(0)
  #out: Buffer[] = []
  #frameMax = FRAME_MAX
  #greeted = false

  constructor(socket: Socket, options: NullPeerOptions) {
    this.#socket = socket
    this.#options = options
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#onData(chunk))
    socket.on('drain', () => this.#pumpAll())
    // A client that ends without a word is what ends most measurements.
    socket.on('error', () => this.#stop())
    socket.on('close', () => this.#stop())
  }

  onMethod(channel: number, bytes: Buffer, at: number): void {
    const id = readU32(bytes, at)
    if (id === Id.basicPublish) return
    if (id === Id.basicAck) {
      const state = this.#channel(channel)
      const tag = readU32(bytes, at + 4) * 2 ** 32 + readU32(bytes, at + 8)
      state.flood?.onAck(tag, bytes[at + 12] !== 0)
      this.#touched.add(state)
      return
    }
    this.#onRequest(id, channel, bytes, at)
  }

  onHeader(channel: number, bytes: Buffer, at: number): void {
    const state = this.#channel(channel)
    state.bodyLeft = readU32(bytes, at + 8)
    if (state.bodyLeft === 0) this.#onPublished(state)
  }

  onBody(channel: number, size: number): void {
    const state = this.#channel(channel)
    state.bodyLeft -= size
    if (state.bodyLeft === 0) this.#onPublished(state)
  }

  #channel(number: number): ChannelState {
    if (this.#current.number === number) return this.#current
    this.#touchPublisher()
    let state = this.#channels.get(number)
    if (state === undefined) {
      state = new ChannelState(number)
      this.#channels.set(number, state)
    }
    this.#current = state
    return state
  }

  #onPublished(state: ChannelState): void {
    this.published++
    state.published++
  }

  #onData(chunk: Buffer): void {
    if (this.#greeted) {
      this.#walker.walk(chunk)
    } else {
      this.#greeted = true
      this.#socket.write(START)
      this.#walker.walk(chunk.subarray(PROTOCOL_HEADER_SIZE))
    }
    this.#touchPublisher()
    this.#answer()
  }

  /** Once for a run of publishes on one channel: a set is too dear for each of them. */
  #touchPublisher(): void {
    const { confirms, published, confirmed } = this.#current
    if (confirms && published > confirmed) this.#touched.add(this.#current)
  }

  /** What a read has led to leaves in one write. */
  #answer(): void {
    for (const state of this.#touched) {
      if (state.confirms && state.published > state.confirmed) {
        state.confirmed = state.published
        this.#out.push(ack(state.number, state.published))
      }
    }
    if (this.#out.length > 0) {
      const out = this.#out
      this.#out = []
      this.#socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out))
    }
    for (const state of this.#touched) state.flood?.pump()
    this.#touched.clear()
  }

  #onRequest(id: number, channel: number, bytes: Buffer, at: number): void {
    const state = this.#channel(channel)
    if (id === Id.connectionStartOk) this.#out.push(tune(this.#options.channelMax))
    else if (id === Id.connectionTuneOk) this.#frameMax = readTuneOk(bytes, at)
    else if (id === Id.basicConsume) this.#consume(state, bytes, at)
    else {
      if (id === Id.confirmSelect) state.confirms = true
      if (id === Id.basicQos) state.prefetch = readQos(bytes, at)
      // One that has made way for another is stopped already.
      if (id === Id.basicCancel && state.flood?.consumerTag === readCancel(bytes, at)) this.#cancel(state)
      if (id === Id.channelClose) this.#forget(state)
      const answer = reply(id, channel, bytes, at, this.published)
      if (answer !== undefined) this.#out.push(answer)
      if (id === Id.connectionClose) this.#answer()
    }
    this.#touched.add(state)
  }

  #consume(state: ChannelState, bytes: Buffer, at: number): void {
    const { queue, consumerTag, noAck } = readConsume(bytes, at, `null.${state.number}`)
    this.#out.push(consumeOk(state.number, consumerTag))
    if (queue !== FLOOD_QUEUE) return
    const firstTag = state.flood?.nextTag ?? 1
    this.#cancel(state)
    state.flood = new Flood(this.#socket, {
      channel: state.number,
      consumerTag,
      queue,
      prefetch: state.prefetch,
      noAck,
      firstTag,
      body: sampleBody(this.#options.body),
      properties: sampleProperties(this.#options.extras),
      frameMax: this.#frameMax,
    })
  }

  #cancel({ flood }: ChannelState): void {
    if (flood === undefined) return
    flood.stop()
    this.delivered += flood.delivered
    this.acked += flood.acknowledged
    flood.delivered = 0
    flood.acknowledged = 0
  }

  #forget(state: ChannelState): void {
    this.#cancel(state)
    this.#channels.delete(state.number)
    this.#current = new ChannelState(0)
  }

  #pumpAll(): void {
    for (const { flood } of this.#channels.values()) flood?.pump()
  }

  #stop(): void {
    for (const state of this.#channels.values()) this.#cancel(state)
  }
}
