/** Covers bodies that are read to the very place where they belong: nothing is lost or moved, however reads are cut. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Assembly } from '../../../src/connection/content.js'
import { FrameParser } from '../../../src/frame/parser.js'

const [METHOD, HEADER, BODY] = [1, 2, 3]
const DELIVER = 60 * 65_536 + 60

function frame(type: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(payload.length + 8, 0xce)
  bytes.writeUInt8(type, 0)
  bytes.writeUInt16BE(1, 1)
  bytes.writeUInt32BE(payload.length, 3)
  bytes.set(payload, 7)
  return bytes
}

/** A delivery with a body that comes in frames of a size. */
function delivery(body: Buffer, frameSize: number): Buffer {
  const method = Buffer.from('idid.fields of the method')
  const header = Buffer.alloc(14)
  header.writeUInt16BE(60, 0)
  header.writeUInt32BE(body.length, 8)
  const frames = [frame(METHOD, method), frame(HEADER, header)]
  for (let at = 0; at < body.length; at += frameSize) {
    frames.push(frame(BODY, body.subarray(at, Math.min(at + frameSize, body.length))))
  }
  return Buffer.concat(frames)
}

/** A receiver as a connection is one: it keeps what each body is when it is complete. */
class Receiver {
  readonly bodies: Buffer[] = []
  readonly parser: FrameParser
  direct = 0
  readonly #assembly = new Assembly(100_000_000)

  constructor() {
    const assembly = this.#assembly
    this.parser = new FrameParser(
      {
        onFrame: (type, _channel, buffer, start, end) => {
          if (type === METHOD) assembly.begin(DELIVER, buffer, start + 4, end)
          else if (
            type === HEADER ? assembly.header(buffer, start, end) : assembly.body(buffer, start, end)
          ) {
            const { bodyBytes, bodyAt, bodyEnd } = assembly
            this.bodies.push(bodyBytes.subarray(bodyAt, bodyEnd))
            assembly.clear()
          }
        },
        roomFor: (_channel, bytes) => assembly.roomFor(bytes),
      },
      0,
    )
  }

  /** Reads as a socket does, so many bytes at once. */
  read(stream: Buffer, sizes: readonly number[]): void {
    for (let at = 0, turn = 0; at < stream.length; turn++) {
      const own = this.parser.room()
      const room = own ?? Buffer.alloc(65_536)
      const size = Math.min(sizes[turn % sizes.length] ?? 1, room.length, stream.length - at)
      stream.copy(room, 0, at, at + size)
      at += size
      if (own !== undefined) this.direct += size
      this.parser.push(room.subarray(0, size))
    }
  }
}

const pattern = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, at) => at * seed + (at >> 8)))

describe('a body that is read where it belongs', () => {
  test('comes out as it went in, however it is framed and cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 })
    const lengths = fc.array(fc.integer({ min: 0, max: 120_000 }), { minLength: 1, maxLength: 4 })
    const property = fc.property(
      lengths,
      fc.integer({ min: 1000, max: 130_000 }),
      sizes,
      (given, size, cuts) => {
        // Reads of a few bytes only would take for ever.
        const reads = cuts.some(cut => cut > 1000) ? cuts : [...cuts, 5000]
        const bodies = given.map((length, at) => pattern(length, at + 3))
        const receiver = new Receiver()
        receiver.read(Buffer.concat(bodies.map(body => delivery(body, size))), reads)
        expect(receiver.bodies.map(body => body.length)).toEqual(given)
        expect(receiver.bodies.every((body, at) => body.equals(bodies[at] as Buffer))).toBe(true)
      },
    )
    fc.assert(property, { numRuns: 50 })
  })

  test('is read there but for its beginning, the frames between its parts too', () => {
    const body = pattern(1_000_000, 7)
    const receiver = new Receiver()
    receiver.read(delivery(body, 131_064), [65_536])
    expect(receiver.bodies[0]?.equals(body)).toBe(true)
    expect(receiver.direct).toBeGreaterThan(900_000)
  })

  test('beyond what was set aside for it at first is read there, too', () => {
    const body = pattern(9_000_000, 7)
    const receiver = new Receiver()
    receiver.read(delivery(body, 131_064), [200_000])
    expect(receiver.bodies[0]?.equals(body)).toBe(true)
    expect(receiver.direct).toBeGreaterThan(8_700_000)
  })
})

test('there is no such place between bodies, nor while only a part of a header is there', () => {
  const receiver = new Receiver()
  const stream = delivery(pattern(50_000, 3), 131_064)
  expect(receiver.parser.room()).toBeUndefined()
  receiver.parser.push(stream.subarray(0, 40))
  expect(receiver.parser.room()).toBeUndefined()
  receiver.parser.push(stream.subarray(40, 20_000))
  expect(receiver.parser.room()).toBeDefined()
  receiver.parser.push(stream.subarray(20_000))
  expect(receiver.parser.room()).toBeUndefined()
})
