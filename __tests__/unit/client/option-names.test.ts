/** Covers misspelt options and wrong arguments: each method refuses them at once, and says what was meant. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { ArgumentError, Client } from '../../../src/index.js'
import { ignore } from '../../../src/util/promise.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'

afterEach(closeClients)

/** What a program in JavaScript can write. */
type Untyped = Record<string, (...args: unknown[]) => unknown>

async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('there was no error')
}

const wrongNames: [method: string, args: unknown[], text: string][] = [
  ['drain', [{ timeOut: 5 }], 'drain: timeOut is no option; did you mean timeout?'],
  ['exchangeDeclare', ['e', { durabel: true }], 'durabel is no option; did you mean durable?'],
  ['exchangeDeclare', ['e', { auto_delete: true }], 'auto_delete is no option; did you mean autoDelete?'],
  ['exchangeDelete', ['e', { ifUnsued: true }], 'ifUnsued is no option; did you mean ifUnused?'],
  ['exchangeBind', ['a', 'b', 'k', { args: {} }], 'args is no option; did you mean arguments?'],
  ['exchangeUnbind', ['a', 'b', 'k', { argument: {} }], 'argument is no option; did you mean arguments?'],
  ['queueDeclare', ['q', { exclusiv: true }], 'exclusiv is no option; did you mean exclusive?'],
  ['queueDelete', ['q', { ifEmtpy: true }], 'ifEmtpy is no option; did you mean ifEmpty?'],
  ['queuePurge', ['q', { timout: 5 }], 'timout is no option; did you mean timeout?'],
  ['queueBind', ['q', 'e', 'k', { arguemnts: {} }], 'arguemnts is no option; did you mean arguments?'],
  ['queueUnbind', ['q', 'e', 'k', { singal: 1 }], 'singal is no option; did you mean signal?'],
  ['basicPublish', ['e', 'k', 'b', { mandatroy: true }], 'mandatroy is no option; did you mean mandatory?'],
  [
    'basicPublish',
    ['e', 'k', 'b', { persistant: true }],
    'persistant is no option; did you mean persistent?',
  ],
  ['basicPublish', ['e', 'k', 'b', { messageID: '1' }], 'messageID is no option; did you mean messageId?'],
  ['publishMany', [[], { windows: 5 }], 'windows is no option; did you mean window?'],
  ['basicGet', ['q', { noack: true }], 'noack is no option; did you mean noAck?'],
  ['basicConsume', ['q', { prefetch: 5 }], 'prefetch is no option; did you mean prefetchCount?'],
  ['basicConsumeMulti', [['q'], { prefetch: 5 }], 'prefetch is no option; did you mean prefetchCount?'],
  [
    'basicConsumeMulti',
    [['q'], { exclusive: true }],
    'exclusive is no option; there are prefetchCount, noAck',
  ],
  ['basicConsumeMulti', [[{ queue: 'q', exclusiv: true }]], 'exclusiv is no option; did you mean exclusive?'],
]

test.each(wrongNames)('%s refuses an option that is misspelt: %j', async (method, args, text) => {
  const { client, peer } = await connectToPeer()
  const error = await errorOf(() => (client as unknown as Untyped)[method]?.(...args))
  expect(error).toBeInstanceOf(ArgumentError)
  expect(error).toMatchObject({ operation: method })
  expect((error as Error).message).toContain(`${method}: `)
  expect((error as Error).message).toContain(text)
  expect(peer.all('basic.publish')).toEqual([])
})

const wrongClients: [options: object, text: string][] = [
  [{ heartbeet: 5 }, 'heartbeet is no option; did you mean heartbeat?'],
  [{ frameMaximum: 5 }, 'frameMaximum is no option; did you mean frameMax?'],
  [{ recovery: { maxAttempt: 5 } }, 'recovery.maxAttempt is no option; did you mean maxAttempts?'],
  [{ recovery: { retries: 5 } }, 'recovery.retries is no option; '],
  [
    { publishDefaults: { messageID: 'uuid' } },
    'publishDefaults.messageID is no option; did you mean messageId?',
  ],
]

test.each(wrongClients)('a client refuses options that are misspelt: %j', (options, text) => {
  const make = (): Client => new Client('amqp://localhost', options)
  expect(make).toThrow(ArgumentError)
  expect(make).toThrow(
    expect.objectContaining({ operation: 'Client', message: expect.stringContaining(text) }),
  )
})

