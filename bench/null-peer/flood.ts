/**
 * Owns the deliveries to one consumer: a chunk of them is encoded once, and sent over and over with its delivery tags
 * patched, as far as the prefetch window and the socket allow.
 */
import type { Socket } from 'node:net'
import { shortString, u8, u64 } from '../wire/bytes.js'
import { contentFrames, Id, methodFrame, type Properties } from '../wire/frames.js'

const CHUNK = 131_072
/** With so many bytes unsent, it waits for the socket. */
const ENOUGH = 1_048_576
/** Room for the widest prefetch window that AMQP can express. */
const RING = 65_536

export interface FloodPlan {
  readonly channel: number
  readonly consumerTag: string
  readonly queue: string
  /** 0: no limit. */
  readonly prefetch: number
  readonly noAck: boolean
  readonly firstTag: number
  readonly body: Buffer
  readonly properties: Properties
  readonly frameMax: number
}

export class Flood {
  readonly #socket: Socket
  readonly #limit: number
  readonly #message: Buffer
  readonly #tagAt: number
  readonly #perChunk: number
  readonly #free: Buffer[] = []
  /** Which of the tags in flight are acked; tags below `floor` all are. */
  readonly #acked = new Uint8Array(RING)
  #floor: number
  #next: number
  #outstanding = 0
  #stopped = false
  readonly consumerTag: string
  delivered = 0
  acknowledged = 0

  constructor(socket: Socket, plan: FloodPlan) {
    this.#socket = socket
    this.consumerTag = plan.consumerTag
    this.#limit = plan.noAck ? 0 : plan.prefetch
    this.#floor = plan.firstTag
    this.#next = plan.firstTag
    const before = shortString(plan.consumerTag)
    const method = methodFrame(
      plan.channel,
      Id.basicDeliver,
      before,
      u64(0),
      u8(0),
      shortString(''),
      shortString(plan.queue),
    )
    this.#message = contentFrames(plan.channel, method, plan.properties, plan.body, plan.frameMax)
    this.#tagAt = 7 + 4 + before.length
    this.#perChunk = Math.max(1, Math.floor(CHUNK / this.#message.length))
  }

  get nextTag(): number {
    return this.#next
  }

  /** Sends what may be sent. */
  pump(): void {
    while (!this.#stopped && this.#socket.writableLength < ENOUGH) {
      const window = this.#limit === 0 ? this.#perChunk : this.#limit - this.#outstanding
      const count = Math.min(window, this.#perChunk)
      if (count <= 0) return
      this.#send(count)
    }
  }

  onAck(tag: number, multiple: boolean): void {
    if (this.#limit === 0) return
    if (!multiple) {
      if (tag < this.#floor || tag >= this.#next) return
      this.#acked[tag % RING] = 1
      this.#settled(1)
    }
    const last = Math.min(tag, this.#next - 1)
    while (this.#floor < this.#next) {
      const slot = this.#floor % RING
      if (this.#acked[slot] === 1) this.#acked[slot] = 0
      else if (multiple && this.#floor <= last) this.#settled(1)
      else break
      this.#floor++
    }
  }

  stop(): void {
    this.#stopped = true
  }

  #settled(count: number): void {
    this.#outstanding -= count
    this.acknowledged += count
  }

  #send(count: number): void {
    const size = this.#message.length
    const chunk = this.#free.pop() ?? this.#makeChunk()
    for (let index = 0, at = this.#tagAt; index < count; index++, at += size) {
      const tag = this.#next++
      if (tag > 0xffffffff) chunk.writeUInt32BE(Math.floor(tag / 2 ** 32), at)
      chunk[at + 4] = tag >>> 24
      chunk[at + 5] = tag >>> 16
      chunk[at + 6] = tag >>> 8
      chunk[at + 7] = tag
    }
    this.#outstanding += count
    this.delivered += count
    // The chunk is in use until the system has taken it.
    this.#socket.write(chunk.subarray(0, count * size), () => this.#free.push(chunk))
  }

  #makeChunk(): Buffer {
    const chunk = Buffer.allocUnsafeSlow(this.#perChunk * this.#message.length)
    for (let index = 0; index < this.#perChunk; index++)
      this.#message.copy(chunk, index * this.#message.length)
    return chunk
  }
}
