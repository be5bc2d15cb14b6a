/** Covers the cutting of an encoded message into smaller frames: the same message, no frame too large. */
import { describe, expect, test } from '@jest/globals'
import { ArgumentError } from '../../../src/errors.js'
import { encodeMessage } from '../../../src/publishing/message-encoder.js'
import { EnvelopeCache } from '../../../src/publishing/message-envelope.js'
import { reframe } from '../../../src/publishing/reframe.js'
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
