/**
 * Owns the cutting of a stream of bytes into AMQP frames, and the few fields of them that a tampering proxy reads or makes
 * up. Knows nothing of who sends them.
 */

export const METHOD = 1
export const HEADER = 2
export const BODY = 3

/** Class and method, as one number. */
export const method = (classId: number, methodId: number): number => (classId << 16) | methodId
export const CHANNEL_OPEN = method(20, 10)
export const CHANNEL_CLOSE = method(20, 40)
export const CHANNEL_CLOSE_OK = method(20, 41)
export const CONSUME = method(60, 20)
export const CONSUME_OK = method(60, 21)
export const CANCEL = method(60, 30)
export const CANCEL_OK = method(60, 31)
export const RETURN = method(60, 50)
export const DELIVER = method(60, 60)
export const GET_OK = method(60, 71)

const OVERHEAD = 8
const FRAME_END = 0xce
/** What a client says first, which is no frame. */
const GREETING = 'AMQP'

/** A frame, whole. */
export class Frame {
  constructor(readonly bytes: Buffer) {}

  get type(): number {
    return this.bytes[0] ?? 0
  }

  get channel(): number {
    return this.bytes.readUInt16BE(1)
  }

  /** The number of its method; 0 if it has none. */
  get method(): number {
    return this.type === METHOD ? this.bytes.readUInt32BE(7) : 0
  }

  /** The length of its payload. */
  get size(): number {
    return this.bytes.length - OVERHEAD
  }

  /** Of a content header, the size of the body. */
  get bodySize(): number {
    return Number(this.bytes.readBigUInt64BE(11))
  }

  /** The short string that begins at an offset of the method's fields. */
  text(at: number): string {
    const start = 11 + at
    return this.bytes.toString('utf8', start + 1, start + 1 + (this.bytes[start] ?? 0))
  }
}

/** Cuts what comes in piece by piece into frames. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0)

  /** `onOther` gets what is no frame. */
  constructor(
    readonly onFrame: (frame: Frame) => void,
    readonly onOther: (bytes: Buffer) => void,
  ) {}

  push(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= OVERHEAD) {
      const isGreeting = bytes.toString('latin1', 0, GREETING.length) === GREETING
      const length = isGreeting ? OVERHEAD : bytes.readUInt32BE(3) + OVERHEAD
      if (bytes.length < length) break
      const whole = bytes.subarray(0, length)
      bytes = bytes.subarray(length)
      if (isGreeting) this.onOther(whole)
      else this.onFrame(new Frame(whole))
    }
    this.#rest = bytes
  }
}

/** A method frame with these fields. */
export function frameOf(channel: number, method: number, ...fields: Buffer[]): Buffer {
  const head = Buffer.alloc(11)
  const payload = Buffer.concat(fields)
  head[0] = METHOD
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(payload.length + 4, 3)
  head.writeUInt32BE(method, 7)
  return Buffer.concat([head, payload, Buffer.from([FRAME_END])])
}

export function shortString(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

export function cancelFrame(channel: number, consumerTag: string): Buffer {
  return frameOf(channel, CANCEL, shortString(consumerTag), Buffer.from([1]))
}

export function closeFrame(channel: number, code: number, text: string): Buffer {
  const reply = Buffer.alloc(2)
  reply.writeUInt16BE(code)
  return frameOf(channel, CHANNEL_CLOSE, reply, shortString(text), Buffer.alloc(4))
}
