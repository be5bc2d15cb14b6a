/** Covers what stands before a body, and that remembering it changes no byte. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  EnvelopeCache,
  encodeEnvelope,
  type OutgoingMessage,
} from '../../../src/publishing/message-envelope.js'
import { Writer } from '../../../src/wire/writer.js'
import { messageOf } from '../../support/wire/messages.js'
import { bytes } from '../../support/wire/vectors.js'

function encode(message: OutgoingMessage, size: number, memory: EnvelopeCache): Buffer {
  const writer = new Writer()
  const sizeAt = encodeEnvelope(writer, 1, message, size, 4096, memory)
  const unit = Buffer.from(writer.unit())
  expect(unit.readUInt32BE(sizeAt)).toBe(size)
  return unit
}

describe('an envelope', () => {
  test('is the method and the header with the delivery mode alone', () => {
    expect(encode(messageOf(''), 5, new EnvelopeCache())).toEqual(
      bytes(`
        01 0001 0000000b 003c 0028 0000 01 "e" 01 "k" 00 ce
        02 0001 0000000f 003c 0000 0000000000000005 1000 02 ce`),
    )
  })

  test('has the same bytes from memory as without, whatever came before', () => {
    const message = fc
      .record({
        exchange: fc.constantFrom('', 'e'),
        routingKey: fc.constantFrom('', 'k', 'kk'),
        mandatory: fc.boolean(),
        deliveryMode: fc.constantFrom(1, 2),
        properties: fc.constantFrom(undefined, undefined, undefined, { type: 't' }),
        headers: fc.constantFrom(undefined, undefined, undefined, { a: 1 }),
        size: fc.nat(2 ** 32 - 10),
        times: fc.integer({ min: 1, max: 4 }),
      })
      .map(({ size, times, ...more }) => ({ message: messageOf('', more), size, times }))
    const property = fc.property(fc.array(message, { maxLength: 20 }), all => {
      const memory = new EnvelopeCache()
      for (const { message, size, times } of all) {
        for (let time = 0; time < times; time++) {
          const fresh = encode(message, size + time, new EnvelopeCache())
          expect(encode(message, size + time, memory)).toEqual(fresh)
        }
      }
    })
    fc.assert(property, { numRuns: 200 })
  })
})
