/** Covers what goes out: the order of bytes, one write per tick, congestion, hooks, and the end. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import fc from 'fast-check'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { ArgumentError, ResourceError } from '../../../src/errors.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { bytes } from '../../support/wire/vectors.js'

afterEach(() => {
  jest.useRealTimers()
})

const ACK = '01 0001 0000000d 003c 0050 0000000000000001 00 ce'

function outboxOf({ frameMax = 4096, takes = (): boolean => true } = {}) {
  const writes: Buffer[] = []
  const outbox = new Outbox(frameMax, new Metrics())
  outbox.transport = {
    write: pieces => {
      writes.push(Buffer.concat(pieces))
      return takes()
    },
  }
  return { outbox, writes }
}

function ack(outbox: Outbox, channel = 1): void {
  outbox.method(channel, 'basic.ack', { deliveryTag: 1, multiple: false })
}

describe('the outbox', () => {
  test('writes a method as a frame', async () => {
    const { outbox, writes } = outboxOf()
    ack(outbox)
    expect(writes).toEqual([])
    await turns(1)
    expect(writes).toEqual([bytes(ACK)])
  })

  test('makes one write of all that a tick brings, in its order', async () => {
    const { outbox, writes } = outboxOf()
    ack(outbox)
    outbox.reference(bytes('"lent"'))
    outbox.encoded(2, 'confirm.select', bytes('0055 000a 00'))
    outbox.reference(bytes('"more"'))
    ack(outbox, 3)
    await turns(2)
    expect(writes).toEqual([
      bytes(`${ACK} "lent" 01 0002 00000005 0055 000a 00 ce "more" ${ACK.replace('0001', '0003')}`),
    ])
    expect(outbox.writes).toBe(1)
  })

  test('answers as often as it is asked, unless the answers are not read', async () => {
    let takes = true
    const { outbox, writes } = outboxOf({ takes: () => takes })
    const answer = (): void => outbox.answer(1, 'channel.flow-ok', { active: true })
    for (let count = 0; count < 20_000; count++) answer()
    takes = false
    await turns(1)
    expect(outbox.congested).toBe(true)
    for (let count = 0; count < 10_000; count++) answer()
    expect(answer).toThrow(ResourceError)
    takes = true
    outbox.resume()
    await turns(1)
    for (let count = 0; count < 20_000; count++) answer()
    await turns(1)
    expect(Buffer.concat(writes).length).toBe(50_000 * 13)
  })

  test('writes nothing where there is nothing', async () => {
    const { outbox, writes } = outboxOf()
    outbox.schedule()
    await turns(2)
    outbox.flush()
    expect(writes).toEqual([])
    expect(outbox.writes).toBe(0)
  })

  test('does not wait for the end of a tick that brings very much', () => {
    const { outbox, writes } = outboxOf()
    for (let index = 0; index < 20; index++) outbox.reference(Buffer.alloc(50_000))
    expect(writes.length).toBeGreaterThan(1)
    outbox.flush()
    expect(Buffer.concat(writes)).toHaveLength(1_000_000)
  })

  test('keeps the order of bytes over the ends of slabs, whatever the mixture', () => {
    const step = fc.record({ size: fc.nat(30_000), byReference: fc.boolean(), flush: fc.boolean() })
    const property = fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { outbox, writes } = outboxOf({ frameMax: 0 })
      const expected: Buffer[] = []
      for (const [index, { size, byReference, flush }] of steps.entries()) {
        const payload = Buffer.alloc(size, index + 1)
        if (byReference) {
          outbox.reference(payload)
          expected.push(payload)
        } else {
          outbox.encoded(1, 'confirm.select', payload)
          const head = Buffer.from([1, 0, 1, 0, 0, 0, 0])
          head.writeUInt32BE(size, 3)
          expected.push(head, payload, Buffer.from([0xce]))
        }
        if (flush) outbox.flush()
      }
      outbox.flush()
      outbox.close()
      expect(Buffer.concat(writes).equals(Buffer.concat(expected))).toBe(true)
    })
    fc.assert(property, { numRuns: 50 })
  })

  test('takes back a method that cannot be encoded', () => {
    const { outbox, writes } = outboxOf()
    ack(outbox)
    const args = { replyCode: 200, replyText: 'x'.repeat(256), classId: 0, methodId: 0 }
    expect(() => outbox.method(1, 'channel.close', args)).toThrow(ArgumentError)
    outbox.frameMax = 20
    expect(() => outbox.method(1, 'channel.close', { ...args, replyText: 'too long' })).toThrow(ArgumentError)
    outbox.flush()
    expect(writes).toEqual([bytes(ACK)])
  })
})

describe('a listener', () => {
  test('is asked before the write, once', async () => {
    const { outbox, writes } = outboxOf()
    let calls = 0
    outbox.beforeFlush({
      onFlush: () => {
        calls++
        ack(outbox)
      },
    })
    await turns(3)
    expect(calls).toBe(1)
    expect(writes).toEqual([bytes(ACK)])
  })

  test('may ask for the next tick', async () => {
    const { outbox, writes } = outboxOf()
    const again = { onFlush: () => ack(outbox) }
    outbox.beforeFlush({
      onFlush: () => {
        ack(outbox)
        outbox.beforeFlush(again)
      },
    })
    await turns(3)
    expect(writes).toEqual([bytes(ACK), bytes(ACK)])
  })
})

describe('what may be gathered', () => {
  /** Gathers an ack, by one of the two ways. */
  const gathered = (way: 'gather' | 'gatherLonger', takes?: () => boolean) => {
    const { outbox, writes } = outboxOf(takes === undefined ? {} : { takes })
    outbox[way]({ onFlush: () => ack(outbox) })
    return { outbox, writes }
  }

  test('waits for the end of this round of the event loop', async () => {
    const { writes } = gathered('gather')
    await new Promise(resolve => process.nextTick(resolve))
    expect(writes).toEqual([])
    await turns(2)
    expect(writes).toEqual([bytes(ACK)])
  })

  test('waits some milliseconds, where it may', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
    const { writes } = gathered('gatherLonger')
    await turns(3)
    expect(writes).toEqual([])
    jest.runOnlyPendingTimers()
    await turns(1)
    expect(writes).toEqual([bytes(ACK)])
  })

  test.each(['gather', 'gatherLonger'] as const)('leaves with what leaves earlier (%s)', async way => {
    const { outbox, writes } = gathered(way)
    outbox.reference(bytes('"x"'))
    await new Promise(resolve => process.nextTick(resolve))
    expect(writes).toEqual([bytes(`"x" ${ACK}`)])
    await turns(3)
    expect(writes).toHaveLength(1)
  })

  test('waits while the transport asks for a pause, and leaves when it takes more', async () => {
    let takes = false
    const { outbox, writes } = outboxOf({ takes: () => takes })
    outbox.reference(bytes('"a"'))
    await turns(1)
    outbox.gather({ onFlush: () => ack(outbox) })
    await turns(3)
    expect(writes).toEqual([bytes('"a"')])
    takes = true
    outbox.resume()
    await turns(1)
    expect(writes).toEqual([bytes('"a"'), bytes(ACK)])
  })

  test.each(['gather', 'gatherLonger'] as const)('never leaves a closed outbox (%s)', async way => {
    const { outbox, writes } = gathered(way)
    outbox.close()
    outbox[way]({ onFlush: () => ack(outbox) })
    outbox.flush()
    await turns(3)
    expect(writes).toEqual([])
  })
})

describe('a transport that asks for a pause', () => {
  test('gets nothing before it takes more again, and then all of it, in order', async () => {
    let takes = false
    const { outbox, writes } = outboxOf({ takes: () => takes })
    outbox.reference(bytes('"a"'))
    await turns(1)
    expect(outbox.congested).toBe(true)
    outbox.reference(bytes('"b"'))
    ack(outbox)
    await turns(3)
    expect(writes).toEqual([bytes('"a"')])
    takes = true
    outbox.resume()
    expect(outbox.congested).toBe(false)
    await turns(1)
    expect(writes).toEqual([bytes('"a"'), bytes(`"b" ${ACK}`)])
  })
})

describe('a closed outbox', () => {
  test('sends nothing of what it held, or is given', async () => {
    const { outbox, writes } = outboxOf()
    ack(outbox)
    let asked = false
    outbox.beforeFlush({
      onFlush: () => {
        asked = true
      },
    })
    outbox.close()
    ack(outbox)
    outbox.reference(bytes('"x"'))
    outbox.schedule()
    outbox.flush()
    await turns(2)
    expect(writes).toEqual([])
    expect(asked).toBe(false)
  })
})
