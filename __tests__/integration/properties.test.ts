/** Covers the properties and headers of messages, from publish to receipt, and every type that a header can have. */
import { describe, expect, test } from '@jest/globals'
import {
  ArgumentError,
  byte,
  decimal,
  double,
  type FieldValue,
  float,
  int,
  long,
  type Message,
  type PublishOptions,
  short,
  timestamp,
  unsignedByte,
  unsignedInt,
  unsignedShort,
} from '../../src/index.js'
import { getOne, newQueue, open } from '../support/broker/client.js'
import { errorOf } from '../support/outcome.js'

async function sendAndGet(options?: PublishOptions): Promise<Message> {
  const client = await open()
  const queue = await newQueue(client)
  await client.basicPublish('', queue, 'x', options)
  return getOne(client, queue)
}

const EVERY_PROPERTY = {
  contentType: 'text/plain; charset=utf-8',
  contentEncoding: 'identity',
  deliveryMode: 1,
  priority: 7,
  correlationId: 'correlated',
  replyTo: 'a queue',
  expiration: '3600000',
  messageId: 'number 1',
  timestamp: new Date(1_700_000_000_000),
  type: 'a type',
  userId: 'guest',
  appId: 'an app',
  clusterId: 'a cluster',
}

describe('properties', () => {
  test('all arrive together', async () => {
    expect((await sendAndGet(EVERY_PROPERTY)).properties).toEqual(EVERY_PROPERTY)
  })

  test.each(Object.entries(EVERY_PROPERTY))('%s arrives by itself, and no other', async (name, value) => {
    const { properties, headers } = await sendAndGet({ [name]: value })
    expect(properties).toEqual({ deliveryMode: 2, [name]: value })
    expect(headers).toEqual({})
  })

  test.each([
    [{}, 2],
    [{ persistent: true }, 2],
    [{ persistent: false }, 1],
    [{ deliveryMode: 1 }, 1],
    [{ deliveryMode: 2, persistent: false }, 2],
    [{ deliveryMode: 1, persistent: true }, 1],
  ])('of %j make the delivery mode %i', async (options, deliveryMode) => {
    expect((await sendAndGet(options)).properties).toEqual({ deliveryMode })
  })

  test('with text beyond ASCII keep it, up to 255 bytes', async () => {
    const messageId = 'ü'.repeat(127)
    expect((await sendAndGet({ messageId })).properties.messageId).toBe(messageId)
  })

  test('that are undefined count as absent', async () => {
    const options = { contentType: undefined, headers: undefined } as unknown as PublishOptions
    expect((await sendAndGet(options)).properties).toEqual({ deliveryMode: 2 })
  })

  test('expiration has its effect', async () => {
    const client = await open()
    const queue = await newQueue(client)
    await client.basicPublish('', queue, 'x', { expiration: '0' })
    expect(await client.basicGet(queue)).toBeNull()
  })
})

describe('headers', () => {
  // What is sent, and, where it is not the same, what is received.
  const values: [string, FieldValue, FieldValue?][] = [
    ['a string', 'text'],
    ['an empty string', ''],
    ['text beyond ASCII', 'Grüße, 漢字, 🐇'],
    ['a long string', 'ab'.repeat(30_000)],
    ['zero', 0],
    ['a small integer', 42],
    ['a negative integer', -42],
    ['the largest 32-bit integer', 2 ** 31 - 1],
    ['the smallest 32-bit integer', -(2 ** 31)],
    ['an integer beyond 32 bits', 2 ** 31],
    ['the largest safe integer', Number.MAX_SAFE_INTEGER],
    ['the smallest safe integer', Number.MIN_SAFE_INTEGER],
    ['a bigint that a number can hold', 5n, 5],
    ['the largest bigint', 2n ** 63n - 1n],
    ['the smallest bigint', -(2n ** 63n)],
    ['a fraction', 0.1],
    ['a large number', 1e300],
    ['true', true],
    ['false', false],
    ['null', null],
    ['undefined', undefined, null],
    ['a date', new Date(1_700_000_000_000)],
    ['a date, in whole seconds', new Date(1_700_000_000_999), new Date(1_700_000_000_000)],
    ['bytes', Buffer.from([0, 255, 128])],
    ['no bytes', Buffer.alloc(0)],
    ['byte()', byte(-128), -128],
    ['unsignedByte()', unsignedByte(255), 255],
    ['short()', short(-32_768), -32_768],
    ['unsignedShort()', unsignedShort(65_535), 65_535],
    ['int()', int(-5), -5],
    ['unsignedInt()', unsignedInt(2 ** 32 - 1), 2 ** 32 - 1],
    ['long()', long(5), 5],
    ['float()', float(0.5), 0.5],
    ['double()', double(3), 3],
    ['timestamp()', timestamp(1_700_000_000), new Date(1_700_000_000_000)],
    ['decimal()', decimal(314n, 2)],
    ['an array', [1, 'two', [3n ** 39n, [null]], { four: 4 }]],
    ['an empty array', []],
    ['a table', { a: { b: { c: [{ d: new Date(0) }] } }, e: true }],
    ['an empty table', {}],
  ]

  test.each(values)('carry %s', async (_, sent, ...rest) => {
    const { headers } = await sendAndGet({ headers: { value: sent } })
    expect(headers).toEqual({ value: rest.length === 0 ? sent : rest[0] })
  })

  test.each([Number.POSITIVE_INFINITY, Number.NaN, float(Number.NEGATIVE_INFINITY), double(Number.NaN)])(
    'refuse %p, which RabbitMQ cannot read and answers by closing the connection',
    async value => {
      const client = await open()
      const queue = await newQueue(client)
      const error = await errorOf<Error>(client.basicPublish('', queue, 'x', { headers: { value } }))
      expect(error).toBeInstanceOf(ArgumentError)
      expect(error.message).toContain('headers.value')
      await client.basicPublish('', queue, 'the connection lives')
    },
  )

  test('that are received can be sent again', async () => {
    const client = await open()
    const queue = await newQueue(client)
    const headers = Object.fromEntries(values.map(([name, value]) => [name, value]))
    await client.basicPublish('', queue, 'x', { headers })
    const first = await getOne(client, queue)
    await client.basicPublish('', queue, first.body, { headers: first.headers, ...first.properties })
    const second = await getOne(client, queue)
    expect(second.headers).toEqual(first.headers)
    expect(second.properties).toEqual(first.properties)
  })

  test('have names beyond ASCII, and names that objects have by nature', async () => {
    const headers = { größe: 1, 'x y': 2, constructor: 3, toString: 4, ['é'.repeat(127)]: 5, '': 6 }
    expect((await sendAndGet({ headers })).headers).toEqual(headers)
  })

  test('are never added to, not by mandatory, not by a second sending', async () => {
    expect((await sendAndGet({ mandatory: true })).headers).toEqual({})
    const client = await open()
    const queue = await newQueue(client)
    const outcomes = await Promise.allSettled([
      client.basicPublish('', queue, 'a', { headers: { own: 1 } }),
      client.basicPublish('', queue, 'b', { userId: 'somebody else' }),
      client.basicPublish('', queue, 'c', { headers: { own: 2 } }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await getOne(client, queue)).headers).toEqual({ own: 1 })
    expect((await getOne(client, queue)).headers).toEqual({ own: 2 })
  })
})
