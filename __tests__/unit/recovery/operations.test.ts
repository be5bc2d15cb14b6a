/** Covers operations over several connections: what waits, what is repeated, what ends with its connection. */
import { describe, expect, jest, test } from '@jest/globals'
import {
  AmqpSyntaxError,
  ArgumentError,
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionClosedError,
  ResourceError,
  TimeoutError,
} from '../../../src/errors.js'
import { Operations } from '../../../src/recovery/operations.js'
import type { Session } from '../../../src/session/session.js'
import { type Outcome, TicketCounter } from '../../../src/ticket.js'
import { quiet } from '../../../src/util/promise.js'
import { namesOf } from '../../support/outcome.js'

const BROKEN = new ConnectionBrokenError('the broker hung up')
const CLOSED = new ConnectionClosedError('the client was closed')
const [FIRST, SECOND, THIRD, FOURTH] = ['first', 'second', 'third', 'fourth'].map(
  name => ({ name }) as unknown as Session,
) as [Session, Session, Session, Session]

/** An operation that notes each time it begins, and leaves its outcome to the test. */
class Work {
  readonly begun: Session[] = []
  readonly outcomes: Outcome<string>[] = []
  readonly promise: Promise<string>
  readonly id: number

  constructor(operations: Operations, repeatable = true, options = {}) {
    this.promise = quiet(
      operations.perform<string>('queueBind', options, {
        repeatable,
        begin: (session, outcome) => {
          this.begun.push(session)
          this.outcomes.push(outcome)
        },
      }),
    )
    this.id = counter.last
  }

  get context() {
    return { operation: 'queueBind', ticket: this.id }
  }
}

/** Tells the number that it gave out last. */
class WatchedCounter extends TicketCounter {
  last = 0

  override next(): number {
    this.last = super.next()
    return this.last
  }
}

const counter = new WatchedCounter()
const newOperations = (maxWaiting = 100): Operations =>
  new Operations(counter, { maxWaiting, failsOffline: false, pending: () => undefined })

describe('an operation', () => {
  test('begins at once where there is a session, else as soon as there is one, in order', () => {
    const operations = newOperations()
    const works = [new Work(operations), new Work(operations)]
    const order: number[] = []
    for (const { id } of works) {
      void operations.perform('queueBind', {}, { repeatable: true, begin: () => order.push(id) })
    }
    expect(works.map(({ begun }) => begun)).toEqual([[], []])
    operations.attach(FIRST)
    expect(works.map(({ begun }) => begun)).toEqual([[FIRST], [FIRST]])
    expect(order).toEqual(works.map(({ id }) => id))
    expect(new Work(operations).begun).toEqual([FIRST])
  })

  test('begins again on the next session where that is harmless', async () => {
    const operations = newOperations()
    operations.attach(FIRST)
    const work = new Work(operations)
    operations.detach({ reason: BROKEN, blamed: [] })
    expect(operations.size).toBe(1)
    operations.attach(SECOND)
    expect(work.begun).toEqual([FIRST, SECOND])
    work.outcomes[1]?.resolve('done')
    expect(await work.promise).toBe('done')
    expect(operations.size).toBe(0)
  })

  test('ends with its session where it must not be done twice, unless it did not begin there', async () => {
    const operations = newOperations()
    const waiting = new Work(operations, false)
    operations.detach({ reason: BROKEN, blamed: [] })
    operations.attach(FIRST)
    expect(waiting.begun).toEqual([FIRST])
    operations.detach({ reason: BROKEN, blamed: [] })
    await expect(waiting.promise).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      message: 'queueBind: the connection was lost: the broker hung up',
      operation: 'queueBind',
      ticket: waiting.id,
    })
    operations.attach(SECOND)
    expect(waiting.begun).toEqual([FIRST])
  })

  test('hears nothing of what becomes of it on a session that is gone', async () => {
    const operations = newOperations()
    operations.attach(FIRST)
    const work = new Work(operations)
    operations.detach({ reason: BROKEN, blamed: [] })
    const [late] = work.outcomes
    expect(late?.settled).toBe(true)
    late?.reject(new Error('a late failure'))
    late?.fail(new Error('another'))
    late?.resolve('a late result')
    operations.attach(SECOND)
    work.outcomes[1]?.resolve('done')
    expect(await work.promise).toBe('done')
  })

  test('that ended while it waited does not begin', async () => {
    const operations = newOperations()
    const abort = new AbortController()
    const work = new Work(operations, true, { signal: abort.signal })
    abort.abort('enough')
    operations.attach(FIRST)
    await expect(work.promise).rejects.toBe('enough')
    expect(work.begun).toEqual([])
    expect(operations.size).toBe(0)
  })

  test('keeps its timeout while there is no session', async () => {
    jest.useFakeTimers()
    try {
      const work = new Work(newOperations(), true, { timeout: 1000 })
      jest.advanceTimersByTime(1000)
      await expect(work.promise).rejects.toBeInstanceOf(TimeoutError)
    } finally {
      jest.useRealTimers()
    }
  })

  test('does not begin with a signal or timeout that makes no sense', () => {
    expect(() => new Work(newOperations(), true, { timeout: -1 })).toThrow(ArgumentError)
  })
})

