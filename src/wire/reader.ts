/**
 * Owns the read cursor: AMQP's primitive types out of a range of bytes, bounds checked. Reading past the end throws
 * {@link AmqpSyntaxError}. Knows nothing of frames, methods or tables.
 */
import { AmqpSyntaxError } from '../errors.js'
import { readShortText } from './short-text.js'

export class Reader {
  /** The bytes being read. */
  buffer: Buffer
  /** Where the next byte comes from. */
  offset: number
  /** Where the readable range ends. */
  end: number

  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.buffer = buffer
    this.offset = offset
    this.end = end
  }

  /** Moves the cursor to another range, so that one reader can serve many. */
  reset(buffer: Buffer, offset: number, end: number): this {
    this.buffer = buffer
    this.offset = offset
    this.end = end
    return this
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.end - this.offset
  }

  /** Steps over `bytes` and returns where they began. */
  skip(bytes: number): number {
    const at = this.offset
    if (at + bytes > this.end) {
      throw new AmqpSyntaxError(`the data ends early: ${bytes} bytes wanted, ${this.end - at} left`)
    }
    this.offset = at + bytes
    return at
  }

  /** An unsigned 8-bit integer. */
  u8(): number {
    return this.buffer[this.skip(1)] as number
  }

  /** An unsigned 16-bit integer. */
  u16(): number {
    return this.buffer.readUInt16BE(this.skip(2))
  }

  /** An unsigned 32-bit integer. */
  u32(): number {
    return this.buffer.readUInt32BE(this.skip(4))
  }

  /** An unsigned 64-bit integer that has to fit a number exactly. */
  u64(): number {
    const at = this.skip(8)
    const value = this.buffer.readUInt32BE(at) * 0x1_0000_0000 + this.buffer.readUInt32BE(at + 4)
    if (value > Number.MAX_SAFE_INTEGER) throw new AmqpSyntaxError('a 64-bit integer is beyond 2^53 - 1')
    return value
  }

  /** An unsigned 64-bit integer: a number if it fits exactly, else a bigint. */
  u64exact(): number | bigint {
    return narrow(this.buffer.readBigUInt64BE(this.skip(8)))
  }

  /** A signed 8-bit integer. */
  i8(): number {
    return this.buffer.readInt8(this.skip(1))
  }

  /** A signed 16-bit integer. */
  i16(): number {
    return this.buffer.readInt16BE(this.skip(2))
  }

  /** A signed 32-bit integer. */
  i32(): number {
    return this.buffer.readInt32BE(this.skip(4))
  }

  /** A signed 64-bit integer: a number if it fits exactly, else a bigint. */
  i64exact(): number | bigint {
    return narrow(this.buffer.readBigInt64BE(this.skip(8)))
  }

  /** A 32-bit float. */
  f32(): number {
    return this.buffer.readFloatBE(this.skip(4))
  }

  /** A 64-bit float. */
  f64(): number {
    return this.buffer.readDoubleBE(this.skip(8))
  }

  /** A short string, read as UTF-8; bytes that are none come back when it is written. */
  shortstr(): string {
    const length = this.u8()
    const at = this.skip(length)
    return readShortText(this.buffer, at, at + length)
  }

  /** A long string as bytes: a view of what is being read. */
  longstr(): Buffer {
    const length = this.u32()
    const at = this.skip(length)
    return this.buffer.subarray(at, at + length)
  }

  /** Steps over a short string. */
  skipShortstr(): void {
    this.skip(this.u8())
  }

  /** Steps over a long string or a table. */
  skipLongstr(): void {
    this.skip(this.u32())
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
