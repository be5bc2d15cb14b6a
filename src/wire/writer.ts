/**
 * Owns the write cursor: AMQP's primitive types into a slab of bytes, bounds and ranges checked. When the slab is full
 * it is replaced by a new one, and what was begun since the last `commit` moves along, so that a unit (a frame, or a
 * message of several) always lies in one piece. Knows nothing of frames, methods or tables.
 */
import { ArgumentError } from '../errors.js'
import { shortTextLength, writeEscaped } from './short-text.js'

/** Called when a slab is given up: its bytes up to `end` are finished and belong to the receiver. */
export type SlabHandover = (slab: Buffer, end: number) => void

const DEFAULT_SLAB_SIZE = 65_536
/** The first slab is small: a connection that has little to say needs no other. */
const FIRST_SLAB_SIZE = 2048
/** Up to this length a loop over char codes beats the call into the runtime's encoder. */
const SHORT_TEXT = 24
const INT64_MIN = -(2n ** 63n)
const UINT64_MAX = 2n ** 64n - 1n

export class Writer {
  /** The slab that is being filled. */
  buffer: Buffer
  /** Where the next byte goes. */
  offset = 0
  /** Where the unit being written began. */
  start = 0
  readonly #slabSize: number
  readonly #handover: SlabHandover | undefined

  constructor(slabSize: number = DEFAULT_SLAB_SIZE, handover?: SlabHandover) {
    this.#slabSize = slabSize
    this.#handover = handover
    this.buffer = Buffer.allocUnsafeSlow(Math.min(slabSize, FIRST_SLAB_SIZE))
  }

  /** Declares what was written so far to be finished; the next unit begins here. */
  commit(): void {
    this.start = this.offset
  }

  /** Takes back what was written since the last commit. */
  rollback(): void {
    this.offset = this.start
  }

  /** The bytes of the current unit; a view, valid until they are overwritten. */
  unit(): Buffer {
    return this.buffer.subarray(this.start, this.offset)
  }

  /** Makes room for `bytes` more. */
  ensure(bytes: number): void {
    if (this.offset + bytes > this.buffer.length) this.#replaceSlab(bytes)
  }

