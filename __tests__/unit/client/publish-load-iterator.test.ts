/** Covers what becomes of the iterator of publishMany: its errors, its end before its time, and an aborted signal. */
import { describe, expect, test } from '@jest/globals'
import type { PublishManyMessage } from '../../../src/options.js'
import { PublishManyError } from '../../../src/publish-many-error.js'
import { quiet } from '../../../src/util/promise.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { errorOf, gate } from '../../support/outcome.js'
import { cleaning, cleaningLater, MemoryHost, messageOf, messagesOf, watch } from './load-host.js'

const REASON = new Error('changed my mind')

const unreadable = {
  get done(): boolean {
    throw REASON
  },
}

describe('an iterator', () => {
  test('that throws ends the load with its error, when what is in flight has settled', async () => {
    for (const kind of ['sync', 'async']) {
      const host = new MemoryHost()
      const sync = function* () {
        yield messageOf(0)
        throw REASON
      }
      const async = async function* () {
        yield* sync()
      }
      const rejected = errorOf(host.load(kind === 'sync' ? sync() : async()))
      const seen = watch(rejected)
      await turns()
      expect(seen.settled).toBe(false)
      host.oldest.confirm()
      expect(await rejected).toBe(REASON)
    }
  })

  test.each<[string, symbol, () => unknown]>([
    ['no object', Symbol.iterator, () => 5],
    ['no object', Symbol.asyncIterator, () => 5],
    ['a promise of no object', Symbol.asyncIterator, () => Promise.resolve(null)],
    ['an object that throws', Symbol.iterator, () => unreadable],
    ['an object that throws', Symbol.asyncIterator, () => unreadable],
    ['a promise that rejects', Symbol.asyncIterator, () => Promise.reject(REASON)],
  ])('that gives %s ends the load with an error (%p)', async (_, symbol, next) => {
    const messages = { [symbol]: () => ({ next }) } as unknown as Iterable<PublishManyMessage>
    expect(await errorOf(new MemoryHost().load(messages))).toBeInstanceOf(Error)
  })

  test('of a load that ends early has cleaned up by then, and what that throws does not count', async () => {
    const host = new MemoryHost()
    const log: string[] = []
    const cleanup = gate()
    const rejected = errorOf(host.load(cleaningLater(log, cleanup.opened), { window: 1 }))
    await turns()
    host.oldest.fail(REASON)
    const seen = watch(rejected)
    await turns()
    expect(seen.settled).toBe(false)
    cleanup.open()
    expect(await rejected).toBeInstanceOf(PublishManyError)
    expect(log).toEqual(['cleaned up'])

    const failing = errorOf(
      host.load(cleaningLater(log, quiet(Promise.reject(new Error('no')))), { window: 1 }),
    )
    await turns()
    host.oldest.fail(REASON)
    expect(await failing).toMatchObject({ cause: REASON })
  })

  test('that is at work on a message is not waited for', async () => {
    const host = new MemoryHost()
    const returned: string[] = []
    const messages = [Promise.resolve({ done: false, value: messageOf(0) }), new Promise(() => undefined)]
    const rejected = errorOf(
      host.load({
        [Symbol.asyncIterator]: () => ({
          next: () => messages.shift() as Promise<IteratorResult<PublishManyMessage>>,
          return: () => {
            returned.push('returned')
            return new Promise(() => undefined)
          },
        }),
      }),
    )
    await turns()
    host.oldest.fail(REASON)
    expect(await rejected).toBeInstanceOf(PublishManyError)
    expect(returned).toEqual(['returned'])
  })

  test('needs no return()', async () => {
    const host = new MemoryHost()
    const next = () => ({ done: false as const, value: messageOf(0) })
    const rejected = errorOf(host.load({ [Symbol.iterator]: () => ({ next }) }, { window: 1 }))
    host.oldest.fail(REASON)
    expect(await rejected).toBeInstanceOf(PublishManyError)
  })

  test('that goes on for ever with messages that fail at once keeps nothing else from running', async () => {
    const host = new MemoryHost()
    host.onPublish = one => one.fail(new Error('bad'))
    const controller = new AbortController()
    const log: string[] = []
    const rejected = errorOf(
      host.load(cleaning(log), { signal: controller.signal, onError: () => undefined }),
    )
    setTimeout(() => controller.abort(REASON), 1)
    expect(await rejected).toBe(REASON)
    expect(log).toEqual(['cleaned up'])
  })
})

describe('an aborted signal', () => {
  test('ends the load at once, whatever is in flight, and the iterator cleans up', async () => {
    for (const cleaner of [cleaning, cleaningLater]) {
      const host = new MemoryHost()
      const controller = new AbortController()
      const log: string[] = []
      const told: unknown[] = []
      const rejected = errorOf(
        host.load(cleaner(log), {
          window: 3,
          signal: controller.signal,
          onError: error => told.push(error),
        }),
      )
      await turns()
      controller.abort(REASON)
      expect(await rejected).toBe(REASON)
      for (const one of [...host.inFlight]) one.fail(REASON)
      await turns()
      expect(log).toEqual(['cleaned up'])
      expect(host.published).toHaveLength(3)
      // The caller has been told by then.
      expect(told).toEqual([])
    }
  })

  test('ends a load whose iterator never gives anything, and that never returns', async () => {
    const host = new MemoryHost()
    const controller = new AbortController()
    const returned: string[] = []
    const never = () => new Promise<never>(() => undefined)
    const rejected = errorOf(
      host.load(
        {
          [Symbol.asyncIterator]: () => ({
            next: never,
            return: () => {
              returned.push('returned')
              return never()
            },
          }),
        },
        { signal: controller.signal },
      ),
    )
    await turns()
    controller.abort(REASON)
    expect(await rejected).toBe(REASON)
    expect(returned).toEqual(['returned'])
  })

  test('ends a load that has failed and waits for what is in flight, or for the iterator', async () => {
    const host = new MemoryHost()
    const controller = new AbortController()
    const { signal } = controller
    const cleanup = cleaningLater([], new Promise(() => undefined))
    const rejected = [
      errorOf(host.load(messagesOf(2), { signal })),
      errorOf(host.load(cleanup, { signal, window: 1 })),
    ]
    await turns()
    for (const one of [...host.inFlight].slice(1)) one.fail(new Error('refused'))
    await turns()
    controller.abort(REASON)
    expect(await Promise.all(rejected)).toEqual([REASON, REASON])
  })

  test('may be aborted by the iterator itself, which cleans up as soon as it can', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const log: string[] = []
    const sync = function* () {
      try {
        yield messageOf(0)
        controller.abort(REASON)
        yield messageOf(1)
      } finally {
        log.push('cleaned up')
      }
    }
    const host = new MemoryHost()
    expect(await errorOf(host.load(sync(), { signal }))).toBe(REASON)
    expect(host.published).toEqual([messageOf(0)])
    expect(log).toEqual(['cleaned up'])
    expect(await errorOf(host.load(sync(), { signal }))).toBe(REASON)
    expect(host.published).toHaveLength(1)
  })
})
