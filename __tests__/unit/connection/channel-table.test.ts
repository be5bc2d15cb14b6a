/** Covers the table of channels: which come first, which are never given out, and the end of the supply. */
import { describe, expect, test } from '@jest/globals'
import type { Channel } from '../../../src/connection/channel.js'
import { ChannelTable } from '../../../src/connection/channel-table.js'

describe('channel numbers', () => {
  test('begin behind the reserved ones, and end at the highest', () => {
    const table = new ChannelTable(2)
    table.max = 4
    expect([table.takeNumber(), table.takeNumber(), table.takeNumber()]).toEqual([3, 4, undefined])
  })

  test('that were used come again first, the latest of them before the others', () => {
    const table = new ChannelTable(0)
    table.max = 10
    for (let number = 1; number <= 4; number++) table.takeNumber()
    table.remove(2)
    table.remove(4)
    expect([table.takeNumber(), table.takeNumber(), table.takeNumber()]).toEqual([4, 2, 5])
  })

  test('that are reserved are never given out, also when they are released', () => {
    const table = new ChannelTable(2)
    table.max = 3
    table.remove(1)
    table.remove(2)
    expect([table.takeNumber(), table.takeNumber()]).toEqual([3, undefined])
  })

  test('that ran out are there again after a release', () => {
    const table = new ChannelTable(0)
    table.max = 1
    table.takeNumber()
    expect(table.takeNumber()).toBeUndefined()
    table.remove(1)
    expect(table.takeNumber()).toBe(1)
  })

  test('are none before the highest is known', () => {
    expect(new ChannelTable(0).takeNumber()).toBeUndefined()
  })

  test('that were ever in use are told from those that never were', () => {
    const table = new ChannelTable(2)
    table.max = 10
    table.takeNumber()
    table.remove(3)
    expect([3, 4].map(number => table.wasUsed(number))).toEqual([true, false])
  })

  test('that are reserved count as used from when they are first opened', () => {
    const table = new ChannelTable(2)
    table.add({ number: 2 } as Channel)
    table.remove(2)
    expect([1, 2].map(number => table.wasUsed(number))).toEqual([false, true])
  })
})
