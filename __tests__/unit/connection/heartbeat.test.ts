/** Covers the heartbeat on a clock that the test turns: what is sent when idle, when the peer is dead, and when it is not. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { Heartbeat } from '../../../src/connection/heartbeat.js'
import { ConnectionBrokenError } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { turns } from '../../support/memory/scripted-peer.js'

const INTERVAL = 10

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'clearImmediate', 'queueMicrotask', 'nextTick'] })
})
afterEach(async () => {
  await closeClients()
  jest.useRealTimers()
})

function begin() {
  const host = {
    writes: 0,
    sent: 0,
    silence: undefined as number | undefined,
    sendHeartbeat() {
      host.sent++
      host.writes++
    },
    onPeerDead(silence: number) {
      host.silence = silence
    },
  }
  const heartbeat = new Heartbeat(host, INTERVAL)
  /** Seconds go by, with something from the peer now and then. */
  const pass = (seconds: number, hearEvery = 1): void => {
    for (let second = 1; second <= seconds; second++) {
      jest.advanceTimersByTime(1000)
      if (second % hearEvery === 0) heartbeat.onData()
    }
  }
  return { host, heartbeat, pass }
}

describe('a heartbeat', () => {
  test('is sent at least once per interval when nothing else is', () => {
    const { host, pass } = begin()
    pass(10 * INTERVAL)
    expect(host.sent).toBeGreaterThanOrEqual(10)
    expect(host.sent).toBeLessThanOrEqual(20)
  })

  test('is not sent while other things are', () => {
    const { host, pass } = begin()
    for (let second = 0; second < 5 * INTERVAL; second++) {
      host.writes++
      pass(1)
    }
    expect(host.sent).toBe(0)
    pass(INTERVAL)
    expect(host.sent).toBeGreaterThanOrEqual(1)
  })

  test('is not sent any more when it is stopped, and nobody is dead then', () => {
    const { host, heartbeat, pass } = begin()
    heartbeat.stop()
    pass(10 * INTERVAL, 1000)
    expect(host).toMatchObject({ sent: 0, silence: undefined })
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('a peer', () => {
  test('is dead after two intervals of silence, and not before', () => {
    const { host, pass } = begin()
    pass(2 * INTERVAL - 1, 1000)
    expect(host.silence).toBeUndefined()
    pass(1, 1000)
    expect(host.silence).toBe(2 * INTERVAL * 1000)
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is alive as long as anything comes within two intervals', () => {
    const { host, pass } = begin()
    pass(20 * INTERVAL, 2 * INTERVAL - 1)
    expect(host.silence).toBeUndefined()
  })

  test('is dead though we keep writing', () => {
    const { host } = begin()
    for (let second = 0; second < 3 * INTERVAL; second++) {
      host.writes++
      jest.advanceTimersByTime(1000)
    }
    expect(host.silence).toBeDefined()
  })
})

describe('a connection with a heartbeat', () => {
  test('sends the frame of AMQP when it is idle', async () => {
    const { peer } = await connectToPeer({ heartbeat: INTERVAL })
    peer.writes.length = 0
    jest.advanceTimersByTime(INTERVAL * 1000)
    await turns()
    expect(peer.writes.map(write => write.toString('hex'))).toContain('08000000000000ce')
  })

  test('ends when the peer goes silent, and drops its transport', async () => {
    const { client, peer } = await connectToPeer({ heartbeat: INTERVAL })
    peer.on('queue.declare', () => undefined)
    const declared = quiet(client.queueDeclare('q'))
    await peer.next('queue.declare')
    jest.advanceTimersByTime(2 * INTERVAL * 1000)
    await expect(declared).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      message: expect.stringContaining('nothing came from the broker for 20.0 s (heartbeat)'),
    })
    await client.closed
    await turns()
    expect(peer.clientGone).toBe(true)
  })

  test('takes a heartbeat of the peer for a sign of life, and answers nothing', async () => {
    const { client, peer } = await connectToPeer({ heartbeat: INTERVAL })
    const heartbeat = peer.frame(8, 0, Buffer.alloc(0))
    for (let second = 0; second < 5 * INTERVAL; second++) {
      jest.advanceTimersByTime(1000)
      peer.raw(heartbeat)
      await turns(1)
    }
    await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  })

  test('has none where the client asks for none', async () => {
    await connectToPeer({ heartbeat: 0 }, { tune: { heartbeat: 5 } })
    expect(jest.getTimerCount()).toBe(0)
  })
})

describe('an event loop of our own that was blocked', () => {
  test('is not the death of the peer; its silence afterwards is', () => {
    const { host, pass } = begin()
    const clock = performance.now.bind(performance)
    let lost = 0
    const spy = jest.spyOn(performance, 'now').mockImplementation(() => clock() + lost)
    pass(INTERVAL / 2)
    // A minute goes by before the timer fires, late; what came meanwhile is not read yet.
    lost = 60_000
    pass(2 * INTERVAL - 1, 1000)
    expect(host.silence).toBeUndefined()
    pass(1, 1000)
    expect(host.silence).toBe(2 * INTERVAL * 1000)
    spy.mockRestore()
  })
})
