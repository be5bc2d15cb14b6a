/**
 * Owns where a socket's bytes are read to: slabs that many small reads share, as large as the traffic calls for, or the
 * very place where they belong, where the receiver knows that. So what comes in passes through no stream, and the bytes
 * of a large body are copied by the operating system only. Knows nothing of what the bytes mean.
 */
import type { OnReadOpts } from 'node:net'
import type { TransportEvents } from '../transport-types.js'

const SMALLEST_SLAB = 2048
const LARGEST_SLAB = 65_536
/** A slab with less room than this is used up. */
const LEAST_ROOM = 256
/** A slab has room for so many reads of the largest size of late. */
const READS_PER_SLAB = 4

export class Inflow {
  /** How a socket is to read. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#nextRoom(),
    callback: size => this.#take(size),
  }
  #events: TransportEvents | undefined
  /** What came before anybody listened. */
  #early: Buffer[] = []
  #slab = Buffer.allocUnsafeSlow(SMALLEST_SLAB)
  /** Up to here the slab is in use. */
  #used = 0
  /** The largest read into this slab. */
  #largest = 0
  /** Where the socket reads to now. */
  #room: Buffer = this.#slab
  #inSlab = true

  /** Somebody listens from now on. */
  start(events: TransportEvents): void {
    this.#events = events
    const early = this.#early
    this.#early = []
    if (early.length > 0) queueMicrotask(() => early.forEach(chunk => void events.onData(chunk)))
  }

  #nextRoom(): Buffer {
    const room = this.#events?.room?.()
    this.#inSlab = room === undefined
    this.#room = room ?? this.#slabRoom()
    return this.#room
  }

  #slabRoom(): Buffer {
    const left = this.#slab.length - this.#used
    if (left < LEAST_ROOM || left < this.#largest) {
      const size = Math.min(Math.max(READS_PER_SLAB * this.#largest, SMALLEST_SLAB), LARGEST_SLAB)
      this.#slab = Buffer.allocUnsafeSlow(size)
      this.#used = 0
      this.#largest = 0
    }
    return this.#slab.subarray(this.#used)
  }

  #take(size: number): boolean {
    const chunk = this.#room.subarray(0, size)
    if (this.#inSlab) {
      this.#used += size
      if (size > this.#largest) this.#largest = size
    }
    if (this.#events === undefined) this.#early.push(chunk)
    else this.#events.onData(chunk)
    return true
  }
}
