/** Covers the encoding of requests ahead of their sending: checked and captured when the caller calls. */
import { describe, expect, test } from '@jest/globals'
import { BASIC_GET_EMPTY, BASIC_GET_OK, QUEUE_DECLARE_OK } from '../../../src/codec/methods.gen.js'
import { encodeRequest } from '../../../src/connection/request.js'
import { ArgumentError } from '../../../src/errors.js'
import { bytes } from '../../support/wire/vectors.js'

const declare = {
  queue: 'q',
  passive: false,
  durable: true,
  exclusive: false,
  autoDelete: false,
  noWait: false,
}

describe('a request', () => {
  test('is the method from its class id on', () => {
    const { name, payload } = encodeRequest('queue.purge', { queue: 'q', noWait: false }, 4096)
    expect(name).toBe('queue.purge')
    expect(payload).toEqual(bytes('0032 001e 0000 01 "q" 00'))
  })

  test('knows every reply that it may get', () => {
    expect(encodeRequest('queue.declare', { ...declare, arguments: {} }, 0).replies).toEqual([
      QUEUE_DECLARE_OK,
    ])
    expect(encodeRequest('basic.get', { queue: 'q', noAck: false }, 0).replies).toEqual([
      BASIC_GET_OK,
      BASIC_GET_EMPTY,
    ])
  })

  test('does not change with the objects that it was made of', () => {
    const table: Record<string, string> = { a: 'b' }
    const { payload } = encodeRequest('queue.declare', { ...declare, arguments: table }, 0)
    const before = Buffer.from(payload)
    table.a = 'c'
    table.d = 'e'
    encodeRequest('queue.declare', { ...declare, arguments: table }, 0)
    expect(Buffer.from(payload)).toEqual(before)
  })

  test('fits a frame to the last byte, and not beyond', () => {
    // 4096 bytes less the frame's 8, the method's 12, the table's 4, the field's 2 + 1 + 4.
    const fill = (length: number) => ({ ...declare, arguments: { f: 'x'.repeat(length) } })
    const room = 4096 - 8 - (4 + 2 + 2 + 1) - 4 - 7
    expect(encodeRequest('queue.declare', fill(room), 4096).payload).toHaveLength(4088)
    expect(() => encodeRequest('queue.declare', fill(room + 1), 4096)).toThrow(ArgumentError)
    expect(() => encodeRequest('queue.declare', fill(room + 1), 4096)).toThrow(
      '4097 bytes, but must fit one frame of 4096',
    )
    expect(encodeRequest('queue.declare', fill(100_000), 0).payload.length).toBeGreaterThan(100_000)
  })

  test('is refused where AMQP cannot carry an argument', () => {
    expect(() => encodeRequest('queue.purge', { queue: 'x'.repeat(256), noWait: false }, 0)).toThrow(
      ArgumentError,
    )
  })
})