describe('of a message and a consumer', () => {
  test('options that are misspelt are refused, and the message can still be settled', async () => {
    const { client, peer } = await connectToPeer()
    const consumer = client.basicConsume('q')
    await consumer.ready
    const { channel, method } = await peer.next('basic.consume')
    const { consumerTag } = method.args
    const delivery = { consumerTag, deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' }
    peer.sendContent(channel, 'basic.deliver', delivery, Buffer.from('body'))
    const { value: message } = await consumer[Symbol.asyncIterator]().next()
    if (message === undefined) throw new Error('no message')
    const untyped = message as unknown as Untyped
    expect(() => untyped.ack?.({ multipel: true })).toThrow(
      'ack: multipel is no option; did you mean multiple?',
    )
    expect(() => untyped.nack?.({ requue: false })).toThrow(
      'nack: requue is no option; did you mean requeue?',
    )
    expect(() => untyped.reject?.({ requeu: false })).toThrow(
      'reject: requeu is no option; did you mean requeue?',
    )
    // As amqplib has it: (message, allUpTo, requeue).
    expect(() => untyped.nack?.(false)).toThrow('nack: the options must be an object, got false')
    expect(() => untyped.ack?.(null)).toThrow('ack: the options must be an object, got null')
    expect(message.ack()).toBe(true)
  })

  test('forEach refuses them, and the consumer ends', async () => {
    const { client } = await connectToPeer()
    const consumer = client.basicConsume('q')
    const untyped = consumer as unknown as Untyped
    const error = await errorOf(() => untyped.forEach?.(ignore, { concurency: 5 }))
    expect(error).toBeInstanceOf(ArgumentError)
    expect((error as Error).message).toBe('forEach: concurency is no option; did you mean concurrency?')
    expect(consumer.state.name).toBe('ended')
  })
})

const wrongArguments: [method: string, args: unknown[], text: RegExp][] = [
  ['queueDeclare', [undefined], /^queueDeclare: .*queue must be a string, got undefined/],
  [
    'queueDeclare',
    [undefined, { exclusive: true }],
    /^queueDeclare: .*queue must be a string, got undefined/,
  ],
  [
    'basicPublish',
    ['q', 'body'],
    /^basicPublish: the body is missing: the arguments are exchange, routing key, body/,
  ],
  ['basicPublish', ['q', Buffer.from('body')], /^basicPublish: the body is missing/],
  [
    'basicPublish',
    ['q', 'body', { persistent: true }],
    /got an object: .*the arguments are exchange, routing key/,
  ],
  ['basicPublish', ['', 'q', { a: 1 }], /got an object: for JSON, pass JSON\.stringify\(body\)/],
  ['basicPublish', ['', 'q', [1]], /got an array: for JSON, pass JSON\.stringify\(body\)/],
  [
    'basicPublish',
    ['', 'q', 5],
    /^basicPublish: the body must be a string, a Buffer or a Uint8Array, got 5$/,
  ],
  ['basicPublish', ['', 'q', null], /got null$/],
  ['basicPublish', ['', 'q', new ArrayBuffer(5)], /pass a Uint8Array of its bytes/],
  ['basicPublish', ['', 'q', 'body', () => undefined], /got a function\. There are no callbacks: await/],
  ['basicConsume', ['q', () => undefined], /got a function\. There are no callbacks/],
  ['queueBind', ['q', 'e', { arguments: {} }], /^queueBind: .*routingKey must be a string, got object/],
  ['basicConsume', ['q', { prefetchCount: '5' }], /got the string "5"/],
]

test.each(wrongArguments)('%s refuses the arguments %p', async (method, args, text) => {
  const { client, peer } = await connectToPeer()
  const error = await errorOf(() => (client as unknown as Untyped)[method]?.(...args))
  expect(error).toBeInstanceOf(ArgumentError)
  expect(error).toMatchObject({ operation: method, message: expect.stringMatching(text) })
  expect(peer.all('queue.declare')).toEqual([])
})

test('queueDeclare without arguments, and with an empty name, lets the broker choose', async () => {
  const { client, peer } = await connectToPeer()
  await Promise.all([client.queueDeclare(), client.queueDeclare('')])
  expect(peer.all('queue.declare').map(({ method }) => method.args.queue)).toEqual(['', ''])
})
