/** Covers deliveries that the broker has taken back: no frame may reach them. */
import { describe, expect, test } from '@jest/globals'
import { AlreadySettledError } from '../../../src/errors.js'
import { ACK, ACK_ALL, NACK, NACK_ALL, REJECT, unackedWith } from './unacked-with.js'

describe('deliveries that the broker has taken back', () => {
  test('are settled in vain, as often as somebody tries, and nothing is sent', () => {
    const { unacked, acks, metrics } = unackedWith(3)
    unacked.takeBack([1, 3])
    expect([unacked.count, unacked.isOutstanding(1), metrics.settled]).toEqual([1, false, 0])
    expect(metrics.staleSettlements).toBe(0)
    for (const how of [ACK, ACK_ALL, NACK, NACK_ALL, REJECT]) {
      expect(unacked.settle(3, how)).toBe(0)
      expect(unacked.settle(1, how)).toBe(0)
    }
    expect(metrics.staleSettlements).toBe(10)
    expect(acks()).toEqual([])
    expect(unacked.outstanding()).toEqual([2])
  })

  test('are settled in vain also when their channel is gone', () => {
    const { unacked, metrics } = unackedWith(2)
    unacked.takeBack([2])
    unacked.onChannelClosed()
    expect(unacked.settleTooLate(2)).toBe(false)
    expect(metrics.staleSettlements).toBe(1)
  })

  test('keep those behind them from being acked as one', () => {
    const { unacked, acks } = unackedWith(6)
    unacked.takeBack([3])
    for (const tag of [1, 2, 4, 5]) unacked.settle(tag, ACK)
    expect(acks()).toEqual([
      [2, true],
      [4, false],
      [5, false],
    ])
    for (let tag = 7; tag <= 3000; tag++) unacked.add(tag)
    expect(unacked.settle(3000, ACK_ALL)).toBe(2995)
    const last = acks()
    expect(last).toHaveLength(2995)
    expect(last.some(([, multiple]) => multiple)).toBe(false)
  })

  test('are passed over by a nack of all up to a later one', () => {
    const { unacked, outbox, sent } = unackedWith(6)
    unacked.takeBack([3, 4])
    expect(unacked.settle(6, NACK_ALL)).toBe(4)
    outbox.flush()
    expect(sent.map(({ name, args }) => [name, args])).toEqual([
      ['basic.nack', { deliveryTag: 2, multiple: true, requeue: false }],
      ['basic.nack', { deliveryTag: 5, multiple: false, requeue: false }],
      ['basic.nack', { deliveryTag: 6, multiple: false, requeue: false }],
    ])
  })

  test('are passed over by automatic acks, those that were not sent yet, too', () => {
    const { unacked, acks, metrics } = unackedWith(8)
    for (const tag of [1, 2, 3, 4, 5]) unacked.autoAck(tag, false)
    unacked.takeBack([3, 7])
    for (const tag of [6, 7, 8]) unacked.autoAck(tag, false)
    expect(acks()).toEqual([
      [2, true],
      [4, false],
      [5, false],
      [6, false],
      [8, false],
    ])
    expect([unacked.count, metrics.settled, metrics.staleSettlements]).toEqual([0, 7, 0])
  })

  test('are passed over by automatic acks around one that was rejected', () => {
    const { unacked, outbox, sent } = unackedWith(4)
    unacked.autoAck(1, false)
    unacked.settle(2, REJECT)
    unacked.autoAck(3, false)
    unacked.takeBack([3])
    outbox.flush()
    expect(sent.map(({ name, args }) => [name, args])).toEqual([
      ['basic.reject', { deliveryTag: 2, requeue: false }],
      ['basic.ack', { deliveryTag: 1, multiple: false }],
    ])
  })

  test('are not acked by an ack that is due, and to settle one of those again is still a mistake', () => {
    const { unacked, acks } = unackedWith(3)
    for (const tag of [1, 2, 3]) unacked.settle(tag, ACK)
    unacked.takeBack([2])
    expect(acks()).toEqual([
      [1, false],
      [3, false],
    ])
    expect(() => unacked.settle(2, ACK)).toThrow(AlreadySettledError)
  })

  test('leave those alone that were settled before', () => {
    const { unacked, acks, metrics } = unackedWith(3)
    unacked.settle(1, ACK)
    expect(acks()).toEqual([[1, false]])
    unacked.takeBack([1, 9])
    expect(() => unacked.settle(1, ACK)).toThrow(AlreadySettledError)
    unacked.settle(3, ACK_ALL)
    expect(acks()).toEqual([[3, true]])
    expect([metrics.settled, metrics.staleSettlements]).toEqual([3, 0])
  })
})
