/** Covers the guard around a user's transport: one that throws, one that closes twice, and one that does not end. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { GuardedTransport } from '../../../src/connection/guarded-transport.js'
import { ArgumentError } from '../../../src/errors.js'
import type { Transport, TransportEvents } from '../../../src/transport-types.js'

/** Runs what was put off until the code that is running is done. */
const microtasks = () => Promise.resolve()

/** How long a transport may take to end, in milliseconds. */
const PATIENCE = 3000

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] })
})
afterEach(() => {
  jest.useRealTimers()
})

/** A guarded transport of the test's own, what was asked of it, and what its owner was told. */
function begin(own: Partial<Transport> = {}) {
  const asked: string[] = []
  const told: unknown[] = []
  let inner: TransportEvents | undefined
  const guarded = new GuardedTransport({
    start: events => {
      asked.push('start')
      inner = events
    },
    write: pieces => {
      asked.push(`write ${Buffer.concat(pieces)}`)
      return true
    },
    end: () => asked.push('end'),
    destroy: () => asked.push('destroy'),
    ...own,
  })
  const room = Buffer.alloc(10)
  guarded.start({
    onData: chunk => told.push(`data ${chunk}`),
    room: () => room,
    onDrain: () => told.push('drain'),
    onClose: error => told.push(error?.message ?? 'closed'),
  })
  if (inner === undefined) throw new Error('the transport was not started')
  return { guarded, asked, told, room, events: inner }
}

describe('a guarded transport', () => {
  test('passes on everything, both ways', () => {
    const { guarded, asked, told, room, events } = begin()
    expect(guarded.write([Buffer.from('one '), Buffer.from('two')])).toBe(true)
    guarded.destroy()
    expect(asked).toEqual(['start', 'write one two', 'destroy'])
    events.onData(Buffer.from('x'))
    events.onDrain()
    expect(events.room?.()).toBe(room)
    events.onClose(new Error('reset'))
    expect(told).toEqual(['data x', 'drain', 'reset'])
  })

  test('passes on that a pause is wanted', async () => {
    const { guarded, told } = begin({ write: () => false })
    expect(guarded.write([Buffer.from('x')])).toBe(false)
    await microtasks()
    expect(told).toEqual([])
  })
})

describe('a transport that throws when it is written to', () => {
  const broken = {
    write: () => {
      throw new Error('the wire was cut')
    },
  }

  test('is closed with that error, later, and wants a pause until then', async () => {
    const { guarded, told } = begin(broken)
    expect(guarded.write([Buffer.from('x')])).toBe(false)
    expect(told).toEqual([])
    await microtasks()
    expect(told).toEqual(['the wire was cut'])
  })

  test('is closed once, however often it throws, and whatever it says itself', async () => {
    const { guarded, told, events } = begin(broken)
    for (let time = 0; time < 2; time++) expect(guarded.write([Buffer.from('x')])).toBe(false)
    await microtasks()
    guarded.write([Buffer.from('x')])
    events.onClose()
    await microtasks()
    expect(told).toEqual(['the wire was cut'])
  })
})

describe('a transport that throws when it is to end', () => {
  const fail = (): never => {
    throw new Error('not now')
  }

  test('is dropped, and closed with that error', async () => {
    const { guarded, asked, told } = begin({ end: fail })
    guarded.end()
    await microtasks()
    expect(told).toEqual(['not now'])
    expect(asked).toEqual(['start', 'destroy'])
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is closed with that error, where it throws when it is dropped', async () => {
    const { guarded, told } = begin({ destroy: fail })
    guarded.destroy()
    await microtasks()
    expect(told).toEqual(['not now'])
  })

  test('is dropped at once, where its last write threw', async () => {
    const { guarded, asked } = begin({ write: fail })
    guarded.write([Buffer.from('x')])
    guarded.end()
    await microtasks()
    expect(asked).toEqual(['start', 'end', 'destroy'])
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is not dropped, where it closes while it is asked to end', async () => {
    const closing = begin({ end: () => closing.events.onClose() })
    closing.guarded.end()
    await microtasks()
    expect(closing.told).toEqual(['closed'])
    expect(jest.getTimerCount()).toBe(0)
  })
})

test('a transport that closes again and again is closed once, in the manner of the first time', () => {
  const { told, events } = begin()
  events.onClose()
  events.onClose(new Error('late'))
  events.onClose()
  expect(told).toEqual(['closed'])
})

