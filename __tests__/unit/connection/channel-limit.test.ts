/** Covers what is known of how many channels the broker lets a user have. */
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import type { Channel } from '../../../src/connection/channel.js'
import { ChannelLimit, ChannelLimits } from '../../../src/connection/channel-limit.js'
import { ChannelTable } from '../../../src/connection/channel-table.js'

afterEach(() => {
  jest.useRealTimers()
})

/** A channel in a table: open, and accepted by the broker or not yet. */
const channel = (number: number, isAccepted: boolean): Channel =>
  ({ number, isOpen: true, isAccepted }) as Channel

describe('a limit on channels', () => {
  test('is none at first, and none again when it is forgotten', () => {
    const limit = new ChannelLimit()
    expect(limit.count).toBe(Number.POSITIVE_INFINITY)
    limit.learn(3)
    expect(limit.count).toBe(3)
    limit.forget()
    expect(limit.count).toBe(Number.POSITIVE_INFINITY)
  })

  test('is the least that was learned, and never below none', () => {
    const limit = new ChannelLimit()
    const counts = [5, 7, 2, -1].map(count => {
      limit.learn(count)
      return limit.count
    })
    expect(counts).toEqual([5, 5, 2, 0])
  })

  test('of no channel at all is asked for again after a while, any other one is not', () => {
    jest.useFakeTimers()
    const [none, one] = [new ChannelLimit(), new ChannelLimit()]
    none.learn(0)
    one.learn(1)
    jest.advanceTimersByTime(4999)
    expect(none.count).toBe(0)
    jest.advanceTimersByTime(1)
    expect([none.count, one.count]).toEqual([Number.POSITIVE_INFINITY, 1])
    none.learn(0)
    expect(none.count).toBe(0)
  })

  test('is one for each connection of a client, and forgotten for all', () => {
    const limits = new ChannelLimits()
    limits.session.learn(4)
    expect(limits.publishing.count).toBe(Number.POSITIVE_INFINITY)
    limits.publishing.learn(1)
    limits.forget()
    expect([limits.session.count, limits.publishing.count]).toEqual([Infinity, Infinity])
  })
})

describe('a table of channels', () => {
  function tableWith(reserved: number, accepted: number[], refused: number[]) {
    const limit = new ChannelLimit()
    const table = new ChannelTable(reserved, limit)
    table.max = 100
    for (const number of accepted) table.add(channel(number, true))
    for (const number of refused) table.add(channel(number, false))
    return { table, limit }
  }

  test('gives out no more numbers than the limit allows, until one is free', () => {
    const { table, limit } = tableWith(0, [1, 2], [])
    limit.learn(2)
    expect(table.takeNumber()).toBeUndefined()
    table.remove(1)
    expect(table.takeNumber()).toBe(1)
  })

  test('learns from a refusal how many channels there may be: those that the broker has opened', () => {
    const { table, limit } = tableWith(2, [3, 4, 5], [6, 7])
    table.onRefused()
    expect(limit.count).toBe(3)
  })

  test('leaves room for a reserved channel that was refused', () => {
    const { table, limit } = tableWith(2, [3, 4, 5], [1])
    table.onRefused()
    expect(limit.count).toBe(2)
  })

  test('leaves room for a channel of another connection, each time anew', () => {
    const { table, limit } = tableWith(2, [3, 4, 5], [6])
    table.leaveRoom()
    expect(limit.count).toBe(2)
    table.leaveRoom()
    expect(limit.count).toBe(1)
  })
})
