/** Covers how much may be in flight after a lost connection: where it begins, how it grows, what takes no room, its end. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { InFlightWindow } from '../../../src/publishing/in-flight-window.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import { bodiesOf, confirm, confirmBodies, placesOf } from '../../support/memory/publishes.js'
import { type ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { messageOf } from '../../support/wire/messages.js'

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
})

afterEach(async () => {
  await closeBareClients()
  jest.useRealTimers()
})

function windowOf({ open = false, stale = 0 } = {}) {
  const host = {
    stale,
    rooms: 0,
    aged: false,
    age: () => {
      host.aged = true
    },
    countStale: () => (host.aged ? host.stale : 0),
    onRoom: () => {
      host.rooms++
    },
  }
  return { window: new InFlightWindow(open, host), host }
}

/** How many may be in flight. */
function roomOf(window: InFlightWindow): number {
  let room = 0
  while (room < 10_000 && window.hasRoom(room)) room++
  return room
}

describe('a window', () => {
  test('that is open has room for any number, and needs no timer', () => {
    const { window } = windowOf({ open: true })
    expect(window.isOpen).toBe(true)
    expect(window.hasRoom(1e6)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('has half the room before anything is answered, then 64, and doubles with each second', () => {
    const { window } = windowOf()
    expect(roomOf(window)).toBe(32)
    window.onProgress()
    expect(roomOf(window)).toBe(64)
    jest.advanceTimersByTime(1000)
    expect(roomOf(window)).toBe(64)
    window.onProgress()
    expect(roomOf(window)).toBe(128)
    jest.advanceTimersByTime(2000)
    window.onProgress()
    expect(roomOf(window)).toBe(512)
    expect(window.isOpen).toBe(false)
  })

  test('stays open once it is open', () => {
    const { window } = windowOf()
    window.open()
    window.onProgress()
    expect(window.isOpen).toBe(true)
    expect(window.hasRoom(1e6)).toBe(true)
  })

  test('has no timer before it is full, one while it is, and none once it is open', () => {
    const { window, host } = windowOf()
    window.onProgress()
    expect(window.hasRoom(63)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
    for (let time = 0; time < 3; time++) expect(window.hasRoom(64)).toBe(false)
    expect(jest.getTimerCount()).toBe(1)
    window.open()
    expect(jest.getTimerCount()).toBe(0)
    jest.advanceTimersByTime(10_000)
    expect(host.rooms).toBe(0)
  })

  test('has more room after a second by as many as are in flight for long', () => {
    const { window, host } = windowOf({ stale: 5 })
    expect(window.hasRoom(64)).toBe(false)
    jest.advanceTimersByTime(999)
    expect([host.rooms, roomOf(window)]).toEqual([0, 32])
    jest.advanceTimersByTime(1)
    expect([host.rooms, roomOf(window)]).toEqual([1, 37])
    host.stale = 2
    jest.advanceTimersByTime(1000)
    expect([host.rooms, roomOf(window)]).toEqual([2, 34])
  })

  test('has no cap', () => {
    const { window } = windowOf()
    jest.advanceTimersByTime(20_000)
    window.onProgress()
    expect(window.hasRoom(64 * 2 ** 20 - 1)).toBe(true)
    expect(window.hasRoom(64 * 2 ** 20)).toBe(false)
  })

  test.each([true, false])('is empty where only what is in flight for long is (open: %p)', open => {
    const { window, host } = windowOf({ open, stale: 2 })
    expect(window.isEmpty(0)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
    expect(window.isEmpty(2)).toBe(false)
    expect(jest.getTimerCount()).toBe(1)
    jest.advanceTimersByTime(1000)
    expect(host.rooms).toBe(1)
    expect(window.isEmpty(2)).toBe(true)
    expect(jest.getTimerCount()).toBe(0)
    expect(window.isEmpty(3)).toBe(false)
    expect(jest.getTimerCount()).toBe(1)
    // One of these was confirmed meanwhile.
    host.stale = 1
    expect(window.isEmpty(2)).toBe(false)
    expect(window.isEmpty(1)).toBe(true)
    window.end()
    expect(jest.getTimerCount()).toBe(0)
  })
})

/** So many publishes are in flight, and the connection is lost; its successor confirms nothing by itself. */
async function lostWith(count: number) {
  const { client, hosts, peer, heard } = await connectedBareClient()
  const publish = (body: string): Promise<void> =>
    quiet(client.publish(messageOf(body, { exchange: '' }), true, {}))
  const publishes = Array.from({ length: count }, (_, at) => publish(`${at}`))
  await peer.several('basic.publish', count)
  peer.hangUp()
  // The attempt to connect waits for a timer of no length.
  await turns()
  await jest.advanceTimersByTimeAsync(1)
  await heard('recovered a:5672')
  const next = await hosts.next()
  await turns()
  return { client, next, publish, publishes }
}

function confirmUpTo(peer: ScriptedPeer, count: number): void {
  const publish = peer.all('basic.publish')[count - 1]
  if (publish !== undefined) confirm(peer, publish, true)
}

describe('after a lost connection', () => {
  test('64 are sent again, then more the longer it lasts, until all are; then there is no bound', async () => {
    const { client, next, publish, publishes } = await lostWith(500)
    expect(bodiesOf(next)).toHaveLength(64)
    await jest.advanceTimersByTimeAsync(900)
    expect(bodiesOf(next)).toHaveLength(64)
    confirmUpTo(next, 10)
    await turns()
    // 64 * 2 ** 0.9 may be in flight, behind 10 that are not any more.
    expect(bodiesOf(next)).toHaveLength(10 + 120)
    await jest.advanceTimersByTimeAsync(950)
    confirmUpTo(next, 130)
    await turns()
    // 64 * 2 ** 1.85
    expect(bodiesOf(next)).toHaveLength(130 + 231)
    confirmUpTo(next, 361)
    await turns()
    expect(bodiesOf(next)).toEqual(publishes.map((_, at) => `${at}`))
    for (let index = 0; index < 300; index++) void publish(`new ${index}`)
    await turns()
    expect(bodiesOf(next)).toHaveLength(800)
    expect(jest.getTimerCount()).toBe(0)
    confirmUpTo(next, 800)
    await Promise.all(publishes)
    expect(client.metrics.resent).toBe(500)
  })

  test('those that are never confirmed take no room after a while', async () => {
    const { next } = await lostWith(200)
    expect(bodiesOf(next)).toHaveLength(64)
    await jest.advanceTimersByTimeAsync(1000)
    await turns()
    expect(bodiesOf(next)).toHaveLength(64)
    await jest.advanceTimersByTimeAsync(1000)
    await turns()
    expect(bodiesOf(next)).toHaveLength(128)
    await jest.advanceTimersByTimeAsync(2000)
    await turns()
    expect(bodiesOf(next)).toHaveLength(192)
    await jest.advanceTimersByTimeAsync(2000)
    await turns()
    expect(bodiesOf(next)).toHaveLength(200)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('there is no bound where nothing waited for the connection', async () => {
    const { next, publish } = await lostWith(0)
    for (let index = 0; index < 300; index++) void publish(`new ${index}`)
    await turns()
    expect(bodiesOf(next)).toHaveLength(300)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('no timer is left when the client is closed', async () => {
    const { client, next } = await lostWith(100)
    expect(jest.getTimerCount()).toBe(1)
    await closeBareClients()
    expect(jest.getTimerCount()).toBe(0)
    expect(client.isAlive).toBe(false)
    expect(bodiesOf(next)).toHaveLength(64)
  })
})

test('a suspect is not tried beside one that waits for its confirm, where what was stuck before is confirmed late', async () => {
  const { client, hosts, peer, heard } = await connectedBareClient()
  const publish = (body: string, exchange = ''): Promise<void> =>
    quiet(client.publish(messageOf(body, { exchange }), true, {}))
  // Barriers behind the first two are answered: the last two are the suspects.
  const publishes = [publish('stuck'), publish('new', 'new'), publish('0'), publish('1')]
  await peer.several('basic.publish', 4)
  await turns()
  peer.closeConnection(541, 'INTERNAL_ERROR', 'basic.publish')
  await turns()
  await jest.advanceTimersByTimeAsync(1)
  await heard('recovered a:5672')
  const next = await hosts.next()
  await turns()
  expect(placesOf(next)).toEqual(['1:stuck', '1:new'])
  confirmBodies(next, 'new')
  await jest.advanceTimersByTimeAsync(2000)
  await turns()
  expect(placesOf(next).slice(2)).toEqual(['3:0'])
  confirmBodies(next, 'stuck')
  await turns()
  expect(placesOf(next).slice(2)).toEqual(['3:0'])
  confirmBodies(next, '0')
  await turns()
  expect(placesOf(next).slice(2)).toEqual(['3:0', '4:1'])
  confirmBodies(next, '1')
  await Promise.all(publishes)
})
