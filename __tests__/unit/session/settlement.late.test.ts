/** Covers deliveries that stay outstanding while many behind them come and go. */
import { describe, expect, test } from '@jest/globals'
import { AlreadySettledError } from '../../../src/errors.js'
import { ACK, ACK_ALL, NACK, NACK_ALL, REJECT, unackedWith } from './unacked-with.js'

/** Some that are outstanding while thousands behind them came and went. */
function unackedBehind(old: number) {
  const made = unackedWith(old)
  const { unacked, acks } = made
  for (let tag = old + 1; tag <= 5000; tag++) {
    unacked.add(tag)
    unacked.settle(tag, ACK)
    if (tag % 10 === 0) acks()
  }
  return made
}

describe('deliveries that stay outstanding long after those behind them', () => {
  test('are settled as any other', () => {
    const { unacked, outbox, sent } = unackedBehind(5)
    expect(unacked.outstanding()).toEqual([1, 2, 3, 4, 5])
    unacked.settle(2, REJECT)
    unacked.settle(4, NACK)
    unacked.settle(3, ACK)
    for (const tag of [2, 3, 4, 4000]) expect(() => unacked.settle(tag, ACK)).toThrow(AlreadySettledError)
    outbox.flush()
    expect(sent.map(({ name, args }) => [name, args])).toEqual([
      ['basic.reject', { deliveryTag: 2, requeue: false }],
      ['basic.nack', { deliveryTag: 4, multiple: false, requeue: true }],
      ['basic.ack', { deliveryTag: 3, multiple: false }],
    ])
    expect(unacked.outstanding()).toEqual([1, 5])
  })

  test('are acked as one with those behind them, when none is left between', () => {
    const { unacked, acks } = unackedBehind(5)
    for (const tag of [5001, 5002, 5003]) unacked.add(tag)
    for (const tag of [5001, 2, 1, 3]) unacked.settle(tag, ACK)
    expect(acks()).toEqual([
      [3, true],
      [5001, false],
    ])
    for (const tag of [5002, 4, 5]) unacked.settle(tag, ACK)
    expect(acks()).toEqual([[5002, true]])
    expect(unacked.outstanding()).toEqual([5003])
  })

  test('are covered by what settles all up to a later one', () => {
    for (const how of [ACK_ALL, NACK_ALL]) {
      const { unacked, outbox, sent, metrics } = unackedBehind(5)
      unacked.add(5001)
      expect(unacked.settle(5001, how)).toBe(6)
      outbox.flush()
      expect(sent.map(({ args }) => args)).toEqual([
        expect.objectContaining({ deliveryTag: 5001, multiple: true }),
      ])
      expect([unacked.count, metrics.settled]).toEqual([0, 5001])
    }
  })

  test('are spared by what settles all up to one of them', () => {
    for (const how of [ACK_ALL, NACK_ALL]) {
      const { unacked, outbox, sent } = unackedBehind(5)
      expect(unacked.settle(3, how)).toBe(3)
      outbox.flush()
      expect(sent.map(({ args }) => args)).toEqual([
        expect.objectContaining({ deliveryTag: 3, multiple: true }),
      ])
      expect(unacked.outstanding()).toEqual([4, 5])
    }
  })

  test('are covered by automatic acks', () => {
    const { unacked, acks } = unackedBehind(5)
    unacked.add(5001)
    unacked.autoAck(5001, false)
    expect(acks()).toEqual([[5001, true]])
    expect(unacked.count).toBe(0)
  })
})

test('acks that are due leave before room is made for further deliveries, where few are outstanding', () => {
  const { unacked, sent, outbox } = unackedWith(64)
  for (let tag = 2; tag <= 61; tag++) unacked.settle(tag, tag <= 20 ? ACK : REJECT)
  unacked.add(65)
  unacked.settle(1, REJECT)
  outbox.flush()
  const acks = sent.filter(({ name }) => name === 'basic.ack').map(({ args }) => args)
  expect(acks).toHaveLength(19)
  expect(sent.at(-1)?.args).toEqual({ deliveryTag: 1, requeue: false })
})
