/** Covers the way from bytes to frames, whatever way the bytes come, and the refusal of what is not a frame. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FrameError, ProtocolError } from '../../../src/errors.js'
import { HEARTBEAT } from '../../../src/frame/constants.js'
import { type FrameEvents, FrameParser } from '../../../src/frame/parser.js'

interface Frame {
  readonly type: number
  readonly channel: number
  readonly payload: string
}

const FRAME_MAX = 4096

/** Written by hand, so that a wrong constant in the source shows. */
function encode({ type, channel, payload }: Frame, end = 0xce): Buffer {
  const body = Buffer.from(payload, 'hex')
  const head = Buffer.alloc(7)
  head.writeUInt8(type, 0)
  head.writeUInt16BE(channel, 1)
  head.writeUInt32BE(body.length, 3)
  return Buffer.concat([head, body, Buffer.from([end])])
}

class Collector implements FrameEvents {
  readonly frames: Frame[] = []

  onFrame(type: number, channel: number, buffer: Buffer, start: number, end: number): void {
    this.frames.push({ type, channel, payload: buffer.toString('hex', start, end) })
  }
}

function parse(chunks: readonly Buffer[], frameMax = FRAME_MAX): Frame[] {
  const sink = new Collector()
  const parser = new FrameParser(sink, frameMax)
  for (const chunk of chunks) parser.push(chunk)
  return sink.frames
}

function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...[...places].sort((a, b) => a - b), bytes.length]
  return cuts.slice(1).map((cut, index) => bytes.subarray(cuts[index], cut))
}

const method: Frame = { type: 1, channel: 0, payload: '000a000a00' }
const conversation: Frame[] = [
  method,
  { type: 1, channel: 0x1234, payload: '003c003c01' },
  { type: 2, channel: 0x1234, payload: '003c00000000000000000003' },
  { type: 3, channel: 0x1234, payload: 'cecece' },
  { type: 8, channel: 0, payload: '' },
  { type: 3, channel: 0xffff, payload: '' },
  { type: 1, channel: 1, payload: '0014000b00000000' },
]
const bytes = Buffer.concat(conversation.map(frame => encode(frame)))

const anyFrame = fc.record({
  type: fc.constantFrom(1, 2, 3, 8),
  channel: fc.nat(0xffff),
  payload: fc.uint8Array({ maxLength: 60 }).map(payload => Buffer.from(payload).toString('hex')),
})

describe('FrameParser', () => {
  test('takes frames that come in one piece', () => {
    expect(parse([bytes])).toEqual(conversation)
  })

  test('takes the same frames wherever the bytes are split in two', () => {
    for (let place = 0; place <= bytes.length; place++) {
      expect(parse(split(bytes, [place]))).toEqual(conversation)
    }
  })

  test('takes the same frames wherever the first of them are split in three', () => {
    for (let first = 0; first <= 30; first++) {
      for (let second = first; second <= 30; second++) {
        expect(parse(split(bytes, [first, second]))).toEqual(conversation)
      }
    }
  })

  test('takes the same frames byte by byte', () => {
    expect(parse([...bytes].map(byte => Buffer.from([byte])))).toEqual(conversation)
  })

  test('takes any frames, split in any way', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 12 }),
        fc.array(fc.nat(2000), { maxLength: 20 }),
        (frames, places) => {
          const all = [method, ...frames]
          const stream = Buffer.concat(all.map(frame => encode(frame)))
          const cuts = places.map(place => place % (stream.length + 1))
          expect(parse(split(stream, cuts))).toEqual(all)
        },
      ),
    )
  })

  test('hands a frame out as soon as its last byte is there, and not before', () => {
    const sink = new Collector()
    const parser = new FrameParser(sink, FRAME_MAX)
    const frame = encode(method)
    parser.push(frame.subarray(0, -1))
    expect(sink.frames).toEqual([])
    parser.push(frame.subarray(-1))
    expect(sink.frames).toEqual([method])
  })

  test('leaves the payload of a frame unchanged when more bytes come', () => {
    const kept: Buffer[] = []
    const parser = new FrameParser(
      { onFrame: (_type, _channel, buffer, start, end) => kept.push(buffer.subarray(start, end)) },
      FRAME_MAX,
    )
    const stream = Buffer.concat([
      encode(method),
      ...Array.from({ length: 50 }, (_, n) => encode(numbered(n))),
    ])
    for (const chunk of split(stream, [3, 17, 40, 41, 100, 333])) parser.push(Buffer.from(chunk))
    expect(kept.slice(1).map(payload => payload.toString('hex'))).toEqual(
      Array.from({ length: 50 }, (_, n) => numbered(n).payload),
    )
  })

  test('knows the heartbeat that we send', () => {
    expect(parse([encode(method), HEARTBEAT])).toEqual([method, { type: 8, channel: 0, payload: '' }])
  })
})

