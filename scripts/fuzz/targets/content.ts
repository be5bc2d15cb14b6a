/**
 * Owns the target `content`: frames of one channel to messages, replies and confirms. The same ones come out, whatever way
 * the bytes are cut; a size that is announced costs no memory before the bytes come.
 */
import { Channel, ChannelListener } from '../../../src/connection/channel.js'
import { bodyOf, type Content } from '../../../src/connection/content.js'
import { ContentCopier } from '../../../src/connection/content-copy.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { encodeRequest } from '../../../src/connection/request.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { attempt, kindOf } from '../attempt.js'
import { demand } from '../errors.js'
import { chunks } from '../forms.js'
import { content, frames } from '../grammar.js'
import { allocatedBy } from '../meter.js'
import { cutAnew, mutateBytes } from '../mutation.js'
import type { Target } from '../target.js'

const FRAME_MAX = 131_072
const MAX_BODY = 40_000
const CHANNEL = 1
const SINGLE_BYTES_UP_TO = 600
/** What a frame and a copied block may cost beside the bytes that came. */
const BESIDE = 131_072 + 2 * 8192
const OPEN_OK = Buffer.from('0100010000000800 14000b00000000ce'.replace(/ /g, ''), 'hex')
const OPEN = encodeRequest('channel.open', {}, 0)
const GET = encodeRequest('basic.get', { queue: 'q', noAck: false }, 0)

interface Outcome {
  readonly told: string[]
  error: Error | undefined
}

export const contentAssembly: Target<readonly Buffer[]> = {
  name: 'content',
  form: chunks,
  generate(random) {
    const some = Array.from({ length: 1 + random.below(5) }, () =>
      random.chance(75) ? content(CHANNEL, random) : frames(CHANNEL, random),
    )
    return cutAnew(some.flat(), random)
  },
  mutate(input, random) {
    if (random.chance(30)) return cutAnew(input, random)
    const at = random.below(input.length)
    return input.map((chunk, index) => (index === at ? mutateBytes(chunk, random) : chunk))
  },
  run(input) {
    const bytes = Buffer.concat(input)
    let asCut: Outcome = { told: [], error: undefined }
    const allocated = allocatedBy(() => {
      asCut = receive(input)
    })
    demand(
      allocated <= 8 * bytes.length + BESIDE + MAX_BODY,
      `${allocated} bytes set aside for ${bytes.length}`,
    )
    compare(asCut, receive([bytes]))
    compare(asCut, receiveIntoRoom(bytes))
    if (bytes.length <= SINGLE_BYTES_UP_TO)
      compare(asCut, receive(Array.from(bytes, octet => Buffer.from([octet]))))
    return `${asCut.told.map(line => line.slice(0, 3))} ${kindOf(asCut.error)}`
  },
}

/** What the channel tells, as lines; contents are read when all is over, as by a user who keeps them. */
class Scribe extends ChannelListener {
  readonly #lines: (() => string)[] = []

  get told(): string[] {
    return this.#lines.map(line => line())
  }

  tell(line: string): void {
    this.#lines.push(() => line)
  }

  keep(name: string, parts: Content, size = 0): void {
    const { methodBytes, methodAt, methodEnd, headerBytes, headerAt, headerEnd, bodyBytes, bodyAt, bodyEnd } =
      parts
    const body = bodyOf(bodyBytes, bodyAt, bodyEnd)
    const [method, header] = [
      methodBytes.subarray(methodAt, methodEnd),
      headerBytes.subarray(headerAt, headerEnd),
    ]
    this.#lines.push(() =>
      [name, size, ...[method, header, body].map(part => part.toString('hex'))].join(' '),
    )
  }

  override onDeliver(parts: Content): void {
    this.keep('deliver', parts)
  }

  override onOversized(parts: Content, size: number): void {
    this.keep('oversized', parts, size)
  }

  override onReturn(parts: Content): void {
    this.keep('return', parts)
  }

  override onConfirm(deliveryTag: number, multiple: boolean, acked: boolean): void {
    this.tell(`confirm ${deliveryTag} ${multiple} ${acked}`)
  }

  override onCancel(consumerTag: string): void {
    this.tell(`cancel ${consumerTag}`)
  }

  override onFlow(active: boolean): void {
    this.tell(`flow ${active}`)
  }

  override onClosed(error: Error, lost: boolean): void {
    this.tell(`closed ${error.message} ${lost}`)
  }
}

/** A channel that is open and waits for answers, and a parser that gives it its frames. */
function openChannel(): { scribe: Scribe; parser: FrameParser; push: (chunk: Buffer) => void } {
  const scribe = new Scribe()
  const outbox = new Outbox(0, new Metrics())
  outbox.transport = { write: () => true }
  const contentCopier = new ContentCopier()
  const host = { outbox, maxMessageSize: MAX_BODY, contentCopier, onChannelClosed: () => undefined }
  const channel = new Channel(CHANNEL, host, scribe)
  channel.ask(
    OPEN,
    {},
    () => undefined,
    () => undefined,
  )
  for (let gets = 0; gets < 3; gets++) {
    channel.ask(
      GET,
      {},
      ({ method, content: parts, oversized }) => {
        if (parts === undefined) scribe.tell(`reply ${method.name}`)
        else scribe.keep(`reply ${method.name}`, parts, oversized)
      },
      error => scribe.tell(`refused ${error.message}`),
    )
  }
  const parser = new FrameParser(
    {
      onFrame: (type, number, buffer, start, end, rest) => {
        if (number === CHANNEL) channel.onFrame(type, buffer, start, end, rest)
      },
      roomFor: (number, bytes) => (number === CHANNEL ? channel.roomFor(bytes) : undefined),
    },
    FRAME_MAX,
  )
  const push = (chunk: Buffer): void => {
    parser.push(chunk)
    contentCopier.reset()
  }
  push(OPEN_OK)
  return { scribe, parser, push }
}

function receive(input: readonly Buffer[]): Outcome {
  const { scribe, push } = openChannel()
  const { error } = attempt(() => input.forEach(push))
  return { told: scribe.told, error }
}

function receiveIntoRoom(bytes: Buffer): Outcome {
  const { scribe, parser, push } = openChannel()
  const { error } = attempt(() => {
    for (let at = 0; at < bytes.length; ) {
      const room = parser.room() ?? Buffer.alloc(3000)
      const filled = bytes.copy(room, 0, at, at + room.length)
      at += filled
      push(room.subarray(0, filled))
    }
  })
  return { told: scribe.told, error }
}

function compare(one: Outcome, other: Outcome): void {
  demand((one.error === undefined) === (other.error === undefined), () => {
    return `cut one way: ${kindOf(one.error)}, another way: ${kindOf(other.error)}`
  })
  const at = one.told.findIndex((line, index) => line !== other.told[index])
  demand(one.told.length === other.told.length && at < 0, () => {
    return `cut another way, something else comes out: ${one.told[at]?.slice(0, 60)} and ${other.told[at]?.slice(0, 60)}`
  })
}
