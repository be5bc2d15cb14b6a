/** Covers how long those behind a trial wait for its answer, and that its timer does not outlive it. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { NotFoundError } from '../../../src/errors.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import {
  answerBarrier,
  confirmAll,
  confirmBodies,
  exchangeMissing,
  holdBarriers,
  outcomeOf,
  placesOf,
} from '../../support/memory/publishes.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { messageOf } from '../../support/wire/messages.js'

const TRIAL = 3

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] })
})

afterEach(async () => {
  await closeBareClients()
  jest.useRealTimers()
})

/** A publish is tried, another one waits behind it, and the broker answers no barrier. */
async function trying() {
  const connected = await connectedBareClient()
  const { client, peer } = connected
  const publish = (body: string, exchange = ''): Promise<unknown> =>
    outcomeOf(quiet(client.publish(messageOf(body, { exchange }), true, {})))
  holdBarriers(peer)
  const outcomes = [publish('risky', 'new'), publish('behind')]
  await turns()
  expect(placesOf(peer)).toEqual(['3:risky'])
  expect(jest.getTimerCount()).toBe(1)
  return { ...connected, publish, outcomes }
}

describe('a trial that is not answered', () => {
  test('holds up what is behind it for a second, and no longer', async () => {
    const { peer, outcomes } = await trying()
    await jest.advanceTimersByTimeAsync(999)
    await turns()
    expect(placesOf(peer)).toEqual(['3:risky'])
    await jest.advanceTimersByTimeAsync(1)
    await turns()
    expect(placesOf(peer)).toEqual(['3:risky', '1:behind'])
    expect(jest.getTimerCount()).toBe(0)
    confirmBodies(peer, 'behind', 'risky')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
  })

  test('proves nothing when its answer comes late: what is like it has a trial of its own', async () => {
    const { peer, publish, outcomes } = await trying()
    await jest.advanceTimersByTimeAsync(1000)
    await turns()
    answerBarrier(peer, TRIAL)
    outcomes.push(publish('like it', 'new'))
    await turns()
    answerBarrier(peer, 1)
    await turns()
    expect(placesOf(peer)).toEqual(['3:risky', '1:behind', '4:like it'])
    confirmBodies(peer, 'risky', 'behind', 'like it')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed', 'confirmed'])
  })

  test('fails alone when it is refused late', async () => {
    const { peer, outcomes } = await trying()
    await jest.advanceTimersByTimeAsync(1000)
    await turns()
    exchangeMissing(peer, TRIAL, 'new')
    await turns()
    confirmBodies(peer, 'behind')
    expect(await Promise.all(outcomes)).toEqual([NotFoundError, 'confirmed'])
    expect(placesOf(peer)).toEqual(['3:risky', '1:behind'])
  })
})

describe('no timer is left', () => {
  test('when it is answered', async () => {
    const { peer, outcomes } = await trying()
    answerBarrier(peer, TRIAL)
    await turns()
    expect(placesOf(peer)).toEqual(['3:risky', '1:behind'])
    expect(jest.getTimerCount()).toBe(0)
    confirmBodies(peer, 'behind', 'risky')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
  })

  test('when it is refused', async () => {
    const { peer, outcomes } = await trying()
    exchangeMissing(peer, TRIAL, 'new')
    await turns()
    expect(jest.getTimerCount()).toBe(0)
    confirmBodies(peer, 'behind')
    expect(await Promise.all(outcomes)).toEqual([NotFoundError, 'confirmed'])
  })

  test('when the client is closed', async () => {
    await trying()
    await closeBareClients()
    expect(jest.getTimerCount()).toBe(0)
  })

  test('when the connection is lost', async () => {
    const { peer, hosts, heard, outcomes } = await trying()
    hosts.prepare = next => confirmAll(next)
    peer.hangUp()
    await turns()
    // The attempt to connect waits for a timer of no length.
    await jest.advanceTimersByTimeAsync(1)
    await heard('recovered a:5672')
    expect(await Promise.all(outcomes)).toEqual(['confirmed', 'confirmed'])
    await turns()
    expect(jest.getTimerCount()).toBe(0)
  })
})
