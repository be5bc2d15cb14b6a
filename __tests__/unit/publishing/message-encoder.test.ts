/**
 * Covers the frames of a published message at every body size around the limits of a frame and of sending by reference;
 * the frames are taken apart here by hand.
 */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ArgumentError } from '../../../src/errors.js'
import { BY_REFERENCE_FROM, encodeMessage } from '../../../src/publishing/message-encoder.js'
import { EnvelopeCache, type OutgoingMessage } from '../../../src/publishing/message-envelope.js'
import { Writer } from '../../../src/wire/writer.js'
import { framesOf, type MessageParts, messageOf } from '../../support/wire/messages.js'
import { bytes } from '../../support/wire/vectors.js'

const OVERHEAD = 8

function encode(
  message: OutgoingMessage,
  frameMax: number,
  writer = new Writer(),
  memory = new EnvelopeCache(),
) {
  const encoded = encodeMessage(writer, 258, message, frameMax, memory)
  const stream = Buffer.concat(encoded.pieces ?? [encoded.slab.subarray(encoded.from, encoded.to)])
  writer.commit()
  return { encoded, stream, frames: framesOf(stream) }
}

/** Checks method, header and body, and that no frame is larger than it may be. */
function check(message: OutgoingMessage, body: Buffer, frameMax: number): void {
  const { encoded, stream, frames } = encode(message, frameMax)
  expect(encoded.size).toBe(stream.length)
  const [method, header, ...bodies] = frames
  expect(method).toEqual({ type: 1, channel: 258, payload: bytes('003c 0028 0000 01 "e" 01 "k" 00') })
  expect(header).toMatchObject({ type: 2, channel: 258 })
  expect(header?.payload.readBigUInt64BE(4)).toBe(BigInt(body.length))
  for (const { type, channel } of bodies) expect({ type, channel }).toEqual({ type: 3, channel: 258 })
  expect(Buffer.concat(bodies.map(({ payload }) => payload)).equals(body)).toBe(true)
  const room = frameMax === 0 ? Number.POSITIVE_INFINITY : frameMax - OVERHEAD
  expect(bodies.map(({ payload }) => payload.length).slice(0, -1)).toEqual(bodies.slice(1).map(() => room))
  expect(bodies).toHaveLength(Math.ceil(body.length / room) || (body.length > 0 ? 1 : 0))
}

function around(...sizes: number[]): number[] {
  return sizes.flatMap(size => [size - 2, size - 1, size, size + 1, size + 2]).filter(size => size >= 0)
}

/** So many bytes, no two neighbours alike, ASCII. */
function ascii(size: number): string {
  return '0123456789abcdefghijklmnopqrstuvwxyz#'.repeat(Math.ceil(size / 37)).slice(0, size)
}

describe('a message', () => {
  test.each([4096, 8192, 131_072, 0])('has its body in as few frames as frame_max allows: %p', frameMax => {
    const room = frameMax === 0 ? 100_000 : frameMax - OVERHEAD
    for (const size of around(0, room, 2 * room, 3 * room, BY_REFERENCE_FROM, BY_REFERENCE_FROM / 3)) {
      const text = ascii(size)
      check(messageOf(Buffer.from(text)), Buffer.from(text), frameMax)
      check(messageOf(text), Buffer.from(text), frameMax)
    }
  })

  test('has every size up to three small frames', () => {
    for (let size = 0; size <= 3 * 4088 + 1; size += 7) {
      const text = ascii(size)
      check(messageOf(text), Buffer.from(text), 4096)
    }
  })

  test('counts the bytes of a string, not its characters', () => {
    for (const unit of ['é', '€', '😀']) {
      for (const size of around(4088, 2 * 4088, BY_REFERENCE_FROM)) {
        const text = unit.repeat(Math.ceil(size / Buffer.byteLength(unit)))
        check(messageOf(text), Buffer.from(text), 4096)
      }
    }
  })

  test('has any body whatever, for any frame_max', () => {
    const property = fc.property(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 5000 }), fc.uint8Array({ maxLength: 20_000 })),
      fc.constantFrom(0, 4096, 5000, 8192),
      (body, frameMax) => check(messageOf(body), Buffer.from(body as string), frameMax),
    )
    fc.assert(property, { numRuns: 50 })
  })

  test('carries mandatory, properties and headers', () => {
    const more = { mandatory: true, properties: { messageId: 'm', deliveryMode: 2 }, headers: { a: 1 } }
    const { frames } = encode(messageOf('x', more), 4096)
    expect(frames.map(({ payload }) => payload)).toEqual([
      bytes('003c 0028 0000 01 "e" 01 "k" 01'),
      bytes('003c 0000 0000000000000001 3080 00000007 01 "a" 49 00000001 02 01 "m"'),
      bytes('"x"'),
    ])
  })
})

