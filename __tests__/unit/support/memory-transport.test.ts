/** Covers the behaviour of the in-memory pair, on which the tests of the layers above rely. */
import { describe, expect, test } from '@jest/globals'
import type { Transport, TransportEvents } from '../../../src/transport-types.js'
import { memoryPair } from '../../support/memory/transport.js'

class Recorder implements TransportEvents {
  readonly log: string[] = []

  onData(chunk: Buffer): void {
    this.log.push(chunk.toString())
  }
  onDrain(): void {
    this.log.push('(drain)')
  }
  onClose(error?: Error): void {
    this.log.push(error === undefined ? '(close)' : `(close: ${error.message})`)
  }
}

/** Every microtask that is due, and those that they make, run before an immediate. */
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const bytes = (...texts: string[]): Buffer[] => texts.map(text => Buffer.from(text))

function started(): { left: Transport; right: Transport; atLeft: Recorder; atRight: Recorder } {
  const [left, right] = memoryPair()
  const atLeft = new Recorder()
  const atRight = new Recorder()
  left.start(atLeft)
  right.start(atRight)
  return { left, right, atLeft, atRight }
}

describe('a pair of memory transports', () => {
  test('carries bytes in order, in both directions', async () => {
    const { left, right, atLeft, atRight } = started()
    left.write(bytes('a'))
    left.write(bytes('b', 'c'))
    right.write(bytes('x'))
    await turn()
    expect(atRight.log).toEqual(['a', 'bc'])
    expect(atLeft.log).toEqual(['x'])
  })

  test('delivers in a later turn, never from within a write', async () => {
    const { left, atRight } = started()
    expect(left.write(bytes('a'))).toBe(true)
    expect(atRight.log).toEqual([])
    await turn()
    expect(atRight.log).toEqual(['a'])
  })

  test('delivers what was written, though the writer uses its memory for something else then', async () => {
    const { left, atRight } = started()
    const piece = Buffer.from('before')
    left.write([piece])
    piece.write('behind')
    await turn()
    expect(atRight.log).toEqual(['before'])
  })

  test('keeps what came before its owner began to listen', async () => {
    const [left, right] = memoryPair()
    left.start(new Recorder())
    left.write(bytes('early'))
    await turn()
    left.write(bytes('later'))
    await turn()
    const atRight = new Recorder()
    right.start(atRight)
    expect(atRight.log).toEqual([])
    await turn()
    expect(atRight.log).toEqual(['early', 'later'])
  })

  test('delivers nothing where nothing was written', async () => {
    const { left, atRight } = started()
    left.write([])
    left.write(bytes(''))
    await turn()
    expect(atRight.log).toEqual([])
  })

  test('sends what was written before the end, and closes both sides then', async () => {
    const { left, atLeft, atRight } = started()
    left.write(bytes('last words'))
    left.end()
    await turn()
    expect(atRight.log).toEqual(['last words', '(close)'])
    expect(atLeft.log).toEqual(['(close)'])
  })

  test('closes both sides once, however often it is destroyed', async () => {
    const { left, right, atLeft, atRight } = started()
    left.destroy()
    left.destroy()
    right.end()
    right.destroy()
    await turn()
    expect(atLeft.log).toEqual(['(close)'])
    expect(atRight.log).toEqual(['(close)'])
  })

  test('drops what comes after it was destroyed', async () => {
    const { left, right, atLeft, atRight } = started()
    left.destroy()
    right.write(bytes('too late'))
    left.write(bytes('too late'))
    await turn()
    expect(atLeft.log).toEqual(['(close)'])
    expect(atRight.log).toEqual(['(close)'])
  })

  test('tells one who begins to listen late that it is over', async () => {
    const [left, right] = memoryPair()
    left.start(new Recorder())
    left.destroy()
    await turn()
    const atRight = new Recorder()
    right.start(atRight)
    await turn()
    expect(atRight.log).toEqual(['(close)'])
  })

  test('keeps the order of what came before its owner began to listen and what comes just then', async () => {
    const [left, right] = memoryPair()
    left.start(new Recorder())
    left.write(bytes('first'))
    await turn()
    left.write(bytes('second'))
    const atRight = new Recorder()
    right.start(atRight)
    await turn()
    expect(atRight.log).toEqual(['first', 'second'])
  })

  test('delivers the last words of a peer that is gone before its owner began to listen', async () => {
    const [left, right] = memoryPair()
    left.start(new Recorder())
    left.write(bytes('last words'))
    left.end()
    await turn()
    const atRight = new Recorder()
    right.start(atRight)
    await turn()
    expect(atRight.log).toEqual(['last words', '(close)'])
  })
})
