/** Covers publishMany on a client and its peer: what is refused at once, bad messages, room, signals. */
import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  ArgumentError,
  Client,
  ConnectionClosedError,
  type PublishManyError,
  type PublishManyMessage,
  type PublishManyOptions,
  ResourceError,
  TimeoutError,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'
import { confirming } from './confirming-peer.js'
import { messageOf, messagesOf } from './load-host.js'

afterEach(closeClients)

const REASON = new Error('changed my mind')

describe('publishMany refuses at once', () => {
  test.each<[string, unknown, unknown]>([
    ['the messages must be', undefined, {}],
    ['the messages must be', null, {}],
    ['the messages must be', 5, {}],
    ['the messages must be', 'text', {}],
    ['the messages must be', messageOf(0), {}],
    ['the messages must be', { [Symbol.iterator]: 5 }, {}],
    ['the options must be', [], null],
    ['the options must be', [], 100],
    ['window must be', [], { window: 0 }],
    ['window must be', [], { window: -1 }],
    ['window must be', [], { window: 1.5 }],
    ['window must be', [], { window: '10' }],
    ['window must be', [], { window: Number.POSITIVE_INFINITY }],
    ['signal must be', [], { signal: {} }],
    ['onError must be', [], { onError: 'count' }],
    ['windows is no option', [], { windows: 10 }],
  ])('what is wrong: %s (%j, %j)', async (text, messages, options) => {
    const { client } = await connectToPeer()
    const error = await errorOf<ArgumentError>(
      client.publishMany(messages as PublishManyMessage[], options as PublishManyOptions<PublishManyMessage>),
    )
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.operation).toBe('publishMany')
    expect(error.message).toMatch(/^publishMany: (?!publishMany)/)
    expect(error.message).toContain(text)
  })

  test('a signal that is aborted, and a client that is not connected, before it touches the messages', async () => {
    const log: string[] = []
    const untouched = {
      [Symbol.iterator](): Iterator<PublishManyMessage> {
        log.push('touched')
        return messagesOf(1).values()
      },
    }
    const { client } = await connectToPeer()
    expect(await errorOf(client.publishMany(untouched, { signal: AbortSignal.abort(REASON) }))).toBe(REASON)
    const idle = new Client()
    expect(await errorOf(idle.publishMany(untouched))).toMatchObject({
      constructor: ConnectionClosedError,
      operation: 'publishMany',
    })
    expect(log).toEqual([])
  })

  test('an iterable that throws as its iterator is made, with that error', async () => {
    const { client } = await connectToPeer()
    const messages = {
      [Symbol.iterator](): Iterator<PublishManyMessage> {
        throw REASON
      },
    }
    expect(await errorOf(client.publishMany(messages))).toBe(REASON)
  })
})

test('bad messages fail, each with its own error, and harm no other', async () => {
  const { client, bodies } = await confirming()
  const throwing = {
    ...messageOf(8),
    get headers(): never {
      throw REASON
    },
  }
  const bad: unknown[] = [
    undefined,
    'text',
    null,
    {},
    { exchange: '', routingKey: 'k' },
    { ...messageOf(7), mandatroy: true },
    { ...messageOf(7), priority: 'high' },
    { ...messageOf(7), signal: 'stop' },
    throwing,
  ]
  const told: unknown[][] = []
  const messages = [
    messageOf(0),
    ...bad,
    { ...messageOf(1), orderNumber: 1, retries: 2 },
  ] as PublishManyMessage[]
  for (const signal of [undefined, new AbortController().signal]) {
    told.length = 0
    bodies.length = 0
    const result = await client.publishMany(messages, { signal, onError: (...args) => told.push(args) })
    expect(result).toEqual({ published: 2, failed: bad.length })
    expect(bodies).toEqual(['0', '1'])
    expect(told.map(([, message, index]) => [message, index])).toEqual(
      bad.map((message, at) => [message, at + 1]),
    )
    const errors = told.map(([error]) => error)
    expect(errors.pop()).toBe(REASON)
    for (const error of errors) expect(error).toBeInstanceOf(ArgumentError)
    expect(errors.map(error => (error as Error).message)).toEqual([
      'publishMany: a message must be an object, got undefined',
      'publishMany: a message must be an object, got the string "text"',
      'publishMany: a message must be an object, got null',
      'basicPublish: exchange must be a string, got undefined',
      expect.stringMatching(/^basicPublish: the body is missing/),
      'publishMany: mandatroy is no option; did you mean mandatory?',
      expect.stringMatching(/^basicPublish: priority must be /),
      'basicPublish: signal must be an AbortSignal',
    ])
  }
  expect(await errorOf(client.publishMany(messages))).toMatchObject({
    index: 1,
    cause: expect.any(ArgumentError),
  })
})

