/** Covers the frames that settle deliveries: as few as possible, and to exactly the same effect. */
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { decodeMethod, type Method } from '../../../src/codec/methods.gen.js'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { AlreadySettledError } from '../../../src/errors.js'
import { FrameParser } from '../../../src/frame/parser.js'
import { type Settlement, UnackedDeliveries } from '../../../src/session/settlement.js'
import { Reader } from '../../../src/wire/reader.js'

const ACK: Settlement = { kind: 'ack', multiple: false }
const ACK_ALL: Settlement = { kind: 'ack', multiple: true }
const NACK: Settlement = { kind: 'nack', multiple: false, requeue: true }
const NACK_ALL: Settlement = { kind: 'nack', multiple: true, requeue: false }
const REJECT: Settlement = { kind: 'reject', requeue: false }

/** Unacknowledged deliveries, and what is sent to settle them. */
function unackedWith(deliveries: number) {
  const sent: Method[] = []
  const parser = new FrameParser(
    {
      onFrame: (_type, _channel, buffer, start, end) =>
        sent.push(decodeMethod(new Reader(buffer, start, end))),
    },
    0,
  )
  const metrics = new Metrics()
  const outbox = new Outbox(0, metrics)
  outbox.transport = {
    write: pieces => {
      for (const piece of pieces) parser.push(Buffer.from(piece))
      return true
    },
  }
  const unacked = new UnackedDeliveries(1, outbox, metrics)
  for (let tag = 1; tag <= deliveries; tag++) unacked.add(tag)
  const acks = (): [number, boolean][] => {
    outbox.flush()
    return sent.splice(0).map(method => {
      if (method.name !== 'basic.ack') throw new Error(`${method.name} came`)
      return [method.args.deliveryTag, method.args.multiple]
    })
  }
  return { unacked, outbox, metrics, sent, acks }
}

test('a delivery whose channel is gone is settled in vain, unless it was settled before: that is said', () => {
  const { unacked, outbox, metrics, sent } = unackedWith(3)
  unacked.settle(1, ACK)
  unacked.settle(3, NACK)
  outbox.flush()
  sent.splice(0)
  expect(unacked.settleTooLate(2)).toBe(false)
  for (const tag of [1, 3]) expect(() => unacked.settleTooLate(tag)).toThrow(AlreadySettledError)
  outbox.flush()
  expect(sent).toEqual([])
  expect(metrics.staleSettlements).toBe(1)
})

describe('deliveries that need no settling', () => {
  test('are acked by themselves after a while, as one', async () => {
    const parts: Buffer[] = []
    const left = new Promise<void>(resolve => {
      const metrics = new Metrics()
      const outbox = new Outbox(0, metrics)
      outbox.transport = {
        write: pieces => {
          parts.push(...pieces.map(piece => Buffer.from(piece)))
          resolve()
          return true
        },
      }
      const unacked = new UnackedDeliveries(1, outbox, metrics)
      for (const tag of [1, 2, 3]) unacked.add(tag)
      for (const tag of [1, 2, 3]) unacked.autoAck(tag, false)
      expect(unacked.count).toBe(0)
      expect(metrics.settled).toBe(3)
    })
    // A round of the event loop brings nothing yet.
    await new Promise(resolve => setImmediate(resolve))
    expect(parts).toEqual([])
    await left
    expect(Buffer.concat(parts).readBigUInt64BE(11)).toBe(3n)
  })

  test('are acked with whatever leaves before, once', () => {
    const { unacked, outbox, sent } = unackedWith(5)
    const flushed = () => {
      outbox.flush()
      return sent.splice(0).map(({ args }) => args)
    }
    for (const tag of [1, 2]) unacked.autoAck(tag, false)
    expect(flushed()).toEqual([{ deliveryTag: 2, multiple: true }])
    expect(flushed()).toEqual([])
    unacked.autoAck(3, false)
    expect(flushed()).toEqual([{ deliveryTag: 3, multiple: false }])
  })

  test('are acked at the end of the round where the broker has to hear of one soon', async () => {
    const { unacked, sent } = unackedWith(3)
    unacked.autoAck(1, false)
    unacked.autoAck(2, true)
    await new Promise(resolve => setImmediate(resolve))
    expect(sent.map(({ args }) => args)).toEqual([{ deliveryTag: 2, multiple: true }])
  })

  test('leave those behind them to be given back', () => {
    const { unacked, outbox, sent } = unackedWith(3)
    unacked.autoAck(1, false)
    for (const tag of [2, 3]) unacked.settle(tag, NACK)
    outbox.flush()
    const acked = sent.filter(({ name }) => name === 'basic.ack').map(({ args }) => args)
    expect(acked).toEqual([{ deliveryTag: 1, multiple: false }])
    expect(sent.filter(({ name }) => name === 'basic.nack')).toHaveLength(2)
  })

  test('are not acked any more when their channel is gone', () => {
    const { unacked, acks } = unackedWith(3)
    unacked.autoAck(1, false)
    unacked.settle(2, ACK)
    unacked.onChannelClosed()
    expect(acks()).toEqual([])
  })

  test('leave no timer behind when the connection ends', () => {
    const { unacked, outbox, sent } = unackedWith(1)
    unacked.autoAck(1, false)
    const timers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
    const before = timers()
    outbox.close()
    expect(timers()).toBe(before - 1)
    expect(sent).toEqual([])
  })
})

