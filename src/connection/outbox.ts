/**
 * Owns what goes out: the slab that frames are encoded into, the pieces that wait, and the one write per tick of the
 * event loop. While the transport asks for a pause it keeps what it has and says `congested`. Knows nothing of what
 * the frames are for.
 */
import { type ArgsOf, type MethodName, methods } from '../codec/methods.gen.js'
import { debugFrame } from '../debug.js'
import { FRAME_HEADER_SIZE, FRAME_METHOD } from '../frame/constants.js'
import { beginFrame, endFrame } from '../frame/writer.js'
import { Writer } from '../wire/writer.js'
import { Metrics } from './metrics.js'

/** Gets a last word before bytes leave: for frames that are worth gathering, such as acks. */
export interface FlushHook {
  onFlush(): void
}

/** With so many bytes gathered within one tick, a write does not wait for its end. */
const WRITE_AT = 262_144
/** So long what nobody waits for may be gathered, in milliseconds. */
export const LONGEST_GATHERING = 20

export class Outbox {
  /** The slab; whoever encodes into it commits, then calls {@link schedule}. */
  readonly writer: Writer
  /** The limit on a frame, as negotiated; 0 means none. */
  frameMax: number
  /** Counts the writes to the transport, for the heartbeat to see that there were some. */
  writes = 0
  readonly #write: (pieces: readonly Uint8Array[]) => boolean
  /** What goes on over this connection is counted here. */
  readonly metrics: Metrics
  readonly #trace = debugFrame.enabled
  #pieces: Uint8Array[] = []
  #pieceBytes = 0
  /** Where the bytes begin that are in the slab but not yet among the pieces. */
  #taken = 0
  #hooks: FlushHook[] = []
  #scheduled = false
  readonly #onTick = (): void => {
    if (this.#scheduled) this.flush()
  }
  /** Frames are gathered until the end of this round of the event loop. */
  #gathering = false
  readonly #onRound = (): void => {
    if (this.#gathering) this.flush()
  }
  #timer: NodeJS.Timeout | undefined
  readonly #onTime = (): void => {
    this.#timer = undefined
    if (this.#hooks.length > 0) this.flush()
  }
  #congested = false
  #closed = false

  constructor(
    frameMax: number,
    write: (pieces: readonly Uint8Array[]) => boolean,
    metrics: Metrics = new Metrics(),
  ) {
    this.metrics = metrics
    this.frameMax = frameMax
    this.#write = write
    this.writer = new Writer(undefined, (slab, end) => this.#takeSlab(slab, end))
  }

  /** The transport asked for a pause. */
  get congested(): boolean {
    return this.#congested
  }

  /** Sends a method. */
  method<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>): void {
    const { writer } = this
    try {
      const place = beginFrame(writer, FRAME_METHOD, channel)
      methods[name].encode(writer, args)
      endFrame(writer, place, this.frameMax)
    } catch (error) {
      writer.rollback()
      throw error
    }
    writer.commit()
    if (this.#trace) debugFrame('> %d %s', channel, name)
    this.schedule()
  }

  /** Sends a method that was encoded before; it is known to fit a frame. */
  encoded(channel: number, name: MethodName, payload: Uint8Array): void {
    const { writer } = this
    writer.ensure(FRAME_HEADER_SIZE + payload.length + 1)
    const place = beginFrame(writer, FRAME_METHOD, channel)
    writer.bytes(payload)
    endFrame(writer, place, 0)
    writer.commit()
    if (this.#trace) debugFrame('> %d %s', channel, name)
    this.schedule()
  }

  /** Sends bytes by reference: they must not change until they have left. */
  reference(bytes: Uint8Array): void {
    this.#takeSlab(this.writer.buffer, this.writer.start)
    this.#taken = this.writer.start
    this.#addPiece(bytes)
    this.schedule()
  }

  /** Sends the unit that was just encoded, of which the pieces hold every byte, with others in between by reference. */
  unitInPieces(pieces: readonly Uint8Array[]): void {
    this.#takeSlab(this.writer.buffer, this.writer.start)
    this.writer.commit()
    this.#taken = this.writer.start
    for (const piece of pieces) this.#addPiece(piece)
    this.schedule()
  }

  /** Asks for a word before the next write, where that may wait for the end of this round of the event loop. */
  gather(hook: FlushHook): void {
    this.#hooks.push(hook)
    if (this.#scheduled || this.#gathering || this.#closed) return
    this.#gathering = true
    setImmediate(this.#onRound)
  }

  /** Asks for a word before the next write, where that may wait for some milliseconds. */
  gatherLonger(hook: FlushHook): void {
    this.#hooks.push(hook)
    if (this.#closed) return
    this.#timer ??= setTimeout(this.#onTime, LONGEST_GATHERING)
  }

  /** Asks for a word before the next write, at the end of this tick. */
  beforeFlush(hook: FlushHook): void {
    this.#hooks.push(hook)
    this.schedule()
  }

  /** Sees to it that what there is leaves at the end of this tick. */
  schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    // Called from a promise's continuation, which is the rule, this comes when all continuations have run; called from
    // elsewhere, when the caller is done. setImmediate would let a round of the event loop go by.
    process.nextTick(this.#onTick)
  }

  /** Writes what there is, unless the transport has asked for a pause. */
  flush(): void {
    this.#scheduled = false
    this.#gathering = false
    if (this.#closed) return
    // A hook may call for another round, for the next tick.
    const hooks = this.#hooks
    this.#hooks = []
    for (const hook of hooks) hook.onFlush()
    this.#takeSlab(this.writer.buffer, this.writer.start)
    this.#taken = this.writer.start
    this.#writePieces()
  }

  /** The transport takes more again. */
  resume(): void {
    this.#congested = false
    this.schedule()
  }

  /** Nothing leaves any more. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#scheduled = false
    this.#gathering = false
    this.#hooks = []
    this.#pieces = []
  }

  /** Makes a piece of a slab's bytes up to `end`. When the slab is full, a new one follows and `taken` starts over. */
  #takeSlab(slab: Buffer, end: number): void {
    if (end > this.#taken && !this.#closed) this.#addPiece(slab.subarray(this.#taken, end))
    this.#taken = 0
    if (this.#pieceBytes >= WRITE_AT) this.#writePieces()
  }

  #addPiece(piece: Uint8Array): void {
    const last = this.#pieces.at(-1)
    if (
      last !== undefined &&
      last.buffer === piece.buffer &&
      last.byteOffset + last.length === piece.byteOffset
    ) {
      this.#pieces[this.#pieces.length - 1] = Buffer.from(
        last.buffer,
        last.byteOffset,
        last.length + piece.length,
      )
    } else {
      this.#pieces.push(piece)
    }
    this.#pieceBytes += piece.length
  }

  #writePieces(): void {
    if (this.#congested || this.#closed || this.#pieces.length === 0) return
    const pieces = this.#pieces
    this.metrics.bytesSent += this.#pieceBytes
    this.#pieces = []
    this.#pieceBytes = 0
    this.writes++
    if (!this.#write(pieces)) this.#congested = true
  }
}
