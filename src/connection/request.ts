/**
 * Owns the encoding of a request ahead of its sending: what the caller passes is checked and captured when it calls,
 * and nothing that happens later to the passed objects changes what is sent.
 */
import { type ArgsOf, methods, type SynchronousName } from '../codec/methods.gen.js'
import { ArgumentError } from '../errors.js'
import { FRAME_OVERHEAD } from '../frame/constants.js'
import { Writer } from '../wire/writer.js'

/** An encoded method and the replies that it may get. */
export interface Request {
  readonly name: SynchronousName
  readonly payload: Uint8Array
  /** Method ids. */
  readonly replies: readonly number[]
}

const SCRATCH_SIZE = 4096
/** Where requests are encoded; undefined while one is: a getter in its arguments may make another request. */
let scratch: Writer | undefined = new Writer(SCRATCH_SIZE)

/** Encodes a request. Throws {@link ArgumentError} if AMQP cannot carry an argument, or a frame not all of them. */
export function encodeRequest<N extends SynchronousName>(
  name: N,
  args: ArgsOf<N>,
  frameMax: number,
): Request {
  const codec = methods[name]
  const writer = scratch ?? new Writer(SCRATCH_SIZE)
  scratch = undefined
  let payload: Buffer
  try {
    codec.encode(writer, args)
    payload = Buffer.from(writer.unit())
  } finally {
    writer.rollback()
    scratch = writer.buffer.length > SCRATCH_SIZE ? new Writer(SCRATCH_SIZE) : writer
  }
  if (frameMax !== 0 && payload.length + FRAME_OVERHEAD > frameMax) {
    throw new ArgumentError(
      `the names and arguments take ${payload.length + FRAME_OVERHEAD} bytes, but must fit one frame of ${frameMax}`,
    )
  }
  return { name, payload, replies: codec.replies }
}
