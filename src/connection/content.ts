/**
 * Owns the assembly of content: a method, its header and its body, counted by bytes received and never by predicted
 * frames. A small content is copied out of the incoming chunk, together with its neighbours; a larger body that comes
 * whole is a view of the chunk; a body beyond the limit is discarded as it comes. Knows nothing of what is done with the
 * content.
 */
import { CLASS_BASIC } from '../constants.gen.js'
import { AmqpSyntaxError, UnexpectedFrameError } from '../errors.js'
import { FRAME_OVERHEAD } from '../frame/constants.js'
import { markShared, marksHold, ownCopy } from '../util/shared-memory.js'
import { BLOCK, ContentCopier } from './content-copy.js'

/** The content header's class, weight and body size stand before the property flags. */
const HEADER_FIXED = 12
/** What is set aside at first for a body that comes in pieces: a declared size alone costs no more. */
const INITIAL_BODY = 4_194_304
/** The end of a body frame and the header of the next one: read along with a body, they are overwritten by the next part. */
const BETWEEN_FRAMES = FRAME_OVERHEAD
/** The ids of class and method, before the method's fields. */
const METHOD_IDS = 4

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
  /** The size of a body beyond the limit, which was discarded; 0 where the body is there. */
  oversized = 0
  #stage: 'none' | 'header' | 'body' | 'discard' = 'none'
  #bodySize = 0
  /** How much of a body that is discarded is still to come. */
  #undiscarded = 0
  readonly #maxBody: number
  readonly #copier: ContentCopier

  constructor(maxBody: number, copier = new ContentCopier()) {
    this.#maxBody = maxBody
    this.#copier = copier
  }

  /** A content is being assembled. */
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

  /** A header frame came. Returns true if the content is complete. */
  header(buffer: Buffer, start: number, end: number): boolean {
    if (this.#stage !== 'header')
      throw new UnexpectedFrameError('a content header came that no method announced')
    if (end - start < HEADER_FIXED + 2) throw new UnexpectedFrameError('a content header is too short')
    if (buffer.readUInt16BE(start) !== CLASS_BASIC) {
      throw new UnexpectedFrameError(`a content header came for class ${buffer.readUInt16BE(start)}`)
    }
    const size = buffer.readUInt32BE(start + 4) * 0x1_0000_0000 + buffer.readUInt32BE(start + 8)
    this.headerBytes = buffer
    this.headerAt = start + HEADER_FIXED
    this.headerEnd = end
    this.#bodySize = size
    this.bodyBytes = NOTHING
    this.bodyAt = 0
    this.bodyEnd = 0
    this.oversized = 0
    if (size > this.#maxBody) {
      this.#beginDiscarding(size)
      return false
    }
    if (size > 0) {
      this.#stage = 'body'
      return false
    }
    this.bodyBytes = buffer
    this.bodyAt = end
    this.bodyEnd = end
    this.#complete()
    return true
  }

  /**
   * A body frame came, or a part of one, of which `rest` bytes are still to come: one that is too long is so from its first
   * part on, and completes no content. Returns true if the content is complete.
   */
  body(buffer: Buffer, start: number, end: number, rest = 0): boolean {
    if (this.#stage !== 'body') return this.#discard(end - start, rest)
    const received = this.bodyEnd + (end - start)
    const size = this.#bodySize
    if (received + rest > size) throw tooLong(size, received + rest)
    if (this.bodyEnd === 0 && received === size) {
      this.bodyBytes = buffer
      this.bodyAt = start
      this.bodyEnd = end
      this.#complete()
      return true
    }
    if (received > this.bodyBytes.length) this.#growBody(received)
    if (!this.#isInPlace(buffer, start)) buffer.copy(this.bodyBytes, this.bodyEnd, start, end)
    this.bodyEnd = received
    if (received < size) return false
    this.#complete()
    return true
  }

  /** Where the next bytes of the body are best put; some more may follow them there, up to the next part of the body. */
  roomFor(bytes: number): Buffer | undefined {
    const { bodyBytes, bodyEnd } = this
    if (this.#stage !== 'body' || bodyEnd === 0 || bodyEnd === bodyBytes.length) return undefined
    return bodyBytes.subarray(bodyEnd, bodyEnd + bytes + BETWEEN_FRAMES)
  }

  /** Drops the references to the content, so that it is not kept longer than its receiver keeps it. */
  clear(): void {
    this.methodBytes = NOTHING
    this.headerBytes = NOTHING
    this.bodyBytes = NOTHING
  }

  /** Nothing of the body is kept, nor the chunk that announced it: the rest may be long in coming. */
  #beginDiscarding(size: number): void {
    if (!Number.isSafeInteger(size)) {
      throw new AmqpSyntaxError(`a message of ${size} bytes was announced: no size is beyond 2^53 - 1`)
    }
    this.#stage = 'discard'
    this.oversized = size
    this.#undiscarded = size
    this.#copyParts()
  }

  /** A body frame came where no body is kept. Returns true if the content is complete. */
  #discard(bytes: number, rest: number): boolean {
    if (this.#stage !== 'discard')
      throw new UnexpectedFrameError('a content body came that no header announced')
    const missing = this.#undiscarded - bytes - rest
    if (missing < 0) throw tooLong(this.oversized, this.oversized - missing)
    this.#undiscarded -= bytes
    if (this.#undiscarded > 0) return false
    this.#stage = 'none'
    return true
  }

  #isInPlace(buffer: Buffer, start: number): boolean {
    const { bodyBytes } = this
    return (
      buffer.buffer === bodyBytes.buffer && buffer.byteOffset + start === bodyBytes.byteOffset + this.bodyEnd
    )
  }

  /** The content is complete: a small one is copied out of the chunk. */
  #complete(): void {
    this.#stage = 'none'
    const { methodBytes, headerBytes, bodyBytes } = this
    const start = this.methodAt - METHOD_IDS
    if (methodBytes !== bodyBytes || headerBytes !== bodyBytes) {
      this.#copyParts()
    } else if (this.bodyEnd - start <= BLOCK) {
      const shift = this.#copier.copy(bodyBytes, start, this.bodyEnd)
      const { block } = this.#copier
      this.methodBytes = block
      this.methodAt -= shift
      this.methodEnd -= shift
      this.headerBytes = block
      this.headerAt -= shift
      this.headerEnd -= shift
      this.bodyBytes = block
      this.bodyAt -= shift
      this.bodyEnd -= shift
    } else {
      markShared(bodyBytes.buffer)
    }
  }

  /** The parts came in different chunks. */
  #copyParts(): void {
    const start = this.methodAt - METHOD_IDS
    this.methodBytes = copyOf(this.methodBytes, start, this.methodEnd)
    this.methodAt -= start
    this.methodEnd -= start
    this.headerBytes = copyOf(this.headerBytes, this.headerAt, this.headerEnd)
    this.headerEnd -= this.headerAt
    this.headerAt = 0
    if (this.bodyEnd - this.bodyAt > BLOCK) {
      if (!isOwn(this.bodyBytes, this.bodyAt, this.bodyEnd)) markShared(this.bodyBytes.buffer)
      return
    }
    this.bodyBytes = ownCopy(this.bodyBytes.subarray(this.bodyAt, this.bodyEnd))
    this.bodyEnd -= this.bodyAt
    this.bodyAt = 0
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

/** What an assembly holds, for whoever keeps it. */
export function contentOf(assembly: Assembly): Content {
  const { methodBytes, methodAt, methodEnd, headerBytes, headerAt, headerEnd, bodyBytes, bodyAt, bodyEnd } =
    assembly
  return { methodBytes, methodAt, methodEnd, headerBytes, headerAt, headerEnd, bodyBytes, bodyAt, bodyEnd }
}

/**
 * The bytes of a body for a user to keep. What lies in a chunk with others cannot be taken away from them, since it is
 * marked; where marks do not hold, it is copied: the socket may go on reading into that memory. A small body stays where
 * it is even then: whoever takes that away empties the messages that came with it, and nothing else.
 */
export function bodyOf(bytes: Buffer, at: number, end: number, protectedByMark = marksHold): Buffer {
  const body = bytes.subarray(at, end)
  return protectedByMark || bytes.length <= BLOCK || isOwn(bytes, at, end) ? body : ownCopy(body)
}

/** Nothing else lies in this memory. */
function isOwn(bytes: Buffer, at: number, end: number): boolean {
  return at === 0 && end === bytes.buffer.byteLength
}

function tooLong(announced: number, received: number): UnexpectedFrameError {
  return new UnexpectedFrameError(`a content body of ${announced} bytes was announced, but ${received} came`)
}

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  bytes.copy(copy, 0, start, end)
  return copy
}
