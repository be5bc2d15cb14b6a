/**
 * Owns the assembly of content: a method, its header and its body, counted by bytes received and never by predicted
 * frames. A body that comes whole is a view of the incoming chunk. Knows nothing of what is done with the content.
 */
import { ResourceError, UnexpectedFrameError } from '../errors.js'

/** The content header's class, weight and body size stand before the property flags. */
const HEADER_FIXED = 12
const CLASS_BASIC = 60
/** What is set aside at first for a body that comes in pieces: a declared size alone costs no more. */
const INITIAL_BODY = 4_194_304

/** Where the parts of a content lie. Whoever keeps it copies the fields: the assembly is used again. */
export interface Content {
  /** The method's fields (behind class and method id) begin at `methodAt`. */
  methodBytes: Buffer
  methodAt: number
  methodEnd: number
  /** The property flags begin at `headerAt`. */
  headerBytes: Buffer
  headerAt: number
  headerEnd: number
  bodyBytes: Buffer
  bodyAt: number
  bodyEnd: number
}

const NOTHING: Buffer = Buffer.alloc(0)

export class Assembly implements Content {
  methodBytes = NOTHING
  methodAt = 0
  methodEnd = 0
  headerBytes = NOTHING
  headerAt = 0
  headerEnd = 0
  bodyBytes = NOTHING
  bodyAt = 0
  bodyEnd = 0
  /** The id of the method whose content is being assembled; 0 between contents. */
  method = 0
  #stage: 'none' | 'header' | 'body' = 'none'
  #bodySize = 0
  readonly #maxBody: number

  constructor(maxBody: number) {
    this.#maxBody = maxBody
  }

  /** A content is under way. */
  get busy(): boolean {
    return this.#stage !== 'none'
  }

  /** A method came that carries content. */
  begin(method: number, buffer: Buffer, start: number, end: number): void {
    this.method = method
    this.methodBytes = buffer
    this.methodAt = start
    this.methodEnd = end
    this.#stage = 'header'
  }

  /** A header frame came. Returns true where the content is complete. */
  header(buffer: Buffer, start: number, end: number): boolean {
    if (this.#stage !== 'header')
      throw new UnexpectedFrameError('a content header came that no method announced')
    if (end - start < HEADER_FIXED + 2) throw new UnexpectedFrameError('a content header is too short')
    if (buffer.readUInt16BE(start) !== CLASS_BASIC) {
      throw new UnexpectedFrameError(`a content header came for class ${buffer.readUInt16BE(start)}`)
    }
    const size = buffer.readUInt32BE(start + 4) * 0x1_0000_0000 + buffer.readUInt32BE(start + 8)
    if (size > this.#maxBody) {
      throw new ResourceError(`a message of ${size} bytes came in, beyond maxMessageSize (${this.#maxBody})`)
    }
    this.headerBytes = buffer
    this.headerAt = start + HEADER_FIXED
    this.headerEnd = end
    this.#bodySize = size
    this.bodyBytes = NOTHING
    this.bodyAt = 0
    this.bodyEnd = 0
    this.#stage = size === 0 ? 'none' : 'body'
    return size === 0
  }

  /** A body frame came. Returns true where the content is complete. */
  body(buffer: Buffer, start: number, end: number): boolean {
    if (this.#stage !== 'body') throw new UnexpectedFrameError('a content body came that no header announced')
    const received = this.bodyEnd + (end - start)
    const size = this.#bodySize
    if (received > size) {
      throw new UnexpectedFrameError(`a content body of ${size} bytes was announced, but ${received} came`)
    }
    if (this.bodyEnd === 0 && received === size) {
      this.bodyBytes = buffer
      this.bodyAt = start
      this.bodyEnd = end
      this.#stage = 'none'
      return true
    }
    if (received > this.bodyBytes.length) this.#growBody(received)
    buffer.copy(this.bodyBytes, this.bodyEnd, start, end)
    this.bodyEnd = received
    if (received < size) return false
    this.#stage = 'none'
    return true
  }

  /** Lets go of the content, so that it is not kept longer than its receiver keeps it. */
  release(): void {
    this.methodBytes = NOTHING
    this.headerBytes = NOTHING
    this.bodyBytes = NOTHING
  }

  #growBody(received: number): void {
    const room = Math.max(
      received,
      Math.min(this.#bodySize, Math.max(INITIAL_BODY, 2 * this.bodyBytes.length)),
    )
    const grown = Buffer.allocUnsafeSlow(room)
    this.bodyBytes.copy(grown, 0, 0, this.bodyEnd)
    this.bodyBytes = grown
  }
}
