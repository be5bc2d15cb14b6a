/** Covers the frames that give deliveries back: as few as possible, and for no others. */
import { describe, expect, test } from '@jest/globals'
import { AlreadySettledError } from '../../../src/errors.js'
import { ACK, NACK, unackedWith } from './unacked-with.js'

describe('giving deliveries back', () => {
  /** What is sent, in short. */
  const frames = ({ outbox, sent }: ReturnType<typeof unackedWith>) => {
    outbox.flush()
    return sent.splice(0).map(({ name, args }) => {
      if (name === 'basic.nack') return ['nack', args.deliveryTag, args.multiple, args.requeue]
      if (name === 'basic.ack') return ['ack', args.deliveryTag, args.multiple]
      throw new Error(`${name} came`)
    })
  }

  test('takes one frame where nothing else is outstanding before them', () => {
    const made = unackedWith(10)
    const { unacked, metrics } = made
    expect(unacked.giveBack([3, 1, 2, 4, 4])).toEqual({ count: 4, frames: 1 })
    expect(frames(made)).toEqual([['nack', 4, true, true]])
    expect([unacked.count, metrics.settled]).toEqual([6, 4])
    for (const tag of [1, 2, 3, 4]) expect(() => unacked.settle(tag, ACK)).toThrow(AlreadySettledError)
  })

  test('takes one frame for all that lie before another one, and one for each of the rest', () => {
    const made = unackedWith(6)
    expect(made.unacked.giveBack([1, 2, 4, 5])).toEqual({ count: 4, frames: 3 })
    expect(frames(made)).toEqual([
      ['nack', 2, true, true],
      ['nack', 4, false, true],
      ['nack', 5, false, true],
    ])
    expect(made.unacked.outstanding()).toEqual([3, 6])
  })

  test('of what its user may hold makes settling that late, not a mistake', () => {
    const made = unackedWith(5)
    const { unacked } = made
    unacked.settle(2, ACK)
    unacked.surrender([1, 3])
    expect(frames(made)).toEqual([
      ['ack', 2, false],
      ['nack', 3, true, true],
    ])
    expect([1, 3].map(tag => unacked.settle(tag, ACK))).toEqual([0, 0])
    expect(() => unacked.settle(2, ACK)).toThrow(AlreadySettledError)
    unacked.surrenderAll()
    expect([4, 5].map(tag => unacked.settle(tag, NACK))).toEqual([0, 0])
    expect(frames(made)).toEqual([['nack', 0, true, true]])
  })

  test('sweeps up nothing that was acked', () => {
    const made = unackedWith(5)
    const { unacked } = made
    unacked.settle(1, ACK)
    unacked.settle(3, ACK)
    expect(unacked.giveBack([2, 4])).toEqual({ count: 2, frames: 1 })
    expect(frames(made)).toEqual([
      ['ack', 1, false],
      ['ack', 3, false],
      ['nack', 4, true, true],
    ])
  })

  test('lets automatic acks go first', () => {
    const made = unackedWith(5)
    made.unacked.autoAck(1, false)
    made.unacked.autoAck(2, false)
    made.unacked.giveBack([3, 4, 5])
    expect(frames(made)).toEqual([
      ['ack', 2, true],
      ['nack', 5, true, true],
    ])
  })

  test('passes over those that are not outstanding', () => {
    const made = unackedWith(4)
    const { unacked } = made
    unacked.settle(1, ACK)
    unacked.settle(2, NACK)
    unacked.takeBack([3])
    frames(made)
    expect(unacked.giveBack([0, 1, 2, 3, 5, 2 ** 28])).toEqual({ count: 0, frames: 0 })
    expect(frames(made)).toEqual([])
    expect(unacked.giveBack([])).toEqual({ count: 0, frames: 0 })
  })

  test('goes past none that the broker has taken back', () => {
    const made = unackedWith(6)
    made.unacked.takeBack([3])
    expect(made.unacked.giveBack([1, 2, 4, 5])).toEqual({ count: 4, frames: 3 })
    expect(frames(made)).toEqual([
      ['nack', 2, true, true],
      ['nack', 4, false, true],
      ['nack', 5, false, true],
    ])
  })
})