describe('a transport that is to end', () => {
  test('is destroyed when it does not, after a while and once', () => {
    const { guarded, asked } = begin()
    guarded.end()
    jest.advanceTimersByTime(PATIENCE - 1)
    expect(asked).toEqual(['start', 'end'])
    jest.advanceTimersByTime(1)
    expect(asked).toEqual(['start', 'end', 'destroy'])
    jest.advanceTimersByTime(10 * PATIENCE)
    expect(asked).toHaveLength(3)
  })

  test('is left alone when it does', () => {
    const { guarded, asked, told, events } = begin()
    guarded.end()
    jest.advanceTimersByTime(PATIENCE - 1)
    events.onClose()
    expect(jest.getTimerCount()).toBe(0)
    jest.advanceTimersByTime(10 * PATIENCE)
    expect(asked).toEqual(['start', 'end'])
    expect(told).toEqual(['closed'])
  })
})

describe('a transport that tells something while it is called', () => {
  test.each(['write', 'end', 'destroy'] as const)('is heard after the call, in order: %s', async method => {
    const early = begin({
      [method]: () => {
        early.events.onData(Buffer.from('a'))
        early.events.onDrain()
        early.events.onClose(new Error('reset'))
        early.events.onData(Buffer.from('b'))
        return true
      },
    })
    if (method === 'write') early.guarded.write([])
    else early.guarded[method]()
    expect(early.told).toEqual([])
    await microtasks()
    expect(early.told).toEqual(['data a', 'drain', 'reset'])
    expect(jest.getTimerCount()).toBe(0)
  })

  test('is heard before what comes behind that', async () => {
    const early = begin({ write: () => Boolean(early.events.onData(Buffer.from('a'))) })
    early.guarded.write([])
    early.events.onData(Buffer.from('b'))
    expect(early.told).toEqual([])
    await microtasks()
    early.events.onData(Buffer.from('c'))
    expect(early.told).toEqual(['data a', 'data b', 'data c'])
  })

  test('is heard also of what it tells in answer to that', async () => {
    const told: string[] = []
    let events: TransportEvents | undefined
    const guarded = new GuardedTransport({
      start: own => {
        events = own
        own.onData(Buffer.from('a'))
      },
      write: pieces => {
        events?.onData(Buffer.concat(pieces))
        return true
      },
      end: () => undefined,
      destroy: () => undefined,
    })
    guarded.start({
      onData: chunk => {
        told.push(String(chunk))
        if (told.length < 3) guarded.write([Buffer.from(`${chunk}+`)])
      },
      onDrain: () => undefined,
      onClose: () => undefined,
    })
    expect(told).toEqual([])
    await microtasks()
    expect(told).toEqual(['a', 'a+', 'a++'])
  })
})

test('a transport that has closed is not heard any more', () => {
  const { told, events } = begin()
  events.onClose()
  events.onData(Buffer.from('x'))
  events.onDrain()
  expect(events.room?.()).toBeUndefined()
  expect(told).toEqual(['closed'])
})

describe('a transport whose method is asynchronous and fails', () => {
  test.each(['start', 'write', 'end', 'destroy'] as const)('is closed with that error: %s', async method => {
    const asked: string[] = []
    const told: unknown[] = []
    const own = Object.fromEntries(
      ['start', 'write', 'end', 'destroy'].map(name => [
        name,
        async () => {
          asked.push(name)
          if (name === method) throw new Error('later')
        },
      ]),
    )
    const guarded = new GuardedTransport(own as unknown as Transport)
    guarded.start({
      onData: () => undefined,
      onDrain: () => undefined,
      onClose: error => told.push(error?.message),
    })
    if (method === 'write') expect(guarded.write([])).toBe(true)
    else if (method !== 'start') guarded[method]()
    await new Promise(process.nextTick)
    await microtasks()
    expect(told).toEqual(['later'])
    expect(asked.at(-1)).toBe('destroy')
    expect(jest.getTimerCount()).toBe(0)
  })
})

test('a transport that says nothing of a pause wants none', () => {
  const { guarded } = begin({ write: (() => undefined) as unknown as Transport['write'] })
  expect(guarded.write([])).toBe(true)
})

describe('what a transport tells', () => {
  test('may be bytes of another type than Buffer', () => {
    const { told, events } = begin()
    events.onData(new Uint8Array([0x61, 0x62, 0x63]).subarray(1) as Buffer)
    expect(told).toEqual(['data bc'])
  })

  test.each([['a text'], [undefined], [[1, 2]]])('and is no bytes breaks it: %p', async chunk => {
    const { told, asked, events } = begin()
    events.onData(chunk as unknown as Buffer)
    await microtasks()
    expect(told).toEqual([expect.stringContaining('onData was called with no Buffer')])
    expect(asked).toEqual(['start', 'destroy'])
  })

  test('is no error where its close has null for one', () => {
    const { told, events } = begin()
    events.onClose(null as unknown as undefined)
    expect(told).toEqual(['closed'])
  })
})

test.each([[undefined], [null], ['a socket'], [{ start() {}, write() {}, end() {} }]])(
  'what is no transport is refused at once: %p',
  own => {
    expect(() => new GuardedTransport(own as unknown as Transport)).toThrow(ArgumentError)
  },
)