describe('FrameParser, given body frames too large to be put together', () => {
  const LARGE = 16_384
  const body = (size: number, channel = 7): Frame => ({
    type: 3,
    channel,
    payload: Buffer.from(Array.from({ length: size }, (_, at) => at % 251)).toString('hex'),
  })

  /** What came of each frame: parts that follow one another are one frame. */
  function merged(frames: readonly Frame[]): Frame[] {
    const whole: Frame[] = []
    for (const frame of frames) {
      const last = whole.at(-1)
      if (frame.type === 3 && last?.type === 3 && last.channel === frame.channel) {
        whole[whole.length - 1] = { ...last, payload: last.payload + frame.payload }
      } else {
        whole.push(frame)
      }
    }
    return whole
  }

  test('hands out the same bytes wherever they are split', () => {
    const large = [method, body(LARGE), method, body(3 * LARGE, 8), method, body(LARGE - 1), method]
    const stream = Buffer.concat(large.map(frame => encode(frame)))
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), places => {
        expect(merged(parse(split(stream, places), 0))).toEqual(large)
      }),
    )
  })

  test('takes them also where single bytes come around their ends', () => {
    const stream = Buffer.concat([method, body(LARGE), body(LARGE, 9), method].map(frame => encode(frame)))
    const end = encode(method).length + LARGE + 8
    const places = Array.from({ length: 24 }, (_, index) => end - 12 + index)
    const frames = parse(split(stream, [...places, ...places]), 0)
    expect(merged(frames)).toEqual([method, body(LARGE), body(LARGE, 9), method])
  })

  test('hands out no last byte before the end of the frame is there', () => {
    const sink = new Collector()
    const parser = new FrameParser(sink, 0)
    const frame = encode(body(LARGE))
    for (const chunk of split(Buffer.concat([encode(method), frame.subarray(0, -1)]), [5000, 9000])) {
      parser.push(chunk)
    }
    const received = (): number =>
      sink.frames.slice(1).reduce((sum, { payload }) => sum + payload.length / 2, 0)
    expect(received()).toBe(LARGE - 1)
    parser.push(Buffer.alloc(0))
    expect(received()).toBe(LARGE - 1)
    parser.push(frame.subarray(-1))
    expect(received()).toBe(LARGE)
  })

  test.each([0, 1, 100])('refuses a frame without its end, split %d bytes before it', before => {
    const sink = new Collector()
    const parser = new FrameParser(sink, 0)
    const stream = Buffer.concat([encode(method), encode(body(LARGE), 0)])
    const place = stream.length - 1 - before
    expect(() => {
      for (const chunk of split(stream, [1000, place])) parser.push(chunk)
    }).toThrow('a frame ended with 0 instead of 206')
    const received = sink.frames.slice(1).reduce((sum, { payload }) => sum + payload.length / 2, 0)
    expect(received).toBeLessThan(LARGE)
  })

  test('hands out nothing more once it is stopped in the middle', () => {
    let seen = 0
    const parser: FrameParser = new FrameParser(
      {
        onFrame: type => {
          seen++
          if (type === 3) parser.stop()
        },
      },
      0,
    )
    const stream = Buffer.concat([method, body(LARGE), method].map(frame => encode(frame)))
    for (const chunk of split(stream, [1000, 2000])) parser.push(chunk)
    expect(seen).toBe(2)
  })
})

