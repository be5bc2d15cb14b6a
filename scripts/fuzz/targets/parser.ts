/** Owns the target `parser`: bytes to frames. The same frames come out, whatever way the bytes are cut. */
import { FRAME_BODY } from '../../../src/frame/constants.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { attempt, kindOf } from '../attempt.js'
import { demand } from '../errors.js'
import { chunks } from '../forms.js'
import { frames } from '../grammar.js'
import { allocatedBy } from '../meter.js'
import { cutAnew, mutateBytes } from '../mutation.js'
import type { Target } from '../target.js'

const FRAME_MAX = 131_072
/** What is set aside for a frame that has begun. */
const AT_ONCE = 131_072
/** Longer inputs are not cut into single bytes: that would take most of the time. */
const SINGLE_BYTES_UP_TO = 600

/** Frames in order; neighbouring frames of a body are one, since a large one may come in parts. */
interface Walk {
  readonly frames: { type: number; channel: number; bytes: Buffer[] }[]
  error: Error | undefined
}

export const parser: Target<readonly Buffer[]> = {
  name: 'parser',
  form: chunks,
  generate(random) {
    const count = 1 + random.below(6)
    const first = Buffer.from('0100000000000400 0a000a ce'.replace(/ /g, ''), 'hex')
    const some = Array.from({ length: count }, () => frames(random.below(4), random)).flat()
    return cutAnew(random.chance(80) ? [first, ...some] : some, random)
  },
  mutate(input, random) {
    if (random.chance(30)) return cutAnew(input, random)
    const at = random.below(input.length)
    return input.map((chunk, index) => (index === at ? mutateBytes(chunk, random) : chunk))
  },
  run(input) {
    const bytes = Buffer.concat(input)
    let asCut: Walk = { frames: [], error: undefined }
    const allocated = allocatedBy(() => {
      asCut = walk(input)
    })
    demand(allocated <= 4 * bytes.length + AT_ONCE + 64, `${allocated} bytes set aside for ${bytes.length}`)
    compare(asCut, walk([bytes]))
    compare(asCut, walkIntoRoom(bytes))
    if (bytes.length <= SINGLE_BYTES_UP_TO)
      compare(asCut, walk(Array.from(bytes, octet => Buffer.from([octet]))))
    return `${asCut.frames.map(({ type }) => type)} ${kindOf(asCut.error)}`
  },
}

function walk(input: readonly Buffer[]): Walk {
  const result: Walk = { frames: [], error: undefined }
  const walker = new FrameParser({ onFrame: onFrame(result) }, FRAME_MAX)
  result.error = attempt(() => {
    for (const chunk of input) walker.push(chunk)
  }).error
  return result
}

/** As a transport does that asks for room before each read: a part of a large body lies where it is to be. */
function walkIntoRoom(bytes: Buffer): Walk {
  const result: Walk = { frames: [], error: undefined }
  const rooms = [Buffer.alloc(20_000), Buffer.alloc(1000)]
  const walker = new FrameParser(
    {
      onFrame: onFrame(result),
      roomFor: (_, wanted) => rooms[wanted % rooms.length]?.subarray(0, wanted + 8),
    },
    FRAME_MAX,
  )
  result.error = attempt(() => {
    for (let at = 0; at < bytes.length; ) {
      const room = walker.room() ?? Buffer.alloc(5000)
      const filled = bytes.copy(room, 0, at, at + room.length)
      at += filled
      walker.push(room.subarray(0, filled))
    }
  }).error
  return result
}

function onFrame({ frames: seen }: Walk) {
  return (type: number, channel: number, buffer: Buffer, start: number, end: number): void => {
    demand(
      start >= 0 && start <= end && end <= buffer.length,
      `a frame from ${start} to ${end} of ${buffer.length}`,
    )
    const bytes = Buffer.from(buffer.subarray(start, end))
    const last = seen.at(-1)
    if (type === FRAME_BODY && last?.type === type && last.channel === channel) last.bytes.push(bytes)
    else seen.push({ type, channel, bytes: [bytes] })
  }
}

/** Of a body frame that turns out to be broken, more or less may have been handed out before. */
function compare(one: Walk, other: Walk): void {
  demand((one.error === undefined) === (other.error === undefined), () => {
    return `cut one way: ${kindOf(one.error)}, another way: ${kindOf(other.error)}`
  })
  const [a, b] = [one, other].map(({ frames: all, error }) => {
    const end = error === undefined ? -1 : all.findLastIndex(({ type }) => type !== FRAME_BODY) + 1
    return (end < 0 ? all : all.slice(0, end)).map(({ type, channel, bytes }) => [
      type,
      channel,
      Buffer.concat(bytes),
    ])
  })
  demand(same(a ?? [], b ?? []), 'cut another way, other frames come out')
}

function same(one: readonly (number | Buffer)[][], other: readonly (number | Buffer)[][]): boolean {
  return (
    one.length === other.length &&
    one.every(([type, channel, bytes], at) => {
      const twin = other[at]
      return (
        twin !== undefined &&
        twin[0] === type &&
        twin[1] === channel &&
        (twin[2] as Buffer).equals(bytes as Buffer)
      )
    })
  )
}