describe('a large body', () => {
  test.each([0, 4096, 131_072])('is sent by reference, uncopied, with frame_max %p', frameMax => {
    const body = Buffer.alloc(BY_REFERENCE_FROM, 'x')
    const { encoded } = encode(messageOf(body), frameMax)
    const lent = encoded.pieces?.filter(({ buffer }) => buffer === body.buffer) ?? []
    expect(lent.reduce((sum, piece) => sum + piece.length, 0)).toBe(BY_REFERENCE_FROM)
  })

  test('begins at 32 KiB: below that the caller may change the bytes at once', () => {
    for (const [size, copied] of [
      [BY_REFERENCE_FROM - 1, true],
      [BY_REFERENCE_FROM, false],
    ] as const) {
      const body = Buffer.alloc(size, 'a')
      const { encoded } = encode(messageOf(body), 131_072)
      body.fill('b')
      const stream = Buffer.concat(encoded.pieces ?? [encoded.slab.subarray(encoded.from, encoded.to)])
      expect(stream.includes('b'.repeat(100))).toBe(!copied)
    }
  })

  test('is read through its view: offset and length of a slice are respected', () => {
    const backing = new Uint8Array(100_000).fill(1)
    for (const size of [10, BY_REFERENCE_FROM]) {
      const view = new Uint8Array(backing.buffer, 5, size).fill(2)
      check(messageOf(view), Buffer.alloc(size, 2), 4096)
    }
  })
})

describe('several messages in one writer', () => {
  test('follow one another, over the ends of slabs', () => {
    const finished: Buffer[] = []
    const writer = new Writer(1000, (slab, end) => finished.push(Buffer.from(slab.subarray(0, end))))
    const bodies = Array.from({ length: 60 }, (_, index) => ascii(index * 11))
    for (const body of bodies) encode(messageOf(body), 4096, writer)
    finished.push(writer.buffer.subarray(0, writer.start))
    const frames = framesOf(Buffer.concat(finished))
    const sent = frames.filter(({ type }) => type === 3).map(({ payload }) => payload.toString())
    expect(sent).toEqual(bodies.slice(1))
  })

  test('suffer nothing from one that cannot be encoded', () => {
    const writer = new Writer()
    // All of it is to lie in one slab.
    writer.ensure(50_000)
    encode(messageOf('a'), 4096, writer)
    const before = Buffer.from(writer.buffer.subarray(0, writer.start))
    const impossible: MessageParts[] = [
      { exchange: 'x'.repeat(256) },
      { routingKey: 'é'.repeat(128) },
      { headers: { a: 'x'.repeat(5000) } },
      { headers: { a: Symbol('no') as unknown as string } },
      { properties: { priority: 256 } },
    ]
    for (const more of impossible) {
      for (const body of ['x', Buffer.alloc(BY_REFERENCE_FROM)]) {
        expect(() => encodeMessage(writer, 1, messageOf(body, more), 4096, new EnvelopeCache())).toThrow(
          ArgumentError,
        )
        expect(writer.offset).toBe(writer.start)
      }
    }
    encode(messageOf('b'), 4096, writer)
    const stream = writer.buffer.subarray(0, writer.start)
    expect(stream.subarray(0, before.length)).toEqual(before)
    expect(
      framesOf(stream)
        .map(({ payload }) => payload.toString())
        .filter(text => /^[ab]$/.test(text)),
    ).toEqual(['a', 'b'])
  })
})
