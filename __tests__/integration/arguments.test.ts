/** Covers arguments and options that make no sense: refused at once, by name, and nothing is sent. */
import { describe, expect, test } from '@jest/globals'
import { type AmqpError, ArgumentError, Client } from '../../src/index.js'
import { open, uniqueName } from '../support/broker/client.js'
import { errorOf } from '../support/outcome.js'

const LONG = 'ü'.repeat(128)

/** Methods by name, with what is passed to them, and what the error has to name. */
const calls: [keyof Client & string, unknown[], string][] = [
  ['exchangeDeclare', [LONG], 'exchange must be at most 255 bytes'],
  ['exchangeDeclare', [5], 'exchange must be a string'],
  ['exchangeDeclare', ['e', null], 'options must be an object'],
  ['exchangeDeclare', ['e', { type: 5 }], 'type must be a string'],
  ['exchangeDeclare', ['e', { durable: 'yes' }], 'durable must be true or false'],
  ['exchangeDeclare', ['e', { autoDelete: 1 }], 'autoDelete must be true or false'],
  ['exchangeDeclare', ['e', { internal: 0 }], 'internal must be true or false'],
  ['exchangeDeclare', ['e', { passive: null }], 'passive must be true or false'],
  ['exchangeDeclare', ['e', { arguments: 'x' }], 'arguments must be a plain object'],
  ['exchangeDelete', [undefined], 'exchange must be a string'],
  ['exchangeDelete', ['e', { ifUnused: 'no' }], 'ifUnused must be true or false'],
  ['exchangeBind', ['d', undefined], 'source must be a string'],
  ['exchangeBind', [undefined, 's'], 'destination must be a string'],
  ['exchangeBind', ['d', 's', LONG], 'routingKey must be at most 255 bytes'],
  ['exchangeUnbind', ['d', 's', 5], 'routingKey must be a string'],
  ['exchangeUnbind', ['d', 's', '', { arguments: { a: () => 1 } }], 'arguments.a'],
  ['queueDeclare', [LONG], 'queue must be at most 255 bytes'],
  ['queueDeclare', [{}], 'queue must be a string'],
  ['queueDeclare', ['q', 'durable'], 'options must be an object'],
  ['queueDeclare', ['q', { durable: 'yes' }], 'durable must be true or false'],
  ['queueDeclare', ['q', { exclusive: 1 }], 'exclusive must be true or false'],
  ['queueDeclare', ['q', { autoDelete: '' }], 'autoDelete must be true or false'],
  ['queueDeclare', ['q', { arguments: { a: [Symbol('b')] } }], 'arguments.a[0]'],
  ['queueDelete', [undefined], 'queue must be a string'],
  ['queueDelete', ['q', { ifUnused: 1 }], 'ifUnused must be true or false'],
  ['queueDelete', ['q', { ifEmpty: 1 }], 'ifEmpty must be true or false'],
  ['queuePurge', [null], 'queue must be a string'],
  ['queueBind', ['q', LONG], 'exchange must be at most 255 bytes'],
  ['queueUnbind', ['q', 'e', 5], 'routingKey must be a string'],
  ['basicGet', [undefined], 'queue must be a string'],
  ['basicGet', ['q', { noAck: 'yes' }], 'noAck must be true or false'],
  ['basicGet', ['q', null], 'options must be an object'],
  ['basicQos', [{}, 5], 'must be a Consumer'],
  ['basicCancel', [null], 'must be a Consumer'],
]

describe('a call that makes no sense rejects with ArgumentError', () => {
  test.each(calls)('%s(...%j): %s', async (method, args, message) => {
    const client = await open()
    const call = client[method] as (...args: unknown[]) => Promise<unknown>
    const error = await errorOf<AmqpError>(call.apply(client, args))
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.operation).toBe(method)
    expect(error.message).toContain(message)
    // Its own name stands before the message once.
    expect(error.message.split(`${method}: `)).toHaveLength(2)
    // Nothing was sent: the connection is in order.
    await client.queueDeclare('', { exclusive: true })
  })
})

test.each([
  [5, {}, 'URL'],
  [[], {}, 'URL'],
  [undefined, null, 'options must be an object'],
  [undefined, { tls: true }, 'tls'],
  [undefined, { username: 5 }, 'username'],
  [undefined, { password: ['hunter2'] }, 'password'],
  [undefined, { vhost: 5 }, 'vhost'],
  [undefined, { connectionName: 5 }, 'connectionName'],
  [undefined, { transport: 'tcp' }, 'transport'],
])('new Client(%j, %j) throws ArgumentError', (url, options, message) => {
  const make = (): Client => new Client(url as unknown as string, options as object)
  expect(make).toThrow(ArgumentError)
  expect(make).toThrow(message)
  expect(make).not.toThrow('hunter2')
})

test('what is passed to an operation may be changed as soon as it has returned', async () => {
  const client = await open()
  const options = { exclusive: true, arguments: { 'x-max-length': 1 } }
  const declared = client.queueDeclare(uniqueName(), options)
  options.exclusive = false
  options.arguments['x-max-length'] = 2
  const { queue } = await declared
  await client.queueDeclare(queue, { exclusive: true, arguments: { 'x-max-length': 1 } })
})
