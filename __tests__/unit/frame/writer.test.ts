/** Covers the envelope of outgoing frames. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ArgumentError } from '../../../src/errors.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { beginFrame, endFrame } from '../../../src/frame/writer.js'
import { Writer } from '../../../src/wire/writer.js'

function writeFrame(
  writer: Writer,
  type: number,
  channel: number,
  payload: readonly number[],
  frameMax = 0,
): void {
  const place = beginFrame(writer, type, channel)
  for (const byte of payload) writer.u8(byte, 'byte')
  endFrame(writer, place, frameMax)
}

describe('a frame', () => {
  test('has its type, channel and size before the payload, and the end octet behind it', () => {
    const writer = new Writer()
    writeFrame(writer, 1, 0x1234, [0xaa, 0xbb])
    expect(writer.unit().toString('hex')).toBe('01123400000002aabbce')
  })

  test('may be empty', () => {
    const writer = new Writer()
    writeFrame(writer, 8, 0, [])
    expect(writer.unit().toString('hex')).toBe('08000000000000ce')
  })

  test('follows the one before it', () => {
    const writer = new Writer()
    writeFrame(writer, 1, 1, [0x0a])
    writeFrame(writer, 2, 1, [0x0b])
    expect(writer.unit().toString('hex')).toBe('010001000000010ace020001000000010bce')
  })

  test('has the channel 65535 at most', () => {
    const writer = new Writer()
    writeFrame(writer, 3, 65535, [])
    expect(writer.unit().toString('hex', 0, 3)).toBe('03ffff')
  })

  test('stays whole when it does not fit the slab in which it was begun', () => {
    const payload = Array.from({ length: 100 }, (_, index) => index)
    const expected = `03000700000064${Buffer.from(payload).toString('hex')}ce`
    // Every place where the slab can end: before, in and behind the header, in the payload, at the end octet.
    for (let used = 0; used <= 120; used++) {
      const handedOver: string[] = []
      const writer = new Writer(120, (slab, end) => handedOver.push(slab.toString('hex', 0, end)))
      for (let index = 0; index < used; index++) writer.u8(0x55, 'filler')
      writer.commit()
      writeFrame(writer, 3, 7, payload)
      expect(writer.unit().toString('hex')).toBe(expected)
      expect(handedOver.join('')).toBe(used + 108 > 120 ? '55'.repeat(used) : '')
    }
  })

  test('may be just as large as frame_max, and not a byte larger', () => {
    const writer = new Writer()
    writeFrame(writer, 1, 1, new Array(4088).fill(0), 4096)
    expect(writer.unit()).toHaveLength(4096)
    writer.commit()
    expect(() => writeFrame(writer, 1, 1, new Array(4089).fill(0), 4096)).toThrow(ArgumentError)
    writer.rollback()
    expect(() => writeFrame(writer, 1, 1, new Array(4089).fill(0), 4096)).toThrow(
      'the names, properties, headers or arguments take 4097 bytes, but must fit one frame of 4096',
    )
  })

  test('can be taken back where it was too large, which leaves what came before', () => {
    const writer = new Writer(64)
    writeFrame(writer, 1, 1, [1])
    writer.commit()
    expect(() => writeFrame(writer, 1, 1, new Array(200).fill(0), 100)).toThrow(ArgumentError)
    writer.rollback()
    writeFrame(writer, 1, 2, [2])
    expect(writer.unit().toString('hex')).toBe('0100020000000102ce')
  })

  test('has no limit where frame_max is 0', () => {
    const writer = new Writer()
    writeFrame(writer, 1, 1, new Array(200_000).fill(0), 0)
    expect(writer.unit()).toHaveLength(200_008)
  })

  test('is what the parser takes apart again', () => {
    const anyFrame = fc.record({
      type: fc.constantFrom(1, 2, 3, 8),
      channel: fc.nat(65535),
      payload: fc.array(fc.nat(255), { maxLength: 100 }),
    })
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 10 }), frames => {
        const all = [{ type: 1, channel: 0, payload: [0] }, ...frames]
        const writer = new Writer(32)
        for (const { type, channel, payload } of all) writeFrame(writer, type, channel, payload)
        const parsed: unknown[] = []
        const parser = new FrameParser(
          {
            onFrame: (type, channel, buffer, start, end) =>
              parsed.push({ type, channel, payload: [...buffer.subarray(start, end)] }),
          },
          4096,
        )
        parser.push(writer.unit())
        expect(parsed).toEqual(all)
      }),
    )
  })
})