  #replaceSlab(bytes: number): void {
    const kept = this.offset - this.start
    const slab = Buffer.allocUnsafeSlow(Math.max(this.#slabSize, 2 * (kept + bytes)))
    this.buffer.copy(slab, 0, this.start, this.offset)
    this.#handover?.(this.buffer, this.start)
    this.buffer = slab
    this.start = 0
    this.offset = kept
  }

  /** Skips `bytes` to be patched later; returns their place relative to the unit's start, which survives a new slab. */
  reserve(bytes: number): number {
    this.ensure(bytes)
    const place = this.offset - this.start
    this.offset += bytes
    return place
  }

  /** Fills in four reserved bytes with the number of bytes written since. */
  patchLength(place: number): void {
    const at = this.start + place
    this.buffer.writeUInt32BE(this.offset - at - 4, at)
  }

  /** An unsigned 8-bit integer. */
  u8(value: number, field: string): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xff)) throw outOfRange(field, value, '0 to 255')
    this.ensure(1)
    this.buffer[this.offset++] = value
  }

  /** An unsigned 16-bit integer. */
  u16(value: number, field: string): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffff)) {
      throw outOfRange(field, value, '0 to 65535')
    }
    this.ensure(2)
    const { buffer } = this
    buffer[this.offset++] = value >>> 8
    buffer[this.offset++] = value
  }

  /** An unsigned 32-bit integer. */
  u32(value: number, field: string): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) {
      throw outOfRange(field, value, '0 to 4294967295')
    }
    this.ensure(4)
    const { buffer } = this
    buffer[this.offset++] = value >>> 24
    buffer[this.offset++] = value >>> 16
    buffer[this.offset++] = value >>> 8
    buffer[this.offset++] = value
  }

  /** An unsigned 64-bit integer: a whole number up to 2^53 - 1, or a bigint. */
  u64(value: number | bigint, field: string): void {
    if (typeof value === 'bigint') {
      if (value < 0n || value > UINT64_MAX) throw outOfRange(field, value, '0 to 2^64 - 1')
      this.ensure(8)
      this.buffer.writeBigUInt64BE(value, this.offset)
      this.offset += 8
      return
    }
    if (!(Number.isSafeInteger(value) && value >= 0))
      throw outOfRange(field, value, '0 to 2^53 - 1, or a bigint')
    this.u32(Math.floor(value / 0x1_0000_0000), field)
    this.u32(value % 0x1_0000_0000, field)
  }

  /** A signed 8-bit integer. */
  i8(value: number, field: string): void {
    if (!(Number.isInteger(value) && value >= -0x80 && value <= 0x7f)) {
      throw outOfRange(field, value, '-128 to 127')
    }
    this.u8(value & 0xff, field)
  }

  /** A signed 16-bit integer. */
  i16(value: number, field: string): void {
    if (!(Number.isInteger(value) && value >= -0x8000 && value <= 0x7fff)) {
      throw outOfRange(field, value, '-32768 to 32767')
    }
    this.u16(value & 0xffff, field)
  }

  /** A signed 32-bit integer. */
  i32(value: number, field: string): void {
    if (!(Number.isInteger(value) && value >= -0x8000_0000 && value <= 0x7fff_ffff)) {
      throw outOfRange(field, value, '-2147483648 to 2147483647')
    }
    this.u32(value >>> 0, field)
  }

  /** A signed 64-bit integer: a safe integer, or a bigint. */
  i64(value: number | bigint, field: string): void {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw outOfRange(field, value, 'a safe integer, or a bigint')
    }
    const wide = BigInt(value)
    if (wide < INT64_MIN || wide >= -INT64_MIN) throw outOfRange(field, value, '-2^63 to 2^63 - 1')
    this.ensure(8)
    this.buffer.writeBigInt64BE(wide, this.offset)
    this.offset += 8
  }

  /** A 32-bit float. */
  f32(value: number): void {
    this.ensure(4)
    this.buffer.writeFloatBE(value, this.offset)
    this.offset += 4
  }

  /** A 64-bit float. */
  f64(value: number): void {
    this.ensure(8)
    this.buffer.writeDoubleBE(value, this.offset)
    this.offset += 8
  }

  /** A short string: up to 255 bytes of UTF-8, or of what was read as none, behind one byte of length. */
  shortstr(value: string, field: string): void {
    if (typeof value !== 'string')
      throw new ArgumentError(`${field} must be a string, got ${describe(value)}`)
    // One UTF-16 unit takes at most three bytes: so much is enough for every string that can pass.
    if (value.length > 255) throw tooLong(field, shortTextLength(value))
    this.ensure(1 + 3 * value.length)
    const length = this.#shortText(value, this.offset + 1)
    if (length > 255) throw tooLong(field, length)
    this.buffer[this.offset] = length
    this.offset += 1 + length
  }

  /** A long string: bytes, or text as UTF-8, behind four bytes of length. */
  longstr(value: string | Uint8Array, field: string): void {
    if (typeof value === 'string') {
      this.ensure(4 + 3 * value.length)
      const length = this.#utf8(value, this.offset + 4)
      const { buffer, offset } = this
      buffer[offset] = length >>> 24
      buffer[offset + 1] = length >>> 16
      buffer[offset + 2] = length >>> 8
      buffer[offset + 3] = length
      this.offset = offset + 4 + length
    } else if (value instanceof Uint8Array) {
      this.u32(value.length, field)
      this.bytes(value)
    } else {
      throw new ArgumentError(`${field} must be a string or bytes, got ${describe(value)}`)
    }
  }

  /** The name of a table's field, and the tag of its value; the name is known to be a string that fits. */
  fieldName(name: string, tag: number): void {
    const { length } = name
    this.ensure(2 + 3 * length)
    const size = this.#shortText(name, this.offset + 1)
    const { buffer, offset } = this
    buffer[offset] = size
    buffer[offset + 1 + size] = tag
    this.offset = offset + 2 + size
  }

  /** Text as UTF-8, with no length before it; returns how many bytes it took. */
  text(value: string): number {
    this.ensure(3 * value.length)
    const length = this.#utf8(value, this.offset)
    this.offset += length
    return length
  }

  /** Bytes as they are. */
  bytes(value: Uint8Array): void {
    this.ensure(value.length)
    this.buffer.set(value, this.offset)
    this.offset += value.length
  }

  /** Puts a short string at `at` (room is made) and returns its length in bytes. */
  #shortText(value: string, at: number): number {
    return value.isWellFormed() ? this.#utf8(value, at) : writeEscaped(this.buffer, value, at)
  }

  /** Puts UTF-8 at `at` (room is made) and returns its length in bytes. */
  #utf8(value: string, at: number): number {
    const { buffer } = this
    const { length } = value
    if (length <= SHORT_TEXT) {
      let index = 0
      for (; index < length; index++) {
        const unit = value.charCodeAt(index)
        if (unit > 0x7f) break
        buffer[at + index] = unit
      }
      if (index === length) return length
    }
    return buffer.write(value, at, 'utf8')
  }
}

function outOfRange(field: string, value: unknown, range: string): ArgumentError {
  return new ArgumentError(`${field} must be a whole number (${range}), got ${describe(value)}`)
}

function tooLong(field: string, bytes: number): ArgumentError {
  return new ArgumentError(`${field} must be at most 255 bytes of UTF-8, got ${bytes}`)
}

function describe(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : typeof value
}
