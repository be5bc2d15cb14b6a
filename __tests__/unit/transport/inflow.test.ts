/** Covers where a socket's bytes are read to: shared slabs, and places of the receiver's own. */
import { describe, expect, test } from '@jest/globals'
import { Inflow } from '../../../src/transport/inflow.js'
import type { TransportEvents } from '../../../src/transport-types.js'

/** An inflow whose reads a test makes, as a socket would: each asks for room when the last one is done. */
function reading(room: () => Buffer | undefined = () => undefined) {
  const inflow = new Inflow()
  const { buffer, callback } = inflow.onread
  const next = buffer as () => Buffer
  const chunks: Buffer[] = []
  const events: TransportEvents = { onData: chunk => chunks.push(chunk), onDrain() {}, onClose() {}, room }
  let place = next()
  const read = (text: string): void => {
    const size = place.write(text)
    expect(callback(size, place)).toBe(true)
    place = next()
  }
  return { inflow, chunks, events, read, place: () => place }
}

const texts = (chunks: readonly Buffer[]): string[] => chunks.map(chunk => chunk.toString())

describe('small reads', () => {
  test('share a slab, and none overwrites another', () => {
    const { inflow, chunks, events, read } = reading()
    inflow.start(events)
    for (let index = 0; index < 5000; index++) read(`read ${index}`)
    expect(texts(chunks)).toEqual(Array.from({ length: 5000 }, (_, index) => `read ${index}`))
    expect(new Set(chunks.map(({ buffer }) => buffer)).size).toBeLessThan(30)
  })

  test('before anybody listens are not lost, and come in order', async () => {
    const { inflow, chunks, events, read } = reading()
    read('one')
    read('two')
    inflow.start(events)
    await Promise.resolve()
    read('three')
    expect(texts(chunks)).toEqual(['one', 'two', 'three'])
  })
})

test('slabs grow with the reads, to a limit, and shrink again', () => {
  const { inflow, events, read, place } = reading()
  inflow.start(events)
  expect(place().length).toBe(2048)
  for (let round = 0; round < 6; round++) read('x'.repeat(place().length))
  expect(place().length).toBe(65_536)
  read('x'.repeat(60_000))
  for (let round = 0; round < 700; round++) read('x'.repeat(100))
  expect(place().length).toBeLessThanOrEqual(4096)
})

test('what is read to a place of the receiver is passed on from there, and takes no room in the slab', () => {
  const own = Buffer.alloc(100)
  let wanted: Buffer | undefined
  const { inflow, chunks, events, read, place } = reading(() => wanted)
  inflow.start(events)
  read('before')
  const { length } = place()
  wanted = own
  read('still in the slab')
  expect(place()).toBe(own)
  wanted = undefined
  read('where it belongs')
  expect(own.toString('utf8', 0, 16)).toBe('where it belongs')
  expect(chunks.at(-1)?.buffer).toBe(own.buffer)
  expect(place().length).toBe(length - 'still in the slab'.length)
})
