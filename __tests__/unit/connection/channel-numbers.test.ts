/** Covers the numbers of channels: which come first, which are never given out, and the end of the supply. */
import { describe, expect, test } from '@jest/globals'
import { ChannelNumbers } from '../../../src/connection/channel-numbers.js'

describe('channel numbers', () => {
  test('begin behind the reserved ones, and end at the highest', () => {
    const numbers = new ChannelNumbers(2)
    numbers.max = 4
    expect([numbers.take(), numbers.take(), numbers.take()]).toEqual([3, 4, undefined])
  })

  test('that were used come again first, the latest of them before the others', () => {
    const numbers = new ChannelNumbers(0)
    numbers.max = 10
    for (let number = 1; number <= 4; number++) numbers.take()
    numbers.release(2)
    numbers.release(4)
    expect([numbers.take(), numbers.take(), numbers.take()]).toEqual([4, 2, 5])
  })

  test('that are reserved are never given out, also when they are released', () => {
    const numbers = new ChannelNumbers(2)
    numbers.max = 3
    numbers.release(1)
    numbers.release(2)
    expect([numbers.take(), numbers.take()]).toEqual([3, undefined])
  })

  test('that ran out are there again after a release', () => {
    const numbers = new ChannelNumbers(0)
    numbers.max = 1
    numbers.take()
    expect(numbers.take()).toBeUndefined()
    numbers.release(1)
    expect(numbers.take()).toBe(1)
  })

  test('are none before the highest is known', () => {
    expect(new ChannelNumbers(0).take()).toBeUndefined()
  })

  test('that were ever in use are told from those that never were', () => {
    const numbers = new ChannelNumbers(2)
    numbers.max = 10
    numbers.take()
    numbers.release(3)
    expect([3, 4].map(number => numbers.wasUsed(number))).toEqual([true, false])
  })
})
