/**
 * Owns what goes out: the slab that frames are encoded into, the pieces that wait, and the one write per tick of the
 * event loop. While the transport asks for a pause, it keeps what it has. Knows nothing of what the frames are for.
 */
import { type ArgsOf, type MethodName, methods } from '../codec/methods.gen.js'
import { debugFrame } from '../debug.js'
import { ResourceError } from '../errors.js'
import { FRAME_HEADER_SIZE, FRAME_METHOD } from '../frame/constants.js'
import { beginFrame, endFrame } from '../frame/writer.js'
import type { Transport } from '../transport-types.js'
import { ignore } from '../util/promise.js'
import { Writer } from '../wire/writer.js'
import type { Metrics } from './metrics.js'

/** Is called before a write, and may add frames that it has gathered, such as acks. */
export interface FlushListener {
  onFlush(): void
}

/** With so many bytes, a write does not wait for the end of the tick. */
const WRITE_AT = 262_144
/** So many answers may wait for a peer that asks, and does not read. */
const MOST_UNREAD_ANSWERS = 10_000
/** The longest delay of frames that are not urgent, in milliseconds. */
export const LONGEST_GATHERING = 20

/**
 * `gathering`: a write follows at the end of this round of the event loop; `scheduled`: at the end of this tick;
 * `congested`: the transport asked for a pause, and nothing is written until it takes more.
 */
type State = 'idle' | 'gathering' | 'scheduled' | 'congested' | 'closed'

export class Outbox {
  /** The slab; whoever encodes into it commits, then calls {@link schedule}. */
  readonly writer: Writer
  /** The limit on a frame, as negotiated; 0 means none. */
  frameMax: number
  /** How many writes to the transport there were: the heartbeat sees whether there were any. */
  writes = 0
  /** What is written to; undefined while there is no transport yet. */
  transport: Pick<Transport, 'write'> | undefined
  readonly #metrics: Metrics
  readonly #onFailure: (error: unknown) => void
  readonly #trace = debugFrame.enabled
  #state: State = 'idle'
  #pieces: Uint8Array[] = []
  /** What follows the pieces and is not among them yet, since more of the same slab may follow. */
  #range: { readonly slab: Buffer; readonly from: number; to: number } | undefined
  /** The bytes of the pieces and of the range. */
  #pieceBytes = 0
  /** Where the bytes begin that are in the slab but not yet among the pieces. */
  #taken = 0
  #listeners: FlushListener[] = []
  /** A unit is being encoded. */
  #locked = false
  /** What was sent while a unit was being encoded. */
  #deferred: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  /** How many answers there were since the transport asked for a pause. */
  #unreadAnswers = 0
  readonly #onTick = (): void => {
    if (this.#state === 'scheduled') this.#flushAlone()
  }
  readonly #onRound = (): void => {
    if (this.#state === 'gathering') this.#flushAlone()
  }
  readonly #onTime = (): void => {
    this.#timer = undefined
    if (this.#listeners.length > 0) this.#flushAlone()
  }