function numbered(n: number): Frame {
  return { type: 3, channel: 1, payload: n.toString(16).padStart(20, '0') }
}

describe('FrameParser, given frames that break the rules', () => {
  /** Says the same wherever the bytes are split. */
  function refusals(stream: Buffer, frameMax = FRAME_MAX): unknown[] {
    const messages = new Set<unknown>()
    for (let place = 0; place <= stream.length; place++) {
      try {
        parse(split(stream, [place]), frameMax)
        messages.add('no error')
      } catch (error) {
        messages.add(error)
      }
    }
    return [...messages]
  }
  const unique = (errors: unknown[]): unknown[] => [...new Set(errors.map(error => String(error)))]

  test.each([0, 0xcd, 0xff])('refuses a frame that ends with %d', end => {
    const errors = refusals(Buffer.concat([encode(method), encode(method, end)]))
    expect(errors[0]).toBeInstanceOf(FrameError)
    expect(unique(errors)).toEqual([`FrameError: a frame ended with ${end} instead of 206`])
  })

  test.each([0, 4, 7, 9, 65, 255])('refuses a frame of the type %d', type => {
    const errors = refusals(Buffer.concat([encode(method), encode({ ...method, type })]))
    expect(errors[0]).toBeInstanceOf(FrameError)
    expect(unique(errors)).toEqual([`FrameError: a frame of the unknown type ${type} came in`])
  })

  const sized = (size: number): Frame => ({ type: 3, channel: 1, payload: '00'.repeat(size - 8) })

  test('takes a frame of just frame_max bytes, and refuses one that is a byte larger', () => {
    expect(parse([encode(method), encode(sized(FRAME_MAX))])).toHaveLength(2)
    expect(unique(refusals(Buffer.concat([encode(method), encode(sized(FRAME_MAX + 1))])))).toEqual([
      'FrameError: a frame of 4097 bytes came in, beyond the limit of 4096',
    ])
  })

  test('refuses a frame that is too large by its header alone, before the payload comes', () => {
    const header = Buffer.from([3, 0, 1, 0xff, 0xff, 0xff, 0xff])
    expect(() => parse([encode(method), header])).toThrow(
      'a frame of 4294967303 bytes came in, beyond the limit of 4096',
    )
  })

  test('goes by the limit that was negotiated later', () => {
    const sink = new Collector()
    const parser = new FrameParser(sink, FRAME_MAX)
    parser.push(encode(method))
    parser.frameMax = 8192
    parser.push(encode(sized(8192)))
    expect(sink.frames).toHaveLength(2)
    parser.frameMax = 5000
    expect(() => parser.push(encode(sized(5001)))).toThrow('beyond the limit of 5000')
  })

  test('knows no limit once 0 was negotiated', () => {
    const sink = new Collector()
    const parser = new FrameParser(sink, FRAME_MAX)
    parser.push(encode(method))
    parser.frameMax = 0
    const large = encode(sized(300_000))
    for (const chunk of split(large, [100_000, 200_000])) parser.push(chunk)
    const payloads = sink.frames.slice(1).map(({ payload }) => payload)
    expect(payloads.join('')).toHaveLength(2 * (300_000 - 8))
  })

  test.each([7, 8, 20])('sets aside little for a frame of which only %d bytes have come', size => {
    const parser = new FrameParser(new Collector(), 0)
    const head = Buffer.concat([Buffer.from('01000cfffffff0', 'hex'), Buffer.alloc(20)])
    const { arrayBuffers } = process.memoryUsage()
    parser.push(head.subarray(0, size))
    parser.push(Buffer.alloc(300_000))
    expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(5_000_000)
  })

  test('takes a frame that is larger than what was set aside for it', () => {
    const large: Frame = { type: 1, channel: 3, payload: 'ab'.repeat(1_000_000) }
    const stream = Buffer.concat([encode(method), encode(large), encode(method)])
    for (const piece of [3, 65_536, 131_072, 400_000]) {
      const chunks = []
      for (let at = 0; at < stream.length; at += piece) chunks.push(stream.subarray(at, at + piece))
      expect(parse(chunks, 0)).toEqual([method, large, method])
    }
  })

  test('hands out the frames before the broken one', () => {
    const sink = new Collector()
    const parser = new FrameParser(sink, FRAME_MAX)
    expect(() => parser.push(Buffer.concat([encode(method), encode(method, 0)]))).toThrow(FrameError)
    expect(sink.frames).toEqual([method])
  })
})

