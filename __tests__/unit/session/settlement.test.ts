/** Covers the frames that settle deliveries: as few as possible, and to exactly the same effect. */
import { describe, expect, test } from '@jest/globals'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { AlreadySettledError, CommandInvalidError } from '../../../src/errors.js'
import { UnackedDeliveries } from '../../../src/session/settlement.js'
import { ACK, ACK_ALL, NACK, NACK_ALL, REJECT, unackedWith } from './unacked-with.js'

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

describe('a delivery tag that is not the next one of its channel', () => {
  test.each([0, 1, 3, 5, 2 ** 28, 2 ** 64, Number.NaN])(
    '%p is a violation, and nothing changes by it',
    tag => {
      const { unacked, acks, metrics } = unackedWith(3)
      expect(() => unacked.add(tag)).toThrow(
        new CommandInvalidError(`delivery tag ${tag} came, but 4 was the next one`),
      )
      expect([unacked.count, unacked.top, metrics.delivered]).toEqual([3, 3, 3])
      unacked.add(4)
      unacked.settle(4, ACK_ALL)
      expect(acks()).toEqual([[4, true]])
    },
  )

  test('takes no memory, however large it is', () => {
    const { unacked } = unackedWith(64)
    const before = process.memoryUsage().arrayBuffers
    expect(() => unacked.add(2 ** 28)).toThrow(CommandInvalidError)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20)
  })

  test('cannot be settled', () => {
    const { unacked } = unackedWith(3)
    for (const tag of [0, 4, 67, 2 ** 28]) {
      expect(unacked.isOutstanding(tag)).toBe(false)
      for (const how of [ACK, ACK_ALL, NACK, NACK_ALL, REJECT]) {
        expect(() => unacked.settle(tag, how)).toThrow(AlreadySettledError)
      }
    }
    expect(unacked.outstanding()).toEqual([1, 2, 3])
  })
})

test('the deliveries of one read are acked as one, however many these are', () => {
  const { unacked, acks } = unackedWith(0)
  for (let tag = 1; tag <= 3000; tag++) {
    unacked.add(tag)
    unacked.settle(tag, ACK)
  }
  expect(acks()).toEqual([[3000, true]])
})

test('an automatic ack of a delivery that its user has acked changes nothing', () => {
  const { unacked, acks, metrics } = unackedWith(2)
  unacked.settle(1, ACK)
  unacked.autoAck(1, false)
  expect([unacked.count, metrics.settled]).toEqual([1, 1])
  expect(acks()).toEqual([[1, false]])
})

test('an automatic ack covers what its user has acked before it, and what nobody has', () => {
  const { unacked, acks, metrics } = unackedWith(4)
  unacked.settle(1, ACK)
  unacked.autoAck(3, false)
  expect([unacked.count, metrics.settled]).toEqual([1, 3])
  expect(acks()).toEqual([[3, true]])
})

describe('what the broker does not know to be settled', () => {
  test('is what is outstanding, or acked in this round, also automatically', () => {
    const { unacked, outbox } = unackedWith(6)
    unacked.autoAck(1, false)
    unacked.autoAck(2, false)
    unacked.settle(4, ACK)
    unacked.settle(5, NACK)
    expect(unacked.unsent).toBe(5)
    expect(unacked.unsentBehind(0)).toEqual([1, 2, 3, 4, 6])
    expect(unacked.unsentBehind(1)).toEqual([2, 3, 4, 6])
    outbox.flush()
    expect(unacked.unsent).toBe(2)
    expect(unacked.unsentBehind(0)).toEqual([3, 6])
    expect(unacked.unsentBehind(3)).toEqual([6])
  })

  test('is known where one delivery stays unsettled long after those behind it', () => {
    const { unacked, outbox } = unackedWith(1)
    for (let tag = 2; tag <= 5000; tag++) {
      unacked.add(tag)
      unacked.settle(tag, ACK)
      if (tag % 20 === 0) outbox.flush()
    }
    unacked.add(5001)
    outbox.flush()
    expect(unacked.unsentBehind(0)).toEqual([1, 5001])
    expect(unacked.unsentBehind(1)).toEqual([5001])
    expect(unacked.unsent).toBe(2)
  })
})
