/** Covers publishes that were abandoned: they are gone at once, wherever they stand, and hold up nobody. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test } from '@jest/globals'
import type { Client } from '../../../src/index.js'
import { quiet } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { confirm, confirmBodies, holdBarriers } from '../../support/memory/publishes.js'
import { turns } from '../../support/memory/scripted-peer.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

afterEach(closeClients)

const CONFIRMED = 1
const COUNT = 2000
const BODY = Buffer.alloc(20_000, 'x')

/** The bytes outside the heap: those of slabs and bodies among them. */
async function bytesHeld(): Promise<number> {
  await turns()
  collectGarbage()
  await turns()
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

/** Publishes many that are abandoned, behind one that is not; returns what they left behind. */
async function abandonMany(client: Client): Promise<number> {
  const kept = quiet(client.basicPublish('', 'q', 'kept'))
  const before = await bytesHeld()
  const controller = new AbortController()
  const many = Array.from({ length: COUNT }, () =>
    client.basicPublish('', 'q', BODY, { signal: controller.signal }),
  )
  await turns()
  controller.abort()
  await Promise.allSettled(many)
  many.length = 0
  const after = await bytesHeld()
  void kept
  return after - before
}

test('what was abandoned while it waited is gone, behind one that waits', async () => {
  const { client, peer } = await connectToPeer()
  peer.send(0, 'connection.blocked', { reason: 'memory' })
  await turns()
  expect(await abandonMany(client)).toBeLessThan((COUNT * BODY.length) / 10)
  expect(client.metrics().pendingPublishes).toBe(1)
})

test('a publish that was abandoned in flight is still the one that a closed channel is about', async () => {
  const { client, peer } = await connectToPeer()
  const controller = new AbortController()
  const bad = client.basicPublish('', 'q', 'bad', { signal: controller.signal })
  const abandoned = expect(bad).rejects.toBe('enough')
  await peer.next('basic.publish')
  const good = client.basicPublish('', 'q', 'good')
  await peer.next('basic.publish')
  holdBarriers(peer)
  controller.abort('enough')
  await abandoned
  peer.closeChannel(CONFIRMED, 406, 'PRECONDITION_FAILED - no', 'basic.publish')
  peer.on('confirm.select', ({ channel }) => peer.send(channel, 'confirm.select-ok', {}))
  confirm(peer, await peer.next('basic.publish'))
  await expect(good).resolves.toBeUndefined()
})

test('one that is stuck holds up nobody, and its timeout is its end', async () => {
  const { client, peer } = await connectToPeer()
  const stuck = expect(client.basicPublish('', 'q', 'stuck', { timeout: 20 })).rejects.toMatchObject({
    code: 'TIMEOUT',
  })
  const risky = client.basicPublish('new', '', 'risky')
  await peer.several('basic.publish', 2)
  confirmBodies(peer, 'risky')
  await risky
  await stuck
  await client.drain()
})