describe('the acks of one tick', () => {
  test('leave as one where they form an unbroken run, in whatever order they came', () => {
    const { unacked, acks } = unackedWith(10)
    for (const tag of [3, 1, 2, 5, 4]) expect(unacked.settle(tag, ACK)).toBe(1)
    expect(acks()).toEqual([[5, true]])
    expect(unacked.count).toBe(5)
  })

  test('leave one by one where something before them is not settled', () => {
    const { unacked, acks } = unackedWith(10)
    for (const tag of [2, 3, 7]) unacked.settle(tag, ACK)
    expect(acks()).toEqual([
      [2, false],
      [3, false],
      [7, false],
    ])
    unacked.settle(1, ACK)
    unacked.settle(4, ACK)
    expect(acks()).toEqual([[4, true]])
  })

  test('leave singly where there is one only', () => {
    const { unacked, acks } = unackedWith(2)
    unacked.settle(1, ACK)
    expect(acks()).toEqual([[1, false]])
    expect(acks()).toEqual([])
  })

  test('do not wait for what is nacked or rejected', () => {
    const { unacked, outbox, sent } = unackedWith(5)
    unacked.settle(1, ACK)
    unacked.settle(2, NACK)
    unacked.settle(3, ACK)
    unacked.settle(4, REJECT)
    outbox.flush()
    expect(sent.map(({ name, args }) => [name, args])).toEqual([
      ['basic.nack', { deliveryTag: 2, multiple: false, requeue: true }],
      ['basic.reject', { deliveryTag: 4, requeue: false }],
      ['basic.ack', { deliveryTag: 3, multiple: true }],
    ])
  })

  test('leave before a nack with `multiple`, which would sweep them up', () => {
    const { unacked, outbox, sent } = unackedWith(5)
    unacked.settle(2, ACK)
    expect(unacked.settle(4, NACK_ALL)).toBe(3)
    outbox.flush()
    expect(sent.map(({ name }) => name)).toEqual(['basic.ack', 'basic.nack'])
  })
})

describe('settling a delivery twice', () => {
  test('throws, in each way, before and after the first has left', () => {
    for (const first of [ACK, ACK_ALL, NACK, NACK_ALL, REJECT]) {
      const { unacked, outbox, sent } = unackedWith(3)
      unacked.settle(2, first)
      for (const second of [ACK, ACK_ALL, NACK, NACK_ALL, REJECT]) {
        expect(() => unacked.settle(2, second)).toThrow(AlreadySettledError)
      }
      outbox.flush()
      expect(sent).toHaveLength(1)
      expect(() => unacked.settle(2, ACK)).toThrow(AlreadySettledError)
    }
  })
})

/** A broker's own book of one channel. It knows nothing of ticks. */
class Book {
  readonly unsettled = new Set<number>()
  readonly acked = new Set<number>()
  readonly refused = new Set<number>()

  take(method: Method): void {
    switch (method.name) {
      case 'basic.ack':
        this.#settle(method.args.deliveryTag, method.args.multiple, this.acked)
        break
      case 'basic.nack':
        this.#settle(method.args.deliveryTag, method.args.multiple, this.refused)
        break
      case 'basic.reject':
        this.#settle(method.args.deliveryTag, false, this.refused)
        break
      default:
        throw new Error(`${method.name} came`)
    }
  }

  #settle(tag: number, multiple: boolean, to: Set<number>): void {
    // RabbitMQ: 406, unknown delivery tag.
    if (!this.unsettled.has(tag)) throw new Error(`delivery tag ${tag} is not outstanding`)
    for (const one of multiple ? [...this.unsettled].filter(other => other <= tag) : [tag]) {
      this.unsettled.delete(one)
      to.add(one)
    }
  }
}

type Step = ['deliver', number] | ['settle', number, Settlement] | ['tick']

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant('deliver' as const), fc.integer({ min: 1, max: 100 })) },
  {
    weight: 12,
    arbitrary: fc.tuple(
      fc.constant('settle' as const),
      fc.nat(1_000_000),
      fc.constantFrom(ACK, ACK, ACK, ACK, NACK, REJECT, ACK_ALL, NACK_ALL),
    ),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constant('tick' as const)) },
)

describe('whatever is settled, in whatever order', () => {
  test('the broker ends up with the very same', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), steps => {
        const { unacked, outbox, sent } = unackedWith(0)
        const meant = new Book()
        const broker = new Book()
        let top = 0
        const tick = (): void => {
          outbox.flush()
          for (const method of sent.splice(0)) broker.take(method)
          expect([broker.acked, broker.refused, broker.unsettled]).toEqual([
            meant.acked,
            meant.refused,
            meant.unsettled,
          ])
        }
        for (const [what, number = 0, settlement = ACK] of steps) {
          if (what === 'deliver') {
            for (let count = 0; count < number; count++) {
              unacked.add(++top)
              meant.unsettled.add(top)
              broker.unsettled.add(top)
            }
          } else if (what === 'settle') {
            const open = [...meant.unsettled]
            const tag = open[number % open.length]
            if (tag === undefined) continue
            const multiple = settlement.kind !== 'reject' && settlement.multiple
            const name = `basic.${settlement.kind}` as const
            const before = meant.unsettled.size
            meant.take({ name, args: { deliveryTag: tag, multiple, requeue: false } } as Method)
            expect(unacked.settle(tag, settlement)).toBe(before - meant.unsettled.size)
          } else {
            tick()
          }
          expect(unacked.count).toBe(meant.unsettled.size)
        }
        tick()
      }),
      { numRuns: 200 },
    )
  })
})
