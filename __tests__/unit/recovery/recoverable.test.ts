/** Covers the list of what survives a lost connection: its order, what is waited for, and what is told of the end. */
import { describe, expect, test } from '@jest/globals'
import { ConnectionBrokenError } from '../../../src/errors.js'
import { type Recoverable, RecoverableList } from '../../../src/recovery/recoverable.js'
import type { Session } from '../../../src/session/session.js'
import { type Deferred, defer, quiet } from '../../../src/util/promise.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

const lost = new ConnectionBrokenError('the broker hung up')
const loss = { reason: lost, blamed: [] }

/** A list of three parts, and what they were told, in order. The parts named in `slow` wait for the test. */
function begin(...slow: readonly string[]) {
  const log: string[] = []
  const attaching = new Map<string, Deferred<void>>()
  const idling = new Map<string, Deferred<void>>()
  const seen = new Set<unknown>()
  const session = { endReason: undefined as ConnectionBrokenError | undefined }
  const partOf = (name: string): Recoverable => ({
    prepare: on => {
      seen.add(on)
      log.push(`prepare ${name}`)
    },
    attach: on => {
      seen.add(on)
      log.push(`attach ${name}`)
      if (!slow.includes(name)) return undefined
      const attached = defer<void>()
      attaching.set(name, attached)
      return attached.promise
    },
    detach: told => {
      seen.add(told)
      log.push(`detach ${name}`)
    },
    end: told => {
      seen.add(told)
      log.push(`end ${name}`)
    },
    idle: () => {
      log.push(`idle ${name}`)
      const idle = defer<void>()
      idling.set(name, idle)
      return idle.promise
    },
  })
  const { prepare, ...unprepared } = partOf('b')
  const list = new RecoverableList([partOf('a'), unprepared, partOf('c')])
  const giveUp = new AbortController()
  const attach = () => list.attach(session as unknown as Session, giveUp.signal, () => log.push('attached'))
  return { list, attach, giveUp, session, log, attaching, idling, seen }
}

const PREPARED = ['prepare a', 'prepare c']

describe('attaching', () => {
  test('prepares all, then attaches one after the other, all to the same session', async () => {
    const { attach, session, log, seen } = begin()
    await attach()
    expect(log).toEqual([...PREPARED, 'attach a', 'attach b', 'attach c', 'attached'])
    expect([...seen]).toEqual([session])
  })

  test('is done in one go where nothing takes time', () => {
    const { attach, log } = begin()
    void attach()
    expect(log.at(-1)).toBe('attached')
  })

  test('waits for each that takes time before the next one', async () => {
    const { attach, log, attaching } = begin('a', 'c')
    let done = false
    const attached = attach().then(() => {
      done = true
    })
    await turns()
    expect(log).toEqual([...PREPARED, 'attach a'])
    attaching.get('a')?.resolve()
    await turns()
    expect(log.slice(2)).toEqual(['attach a', 'attach b', 'attach c'])
    expect(done).toBe(false)
    attaching.get('c')?.resolve()
    await attached
    expect(log.at(-1)).toBe('attached')
  })

  test('stops where the session is lost meanwhile, whatever became of the part', async () => {
    const { attach, session, log, attaching } = begin('b')
    const attached = errorOf(attach())
    session.endReason = lost
    attaching.get('b')?.resolve()
    expect(await attached).toBe(lost)
    expect(log.slice(2)).toEqual(['attach a', 'attach b'])
  })

  test('stops where a part says that the session is lost', async () => {
    const { attach, log, attaching } = begin('b')
    const attached = errorOf(attach())
    const error = new ConnectionBrokenError('queueDeclare: the connection was lost')
    attaching.get('b')?.reject(error)
    expect(await attached).toBe(error)
    expect(log).not.toContain('attach c')
  })

  test('stops at once where it is given up, and not only when the part is done', async () => {
    const { attach, giveUp, log, attaching } = begin('b')
    const attached = errorOf(attach())
    const reason = new Error('closed')
    giveUp.abort(reason)
    expect(await attached).toBe(reason)
    attaching.get('b')?.resolve()
    await turns()
    expect(log.slice(2)).toEqual(['attach a', 'attach b'])
  })
})

describe('detaching', () => {
  test('is told to all that are attached, the last one first, with the loss', async () => {
    const { list, attach, log, seen } = begin()
    await attach()
    log.length = 0
    seen.clear()
    list.detach(loss)
    expect(log).toEqual(['detach c', 'detach b', 'detach a'])
    expect([...seen]).toEqual([loss])
  })

  test('is told also to the one that is being attached, but not to those after it', async () => {
    const { list, attach, giveUp, log } = begin('b')
    const attached = quiet(attach())
    log.length = 0
    list.detach(loss)
    expect(log).toEqual(['detach b', 'detach a'])
    giveUp.abort()
    await errorOf(attached)
  })

  test('is told also to the one that could not even begin', async () => {
    const told: string[] = []
    const failing: Recoverable = {
      attach: () => {
        throw lost
      },
      detach: () => told.push('detach'),
      end: () => undefined,
      idle: () => Promise.resolve(),
    }
    const list = new RecoverableList([failing])
    const session = { endReason: undefined } as unknown as Session
    expect(await errorOf(list.attach(session, new AbortController().signal, () => undefined))).toBe(lost)
    list.detach(loss)
    expect(told).toEqual(['detach'])
  })

  test('is told once for each session, and not at all where nothing was attached', async () => {
    const { list, attach, log } = begin()
    list.detach(loss)
    expect(log).toEqual([])
    for (let session = 0; session < 2; session++) {
      await attach()
      log.length = 0
      list.detach(loss)
      list.detach(loss)
      expect(log).toEqual(['detach c', 'detach b', 'detach a'])
    }
  })
})

describe('the end', () => {
  test('is told to all, the last one first, whether they are attached or not', async () => {
    const { list, log, seen } = begin()
    list.end(loss)
    expect(log).toEqual(['end c', 'end b', 'end a'])
    expect([...seen]).toEqual([loss])
  })

  test('is told in place of a detaching', async () => {
    const { list, attach, log } = begin()
    await attach()
    log.length = 0
    list.end(loss)
    list.detach(loss)
    expect(log).toEqual(['end c', 'end b', 'end a'])
  })
})

test('a detaching, an end and what is prepared are told to all, also where one throws', async () => {
  const told: string[] = []
  const tell = (text: string): never => {
    told.push(text)
    throw new Error('a part that throws')
  }
  const partOf = (name: string): Recoverable => ({
    prepare: () => tell(`prepare ${name}`),
    attach: () => undefined,
    detach: () => tell(`detach ${name}`),
    end: () => tell(`end ${name}`),
    idle: () => Promise.resolve(),
  })
  const list = new RecoverableList([partOf('a'), partOf('b')])
  const session = { endReason: undefined } as unknown as Session
  await list.attach(session, new AbortController().signal, () => told.push('attached'))
  list.detach(loss)
  list.end(loss)
  expect(told).toEqual(['prepare a', 'prepare b', 'attached', 'detach b', 'detach a', 'end b', 'end a'])
})

test('the list is idle when its parts are, asked one after the other', async () => {
  const { list, log, idling } = begin()
  let done = false
  const idle = list.idle().then(() => {
    done = true
  })
  for (const [place, name] of ['a', 'b', 'c'].entries()) {
    await turns()
    expect(log).toEqual(['idle a', 'idle b', 'idle c'].slice(0, place + 1))
    expect(done).toBe(false)
    idling.get(name)?.resolve()
  }
  await idle
})
