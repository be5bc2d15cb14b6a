/** Covers the memory of what is outstanding: about as much as that is, whatever came and went. */
import { expect, test } from '@jest/globals'
import { Metrics } from '../../../src/connection/metrics.js'
import { Outbox } from '../../../src/connection/outbox.js'
import { DeliveryMarks, DUE, SETTLED } from '../../../src/session/delivery-marks.js'
import { type Settlement, UnackedDeliveries } from '../../../src/session/settlement.js'

const ACK: Settlement = { kind: 'ack', multiple: false }
const REJECT: Settlement = { kind: 'reject', requeue: false }

/** Takes no memory for what is sent. */
class SilentOutbox extends Outbox {
  frames = 0

  override method(): void {
    this.frames++
  }

  override gather(): void {}
}

/** The bytes of the buffers that `work` left behind. */
function bytesOf(work: () => void): number {
  const before = process.memoryUsage().arrayBuffers
  work()
  return process.memoryUsage().arrayBuffers - before
}

const MANY = 4_000_000

test.each([
  ['rejected', REJECT],
  ['acked', ACK],
])('millions of deliveries that are %s behind one that is outstanding take no memory', (_how, settlement) => {
  const outbox = new SilentOutbox(0, new Metrics())
  const unacked = new UnackedDeliveries(1, outbox, new Metrics())
  unacked.add(1)
  const bytes = bytesOf(() => {
    for (let tag = 2; tag <= MANY; tag++) {
      unacked.add(tag)
      unacked.settle(tag, settlement)
      if (tag % 100 === 0) unacked.onFlush()
    }
  })
  expect(bytes).toBeLessThan(65_536)
  expect(outbox.frames).toBe(MANY - 1)
  expect(unacked.outstanding()).toEqual([1])
})

test('a few that are outstanding all the time, each for long, take little memory', () => {
  const unacked = new UnackedDeliveries(1, new SilentOutbox(0, new Metrics()), new Metrics())
  const bytes = bytesOf(() => {
    for (let tag = 1; tag <= MANY; tag++) {
      unacked.add(tag)
      // One of 10,000 stays, until 10 others do.
      if (tag % 10_000 !== 0) unacked.settle(tag, REJECT)
      else if (tag > 100_000) unacked.settle(tag - 100_000, ACK)
    }
  })
  expect(bytes).toBeLessThan(65_536)
  expect(unacked.count).toBe(10)
})

test('as many as a window can hold take a byte or two each', () => {
  const unacked = new UnackedDeliveries(1, new SilentOutbox(0, new Metrics()), new Metrics())
  const bytes = bytesOf(() => {
    for (let tag = 1; tag <= 65_535; tag++) unacked.add(tag)
  })
  // The rings that it grew out of count until they are collected.
  expect(bytes).toBeLessThan(2 * 65_536 + 1024)
  expect(unacked.outstanding()).toHaveLength(65_535)
})

test('what moves out of the ring keeps its mark and its order', () => {
  const marks = new DeliveryMarks()
  for (let tag = 1; tag <= 64; tag++) marks.add(tag)
  for (let tag = 4; tag <= 60; tag++) marks.set(tag, SETTLED)
  marks.set(2, DUE)
  expect(marks.add(65)).toBe(false)
  marks.moveLate()
  expect(marks.add(65)).toBe(true)
  expect(marks.outstanding()).toEqual([1, 3, 61, 62, 63, 64, 65])
  expect([marks.get(2), marks.get(4), marks.lowest()]).toEqual([DUE, SETTLED, 1])
  for (const tag of [1, 2, 3]) marks.set(tag, SETTLED)
  expect([marks.hasLate, marks.lowest()]).toEqual([false, 61])
})