describe('the limits on pending publishes', () => {
  test('make publishMany wait for its own messages, where they are lower than its window', async () => {
    const { client, broker, bodies, confirmAll } = await confirming({ maxPendingPublishes: 3 })
    await client.basicPublish('', 'key', 'first')
    broker.silent = true
    const load = client.publishMany(messagesOf(8))
    for (const arrived of [4, 7, 9]) {
      await turns()
      expect(bodies).toHaveLength(arrived)
      confirmAll()
    }
    expect(await load).toEqual({ published: 8, failed: 0 })
  })

  test('make it wait for those of others, which are refused meanwhile', async () => {
    const { client, broker, bodies, confirmAll } = await confirming({ maxPendingPublishBytes: 1 })
    await client.basicPublish('', 'key', 'first')
    broker.silent = true
    const other = client.basicPublish('', 'key', 'other')
    const load = client.publishMany(messagesOf(1))
    expect(await errorOf(client.basicPublish('', 'key', 'refused'))).toBeInstanceOf(ResourceError)
    await turns()
    expect(bodies).toEqual(['first', 'other'])
    confirmAll()
    await other
    await turns()
    expect(bodies).toEqual(['first', 'other', '0'])
    confirmAll()
    expect(await load).toEqual({ published: 1, failed: 0 })
  })
})

describe('a signal', () => {
  test('that is aborted abandons what is in flight: nothing is pending any more', async () => {
    const { client, broker } = await confirming()
    broker.silent = true
    const controller = new AbortController()
    const { signal } = controller
    const own = new AbortController().signal
    const messages = [messageOf(0), { ...messageOf(1), signal: own }, { ...messageOf(2), signal }]
    const rejected = errorOf(client.publishMany(messages, { signal }))
    await turns()
    expect(client.metrics().pendingPublishes).toBe(3)
    controller.abort(REASON)
    expect(await rejected).toBe(REASON)
    expect(client.metrics().pendingPublishes).toBe(0)
    expect(getEventListeners(signal, 'abort').length + getEventListeners(own, 'abort').length).toBe(0)
  })

  test('of a message is about that message alone, and so is its timeout', async () => {
    const { client, broker, confirmAll } = await confirming()
    broker.silent = true
    const { signal } = new AbortController()
    const [first, second] = [new AbortController(), new AbortController()]
    const errors: unknown[] = []
    const messages = [
      messageOf(0),
      { ...messageOf(1), signal: first.signal },
      { ...messageOf(2), timeout: 1 },
      { ...messageOf(3), signal: second.signal },
    ]
    const load = client.publishMany(messages, { signal, onError: error => errors.push(error) })
    while (errors.length < 1) await turns(1)
    first.abort(REASON)
    await turns()
    confirmAll()
    expect(await load).toEqual({ published: 2, failed: 2 })
    expect(errors).toEqual([expect.any(TimeoutError), REASON])
    for (const each of [signal, first.signal, second.signal]) {
      expect(getEventListeners(each, 'abort')).toEqual([])
    }
  })
})

test('publishMany hands messages over without confirm, too', async () => {
  const { client, broker, bodies } = await confirming()
  broker.silent = true
  const messages = messagesOf(5).map(message => ({ ...message, confirm: false }))
  expect(await client.publishMany(messages, { window: 2 })).toEqual({ published: 5, failed: 0 })
  await turns()
  expect(bodies).toEqual(['0', '1', '2', '3', '4'])
})

test('publishMany gives onError the type of the messages', async () => {
  const { client } = await confirming()
  const rows = [{ ...messageOf(0), body: 5 as unknown as string, row: 17 }]
  const failedRows: number[] = []
  await client.publishMany(rows, { onError: (_, { row }) => failedRows.push(row) })
  expect(failedRows).toEqual([17])
  const error = await errorOf<PublishManyError>(client.publishMany(rows))
  expect(error.failedMessage).toBe(rows[0])
})