  /** `onFailure` is told what a listener throws where nobody has called for the write. */
  constructor(frameMax: number, metrics: Metrics, onFailure: (error: unknown) => void = ignore) {
    this.frameMax = frameMax
    this.#metrics = metrics
    this.#onFailure = onFailure
    this.writer = new Writer(undefined, (slab, end) => this.#takeSlab(slab, end))
  }

  /** The transport asked for a pause. */
  get congested(): boolean {
    return this.#state === 'congested'
  }

  /** A unit is being encoded. */
  get locked(): boolean {
    return this.#locked
  }

  /**
   * A unit is going to be encoded. That may run code of the user, such as a getter in a table: what it sends waits for
   * {@link unlock}.
   */
  lock(): void {
    this.#locked = true
  }

  /** The unit is committed, or taken back. */
  unlock(): void {
    this.#locked = false
    if (this.#deferred.length === 0) return
    const deferred = this.#deferred
    this.#deferred = []
    for (const send of deferred) send()
  }

  /** Sends a method. */
  method<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>): void {
    if (this.#locked) {
      this.#deferred.push(() => this.method(channel, name, args))
      return
    }
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

  /** Answers a method that the peer sends whenever it likes. Throws {@link ResourceError} if it does not read the answers. */
  answer<N extends MethodName>(channel: number, name: N, args: ArgsOf<N>): void {
    this.#unreadAnswers = this.congested ? this.#unreadAnswers + 1 : 0
    if (this.#unreadAnswers > MOST_UNREAD_ANSWERS) {
      throw new ResourceError(`the broker has not read ${MOST_UNREAD_ANSWERS} answers that it asked for`)
    }
    this.method(channel, name, args)
  }

  /** Sends a method that was encoded before; it is known to fit a frame. */
  encoded(channel: number, name: MethodName, payload: Uint8Array): void {
    if (this.#locked) {
      this.#deferred.push(() => this.encoded(channel, name, payload))
      return
    }
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
    if (this.#locked) {
      this.#deferred.push(() => this.reference(bytes))
      return
    }
    this.#takeSlab(this.writer.buffer, this.writer.start)
    this.#taken = this.writer.start
    this.#addPiece(bytes)
    this.schedule()
  }

  /** Sends a range of a slab by reference, as {@link reference} does; ranges that follow each other become one piece. */
  range(slab: Buffer, from: number, to: number): void {
    if (this.#locked) {
      this.#deferred.push(() => this.range(slab, from, to))
      return
    }
    this.#takeSlab(this.writer.buffer, this.writer.start)
    this.#taken = this.writer.start
    if (this.#range?.slab === slab && this.#range.to === from) {
      this.#range.to = to
    } else {
      this.#endRange()
      this.#range = { slab, from, to }
    }
    this.#pieceBytes += to - from
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

  /** Asks the listener before the next write, which may wait for the end of this round of the event loop. */
  gather(listener: FlushListener): void {
    this.#listeners.push(listener)
    if (this.#state !== 'idle') return
    this.#state = 'gathering'
    setImmediate(this.#onRound)
  }

  /** Asks the listener before the next write, which may wait for {@link LONGEST_GATHERING}. */
  gatherLonger(listener: FlushListener): void {
    this.#listeners.push(listener)
    if (this.#state === 'closed') return
    this.#timer ??= setTimeout(this.#onTime, LONGEST_GATHERING)
  }

  /** Asks the listener before the next write, at the end of this tick. */
  beforeFlush(listener: FlushListener): void {
    this.#listeners.push(listener)
    this.schedule()
  }

  /** What there is leaves at the end of this tick, or when the transport takes more. */
  schedule(): void {
    if (this.#state !== 'idle' && this.#state !== 'gathering') return
    this.#state = 'scheduled'
    // Called from a promise's continuation, which is the rule, this comes when all continuations have run; called from
    // elsewhere, when the caller is done. setImmediate would let a round of the event loop go by.
    process.nextTick(this.#onTick)
  }

  /** Writes what there is, and what listeners add to it, unless the transport has asked for a pause. */
  flush(): void {
    if (this.#state === 'closed') return
    if (this.#state !== 'congested') this.#state = 'idle'
    // A listener may call for another write, in the next tick.
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener.onFlush()
    this.flushNoMore()
  }

  /** Writes what there is, unless the transport has asked for a pause. Nobody can add to it. */
  flushNoMore(): void {
    this.#takeSlab(this.writer.buffer, this.writer.start)
    this.#taken = this.writer.start
    this.#writePieces()
  }

  /** Called by the runtime, which would end the process for what a listener throws. */
  #flushAlone(): void {
    try {
      this.flush()
    } catch (error) {
      this.#onFailure(error)
    }
  }

  /** The transport takes more again. */
  resume(): void {
    if (this.#state === 'congested') this.#state = 'idle'
    this.schedule()
  }

  /** Nothing leaves any more. */
  close(): void {
    this.#state = 'closed'
    clearTimeout(this.#timer)
    this.#listeners = []
    this.#pieces = []
    this.#range = undefined
    this.#pieceBytes = 0
  }

  /** Makes a piece of a slab's bytes up to `end`. When the slab is full, a new one follows and `taken` starts over. */
  #takeSlab(slab: Buffer, end: number): void {
    if (end > this.#taken && this.#state !== 'closed') this.#addPiece(slab.subarray(this.#taken, end))
    this.#taken = 0
    if (this.#pieceBytes >= WRITE_AT) this.#writePieces()
  }

  #endRange(): void {
    if (this.#range === undefined) return
    const { slab, from, to } = this.#range
    this.#range = undefined
    this.#pieces.push(slab.subarray(from, to))
  }

  #addPiece(piece: Uint8Array): void {
    this.#endRange()
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
    if (this.#state === 'congested' || this.#state === 'closed' || this.#pieceBytes === 0) return
    this.#endRange()
    const pieces = this.#pieces
    this.#metrics.bytesSent += this.#pieceBytes
    this.#pieces = []
    this.#pieceBytes = 0
    this.writes++
    if (!this.transport?.write(pieces)) this.#pause()
  }

  /** The transport may also have ended within the call. */
  #pause(): void {
    if (this.#state !== 'closed') this.#state = 'congested'
  }
}
