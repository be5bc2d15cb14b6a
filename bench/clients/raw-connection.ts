/** Owns a connection of the raw client: the handshake, one channel, and the walk over what comes in. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { longString, shortString, table, u8, u16, u32, u64 } from '../wire/bytes.js'
import { contentFrames, Id, methodFrame } from '../wire/frames.js'
import { sampleProperties } from '../wire/sample.js'
import { type FrameSink, FrameWalker, readU32 } from '../wire/walker.js'
import type { Context } from './driver.js'

const FRAME_MAX = 131_072
const CHANNEL = 1
const PAUSE_AT = 1_048_576
const NO_ARGUMENTS = table({})
const ACK_TAG_AT = 11

export class RawConnection implements FrameSink {
  onDelivery: (tag: number) => void = () => {}
  onConfirm: (tag: number) => void = () => {}
  onRead: () => void = () => {}
  readonly #socket: Socket
  readonly #walker = new FrameWalker(this)
  readonly #ack = methodFrame(CHANNEL, Id.basicAck, u64(0), u8(1))
  #awaited = 0
  #missing = 0
  #onReply: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#walker.walk(chunk)
      this.onRead()
    })
  }

  /** Connects, with a channel open. */
  static async open(url: string): Promise<RawConnection> {
    const { hostname, port, username, password } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port || 5672), noDelay: true })
    await once(socket, 'connect')
    const connection = new RawConnection(socket)
    await connection.request(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'), Id.connectionStart)
    const credentials = longString(`\0${username || 'guest'}\0${password || 'guest'}`)
    const startOk = [NO_ARGUMENTS, shortString('PLAIN'), credentials, shortString('en_US')]
    await connection.request(methodFrame(0, Id.connectionStartOk, ...startOk), Id.connectionTune)
    connection.write(methodFrame(0, Id.connectionTuneOk, u16(2047), u32(FRAME_MAX), u16(0)))
    const open = methodFrame(0, Id.connectionOpen, shortString('/'), shortString(''), u8(0))
    await connection.request(open, Id.connectionOpenOk)
    await connection.request(methodFrame(CHANNEL, Id.channelOpen, shortString('')), Id.channelOpenOk)
    return connection
  }

  /** Returns false to ask for a pause. */
  write(bytes: Buffer): boolean {
    this.#socket.write(bytes)
    return this.#socket.writableLength < PAUSE_AT
  }

  async drained(): Promise<void> {
    await new Promise<void>(resolve => this.#socket.once('drain', resolve))
  }

  /** Resolves when as many replies have come. */
  request(bytes: Buffer, reply: number, count = 1): Promise<void> {
    return new Promise(resolve => {
      this.#awaited = reply
      this.#missing = count
      this.#onReply = resolve
      this.#socket.write(bytes)
    })
  }

  async confirmSelect(): Promise<void> {
    await this.request(methodFrame(CHANNEL, Id.confirmSelect, u8(0)), Id.confirmSelectOk)
  }

  /** A whole message, as bytes. */
  encode({ job, body }: Context): Buffer {
    const method = methodFrame(
      CHANNEL,
      Id.basicPublish,
      u16(0),
      shortString(''),
      shortString(job.queue),
      u8(0),
    )
    return contentFrames(CHANNEL, method, sampleProperties(job.extras), body, FRAME_MAX)
  }

  /** queue.declare, as bytes: durable, as the clients declare. */
  declare(queue: string, passive: boolean): Buffer {
    const flags = u8(passive ? 1 : 2)
    return methodFrame(CHANNEL, Id.queueDeclare, u16(0), shortString(queue), flags, NO_ARGUMENTS)
  }

  /** Consumes; without acks where `prefetch` is 0. */
  consume(queue: string, prefetch: number): void {
    const noAck = u8(prefetch === 0 ? 2 : 0)
    this.write(methodFrame(CHANNEL, Id.basicQos, u32(0), u16(prefetch), u8(0)))
    this.write(
      methodFrame(
        CHANNEL,
        Id.basicConsume,
        u16(0),
        shortString(queue),
        shortString('raw'),
        noAck,
        NO_ARGUMENTS,
      ),
    )
  }

  /** Acks everything up to the tag. */
  ack(tag: number): void {
    const ack = Buffer.from(this.#ack)
    ack.writeUInt32BE(Math.floor(tag / 2 ** 32), ACK_TAG_AT)
    ack.writeUInt32BE(tag >>> 0, ACK_TAG_AT + 4)
    this.write(ack)
  }

  onMethod(_channel: number, bytes: Buffer, at: number): void {
    const id = readU32(bytes, at)
    if (id === Id.basicDeliver) {
      const tagAt = at + 5 + (bytes[at + 4] as number)
      this.onDelivery(readU32(bytes, tagAt) * 2 ** 32 + readU32(bytes, tagAt + 4))
    } else if (id === Id.basicAck) {
      this.onConfirm(readU32(bytes, at + 4) * 2 ** 32 + readU32(bytes, at + 8))
    } else if (id === this.#awaited && --this.#missing === 0) {
      this.#onReply()
    }
  }

  onHeader(): void {}
  onBody(): void {}
}