describe('FrameParser, given another protocol', () => {
  function refusal(stream: Buffer): unknown {
    try {
      parse([...stream].map(byte => Buffer.from([byte])))
      return undefined
    } catch (error) {
      return error
    }
  }

  test.each([
    [[0, 1, 0, 0], '1-0-0'],
    [[0, 0, 9, 0], '0-9-0'],
    [[3, 1, 0, 0], '1-0-0'],
  ])('tells by the protocol header %j which version the server speaks', (version, name) => {
    const header = Buffer.concat([Buffer.from('AMQP'), Buffer.from(version)])
    const message = `the server speaks AMQP ${name}, not 0-9-1`
    expect(() => parse([header])).toThrow(new ProtocolError(message))
    expect(refusal(header)).toEqual(new ProtocolError(message))
  })

  test.each([
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n', '"HTTP/1.1"'],
    ['an SSH server', 'SSH-2.0-OpenSSH_9.2p1\r\n', '"SSH-2.0-"'],
    ['a server that wants TLS, in a short alert', '\x15\x03\x03\x00\x02\x02\x46', 'the byte 21'],
  ])('says how %s began', (_name, text, beginning) => {
    const stream = Buffer.from(text, 'latin1')
    expect(() => parse([stream])).toThrow(ProtocolError)
    expect(() => parse([stream])).toThrow(`the server does not speak AMQP: it began with ${beginning}`)
    expect(refusal(stream)).toBeInstanceOf(ProtocolError)
  })

  test('refuses a server that begins with anything but a method', () => {
    expect(() => parse([HEARTBEAT])).toThrow(ProtocolError)
  })

  test('takes such bytes for what they are later on: a bad frame', () => {
    expect(() => parse([encode(method), Buffer.from('HTTP/1.1')])).toThrow(FrameError)
  })
})

describe('FrameParser, when it is stopped', () => {
  test('has no opinion on what begins only then', () => {
    const parser = new FrameParser({ onFrame: () => undefined }, 4096)
    parser.stop()
    expect(() => parser.push(Buffer.from('HTTP/1.1 400'))).not.toThrow()
  })

  test('hands out nothing more of the chunk that it walks', () => {
    const frames: number[] = []
    const parser: FrameParser = new FrameParser(
      {
        onFrame: (_type, channel) => {
          frames.push(channel)
          if (frames.length === 2) parser.stop()
        },
      },
      FRAME_MAX,
    )
    const stream = Buffer.concat([0, 1, 2, 3].map(channel => encode({ ...method, channel })))
    parser.push(stream)
    parser.push(stream)
    expect(frames).toEqual([0, 1])
  })

  test('forgets a frame of which only a part had come', () => {
    const sink = new Collector()
    const parser = new FrameParser(sink, FRAME_MAX)
    const frame = encode({ type: 3, channel: 1, payload: '00'.repeat(100) })
    parser.push(Buffer.concat([encode(method), frame.subarray(0, 50)]))
    parser.stop()
    parser.push(frame.subarray(50))
    expect(sink.frames).toEqual([method])
  })

  test('does not look at what comes then, be it broken', () => {
    const parser = new FrameParser(new Collector(), FRAME_MAX)
    parser.push(encode(method))
    parser.stop()
    expect(() => parser.push(Buffer.alloc(100))).not.toThrow()
  })
})
