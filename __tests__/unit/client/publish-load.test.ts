/** Covers what a load of publishMany makes of messages that fail, what makes it wait, and what it keeps: nothing. */
import { inspect } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from '@jest/globals'
import { ConnectionClosedError, NackedError } from '../../../src/errors.js'
import type { PublishManyMessage } from '../../../src/options.js'
import { PublishManyError } from '../../../src/publish-many-error.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { errorOf, gate } from '../../support/outcome.js'
import { cleaning, MemoryHost, messageOf, messagesOf, watch } from './load-host.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const REASON = new Error('changed my mind')

describe('a message that fails', () => {
  test('ends the load when what is in flight has settled, with an error that says which one it was', async () => {
    const host = new MemoryHost()
    const messages = messagesOf(10)
    const load = host.load(messages, { window: 4 })
    const rejected = errorOf<PublishManyError>(load)
    const [first, second, third, fourth] = [...host.inFlight]
    const cause = new NackedError('basicPublish: refused', { operation: 'basicPublish', ticket: 5 })
    first?.confirm()
    second?.fail(cause)
    await turns()
    // The first made room for the fifth; after the failure none was taken.
    expect(host.published).toHaveLength(5)
    third?.fail(new Error('another one'))
    fourth?.confirm()
    const seen = watch(rejected)
    await turns()
    expect(seen.settled).toBe(false)
    host.oldest.confirm()
    const error = await rejected
    expect(error).toBeInstanceOf(PublishManyError)
    expect(error).toMatchObject({
      code: 'PUBLISH_MANY',
      operation: 'publishMany',
      ticket: 5,
      index: 1,
      published: 3,
      failed: 2,
      message: 'publishMany: message 1 failed: basicPublish: refused',
    })
    expect(error.cause).toBe(cause)
    expect(error.failedMessage).toBe(messages[1])
  })

  test('goes to onError with its position, and the load goes on', async () => {
    const host = new MemoryHost()
    const messages = messagesOf(3)
    const told: unknown[][] = []
    const load = host.load(messages, { window: 1, onError: (...args) => told.push(args) })
    for (const index of messages.keys()) {
      if (index === 1) host.oldest.fail(REASON)
      else host.oldest.confirm()
      await turns()
    }
    expect(await load).toEqual({ published: 2, failed: 1 })
    expect(told).toEqual([[REASON, messages[1], 1]])
  })

  test('stays in flight until the promise that onError has returned settles', async () => {
    const host = new MemoryHost()
    const handled = gate()
    const load = host.load(messagesOf(2), { window: 1, onError: () => handled.opened })
    host.oldest.fail(REASON)
    await turns()
    expect(host.published).toHaveLength(1)
    handled.open()
    await turns()
    host.oldest.confirm()
    expect(await load).toEqual({ published: 1, failed: 1 })
  })

  test.each([
    [
      'throws',
      () => {
        throw REASON
      },
    ],
    ['rejects', () => Promise.reject(REASON)],
  ])(
    'ends the load with the error of an onError that %s, when what is in flight has settled',
    async (_, onError) => {
      const host = new MemoryHost()
      const log: string[] = []
      let calls = 0
      const rejected = errorOf(
        host.load(cleaning(log), {
          window: 3,
          onError: () => {
            calls++
            return onError()
          },
        }),
      )
      const seen = watch(rejected)
      host.oldest.fail(new Error('the first'))
      await turns()
      expect({ ...seen, published: host.published.length, log }).toEqual({
        settled: false,
        published: 3,
        log: ['cleaned up'],
      })
      // Those in flight may fail, too: onError is told of each.
      host.oldest.fail(new Error('the second'))
      host.oldest.confirm()
      expect(await rejected).toBe(REASON)
      expect(calls).toBe(2)
    },
  )

  test('does not show its message where the error is logged', async () => {
    const host = new MemoryHost()
    const rejected = errorOf(host.load([{ ...messageOf(0), body: 'a secret' }]))
    host.oldest.fail(new Error('refused'))
    const error = await rejected
    expect(inspect(error)).not.toContain('a secret')
    expect(JSON.stringify(error)).not.toContain('a secret')
  })

  test.each([[undefined], [null], ['text'], [Object.create(null)], [{ message: Symbol('none') }]])(
    'may fail with anything: %p',
    async cause => {
      const host = new MemoryHost()
      const rejected = errorOf(host.load(messagesOf(1)))
      host.oldest.fail(cause)
      expect(await rejected).toMatchObject({ index: 0, message: 'publishMany: message 0 failed' })
    },
  )
})

describe('a client that is full', () => {
  test('makes the load wait, with one message in hand, until there is room', async () => {
    const host = new MemoryHost()
    const taken: number[] = []
    const messages = function* () {
      for (let number = 0; number < 3; number++) {
        taken.push(number)
        yield messageOf(number)
      }
    }
    host.crowded = true
    const load = host.load(messages())
    await turns()
    expect({ taken, published: host.published }).toEqual({ taken: [0], published: [] })
    host.makeRoom()
    await turns()
    expect(host.published).toHaveLength(3)
    for (const one of [...host.inFlight]) one.confirm()
    expect(await load).toEqual({ published: 3, failed: 0 })
  })

  test('still lets the load be aborted', async () => {
    const host = new MemoryHost()
    host.crowded = true
    const controller = new AbortController()
    const rejected = errorOf(host.load(messagesOf(3), { signal: controller.signal }))
    controller.abort(REASON)
    expect(await rejected).toBe(REASON)
    host.makeRoom()
    await turns()
    expect(host.published).toEqual([])
  })
})

describe('the end of the client', () => {
  test.each([undefined, () => undefined])(
    'ends the load, whether failures are reported or not',
    async onError => {
      const host = new MemoryHost()
      const rejected = errorOf(host.load(cleaning([]), { window: 5, onError }))
      host.ended = new ConnectionClosedError('publishMany: the client was closed')
      for (const one of [...host.inFlight]) one.fail(new ConnectionClosedError('the client was closed'))
      expect(await rejected).toBe(host.ended)
      expect(host.published).toHaveLength(5)
    },
  )
})

test('a load of nothing publishes nothing', async () => {
  expect(await new MemoryHost().load([])).toEqual({ published: 0, failed: 0 })
})

test('a load keeps no message whose outcome is known', async () => {
  const host = new MemoryHost()
  host.onPublish = one => {
    host.published.length = 0
    setImmediate(() => one.confirm())
  }
  const window = 10
  const given: WeakRef<PublishManyMessage>[] = []
  const alive: number[] = []
  const messages = async function* () {
    for (let number = 0; number < 3000; number++) {
      if (number % 1000 === 999) {
        await turns()
        collectGarbage()
        alive.push(given.filter(message => message.deref() !== undefined).length)
      }
      const message = messageOf(number)
      given.push(new WeakRef(message))
      yield message
    }
  }
  expect(await host.load(messages(), { window })).toEqual({ published: 3000, failed: 0 })
  // The last one taken may still be on the stack.
  for (const count of alive) expect(count).toBeLessThanOrEqual(window + 1)
  expect(alive).toHaveLength(3)
})
