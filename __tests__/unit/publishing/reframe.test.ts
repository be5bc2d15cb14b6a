/** Covers the cutting of an encoded message into smaller frames: the same message, no frame too large. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError } from '../../../src/errors.js'
import { type EncodedMessage, encodeMessage } from '../../../src/publishing/message-encoder.js'
import { EnvelopeCache } from '../../../src/publishing/message-envelope.js'
import { onChannel, reframe } from '../../../src/publishing/reframe.js'
import { Writer } from '../../../src/wire/writer.js'
import { framesOf, messageOf } from '../../support/wire/messages.js'

describe('a message that is cut anew', () => {
  test.each([0, 1, 4087, 4088, 4089, 8176, 8177, 32_767, 32_768, 100_000])(
    'with %i bytes is the same message',
    size => {
      for (const before of [0, 8192, 131_072]) {
        const body = Buffer.from(Uint8Array.from({ length: size }, (_, index) => index % 251))
        const encoded = encodeMessage(
          new Writer(),
          300,
          messageOf(body, { headers: { a: 1 } }),
          before,
          new EnvelopeCache(),
        )
        const whole = Buffer.concat(encoded.pieces ?? [encoded.slab.subarray(encoded.from, encoded.to)])
        const again = reframe(encoded, 4096)
        const stream = again.slab.subarray(again.from, again.to)
        expect(again).toMatchObject({ pieces: undefined, size: stream.length })
        const [method, header, ...bodies] = framesOf(stream)
        expect([method, header]).toEqual(framesOf(whole).slice(0, 2))
        for (const { type, channel, payload } of bodies) {
          expect({ type, channel }).toEqual({ type: 3, channel: 300 })
          expect(payload.length).toBeLessThanOrEqual(4088)
        }
        expect(Buffer.concat(bodies.map(({ payload }) => payload)).equals(body)).toBe(true)
      }
    },
  )

  test('cannot be where its headers do not fit the smaller frame: they are never cut', () => {
    const fitting = (size: number) => {
      const headers = { wide: 'x'.repeat(size) }
      const encoded = encodeMessage(new Writer(), 1, messageOf('', { headers }), 0, new EnvelopeCache())
      return () => reframe(encoded, 4096)
    }
    expect(fitting(4000)).not.toThrow()
    expect(fitting(4096)).toThrow(ArgumentError)
  })
})

describe('a message on another channel', () => {
  const sizes = [0, 1, 4088, 4089, 32_767, 32_768, 32_769, 100_000]
  test.each(sizes)('with %i bytes is the same message, and the one that it was stays as it is', size => {
    for (const frameMax of [0, 4096, 131_072]) {
      const body = Buffer.from(Uint8Array.from({ length: size }, (_, index) => index % 251))
      const writer = new Writer()
      // Something else lies before it in its slab.
      writer.bytes(Buffer.alloc(10))
      writer.commit()
      const message = messageOf(body, { headers: { a: 1 } })
      const encoded = encodeMessage(writer, 1, message, frameMax, new EnvelopeCache())
      const before = Buffer.from(bytesOf(encoded))
      const other = onChannel(encoded, 1027)
      const expected = framesOf(before).map(frame => ({ ...frame, channel: 1027 }))
      expect(framesOf(bytesOf(other))).toEqual(expected)
      expect(other.size).toBe(encoded.size)
      expect(bytesOf(encoded).equals(before)).toBe(true)
      expect(framesOf(bytesOf(onChannel(other, 1)))).toEqual(framesOf(before))
    }
  })

  test('has a body by reference still: only what lies around it is copied', () => {
    const body = Buffer.alloc(100_000)
    const encoded = encodeMessage(new Writer(), 1, messageOf(body), 0, new EnvelopeCache())
    expect(onChannel(encoded, 3).pieces?.[1]?.buffer).toBe(body.buffer)
  })

  test('is the very same where it is on that channel already', () => {
    for (const size of [10, 100_000]) {
      const encoded = encodeMessage(new Writer(), 3, messageOf(Buffer.alloc(size)), 0, new EnvelopeCache())
      expect(onChannel(encoded, 3)).toBe(encoded)
    }
  })

  test('can be cut anew', () => {
    const body = Buffer.alloc(100_000, 'x')
    const encoded = encodeMessage(new Writer(), 1, messageOf(body), 0, new EnvelopeCache())
    const frames = framesOf(bytesOf(reframe(onChannel(encoded, 3), 4096)))
    expect(new Set(frames.map(({ channel }) => channel))).toEqual(new Set([3]))
    expect(Math.max(...frames.map(({ payload }) => payload.length))).toBe(4088)
  })
})

function bytesOf({ slab, from, to, pieces }: EncodedMessage): Buffer {
  return pieces === undefined ? slab.subarray(from, to) : Buffer.concat(pieces)
}