describe('operations that wait for a session', () => {
  test('are limited in number; those under way before count, too', async () => {
    const operations = newOperations(3)
    operations.attach(FIRST)
    const works = [1, 2, 3, 4].map(() => new Work(operations))
    operations.detach({ reason: BROKEN, blamed: [] })
    const further = new Work(operations)
    await expect(further.promise).rejects.toMatchObject({
      constructor: ResourceError,
      message: 'queueBind: 3 operations wait already (maxPendingOperations)',
    })
    operations.attach(SECOND)
    for (const { outcomes } of works) outcomes[1]?.resolve('done')
    expect(await namesOf(works.map(({ promise }) => promise))).toEqual(['ok', 'ok', 'ok', 'ok'])
  })
})

describe('an operation that ends its connection', () => {
  const INVALID = new CommandInvalidError('unknown exchange type (503)', { replyCode: 503 })

  test('is not repeated where the broker says which it was: it gets the error itself, the others go on', async () => {
    const operations = newOperations()
    operations.attach(FIRST)
    const [innocent, guilty] = [new Work(operations), new Work(operations)]
    operations.detach({ reason: INVALID, blamed: [guilty.context] })
    await expect(guilty.promise).rejects.toMatchObject({
      constructor: CommandInvalidError,
      replyCode: 503,
      operation: 'queueBind',
      ticket: guilty.id,
    })
    operations.attach(SECOND)
    expect([innocent.begun, guilty.begun]).toEqual([[FIRST, SECOND], [FIRST]])
  })

  test("is not repeated where it is one of several, and then the error is nobody's own", async () => {
    const operations = newOperations()
    operations.attach(FIRST)
    const works = [new Work(operations), new Work(operations)]
    operations.detach({ reason: INVALID, blamed: works.map(({ context }) => context) })
    for (const { promise } of works) {
      await expect(promise).rejects.toMatchObject({ constructor: ConnectionBrokenError, cause: INVALID })
    }
  })

  test('is not repeated for ever where the broker does not say which it was', async () => {
    const operations = newOperations()
    const work = new Work(operations)
    const nameless = new AmqpSyntaxError('bad frame (502)', { replyCode: 502 })
    for (const session of [FIRST, SECOND, THIRD, FOURTH]) {
      operations.attach(session)
      operations.detach({ reason: nameless, blamed: [] })
    }
    await expect(work.promise).rejects.toMatchObject({ constructor: ConnectionBrokenError, cause: nameless })
    expect(work.begun).toEqual([FIRST, SECOND, THIRD])
  })

  test('is repeated as often as it takes where connections end for reasons of their own', () => {
    const operations = newOperations()
    const work = new Work(operations)
    for (let round = 0; round < 10; round++) {
      operations.attach(FIRST)
      operations.detach({ reason: BROKEN, blamed: [] })
    }
    expect(work.begun).toHaveLength(10)
  })
})

describe('the end', () => {
  test('is the end of all that waits and all that is under way', async () => {
    const operations = newOperations()
    const waiting = new Work(operations)
    operations.end({ reason: CLOSED, blamed: [] })
    const under = newOperations()
    under.attach(FIRST)
    const begun = new Work(under)
    under.end({ reason: BROKEN, blamed: [] })
    expect(await namesOf([waiting.promise, begun.promise])).toEqual([
      'ConnectionClosedError',
      'ConnectionBrokenError',
    ])
  })

  test('gives the blamed one the reason itself', async () => {
    const operations = newOperations()
    operations.attach(FIRST)
    const [innocent, guilty] = [new Work(operations), new Work(operations)]
    const reason = new CommandInvalidError('no (503)', { replyCode: 503 })
    operations.end({ reason: reason, blamed: [guilty.context] })
    expect(await namesOf([innocent.promise, guilty.promise])).toEqual([
      'ConnectionBrokenError',
      'CommandInvalidError',
    ])
  })

  test('of all operations is what idle() waits for', async () => {
    const operations = newOperations()
    await operations.idle()
    operations.attach(FIRST)
    const work = new Work(operations)
    let idle = false
    const waiting = operations.idle().then(() => {
      idle = true
    })
    operations.detach({ reason: BROKEN, blamed: [] })
    operations.attach(SECOND)
    await Promise.resolve()
    expect(idle).toBe(false)
    work.outcomes[1]?.resolve('done')
    await waiting
  })
})

describe('an operation that throws as it begins', () => {
  const failing = (operations: Operations): Promise<string> =>
    quiet(
      operations.perform<string>(
        'queueBind',
        {},
        {
          repeatable: true,
          begin: () => {
            throw new ResourceError('no channel left')
          },
        },
      ),
    )

  test('rejects, and is not in progress any more', async () => {
    const operations = newOperations()
    operations.attach(FIRST)
    await expect(failing(operations)).rejects.toMatchObject({
      constructor: ResourceError,
      operation: 'queueBind',
    })
    expect(operations.size).toBe(0)
  })

  test('keeps those that waited behind it from nothing', async () => {
    const operations = newOperations()
    const failed = failing(operations)
    const work = new Work(operations)
    operations.attach(FIRST)
    await expect(failed).rejects.toBeInstanceOf(ResourceError)
    expect(work.begun).toEqual([FIRST])
  })
})
