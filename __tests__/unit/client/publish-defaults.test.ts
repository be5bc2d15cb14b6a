/** Covers publishDefaults: what a client adds to a message, what of the call is used before it, and what is refused. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { readPublishDefaults } from '../../../src/client/publish-defaults.js'
import { readPublish } from '../../../src/client/publish-options.js'
import { PropertyBag } from '../../../src/codec/properties.gen.js'
import {
  ArgumentError,
  Client,
  type ClientOptions,
  type PublishDefaultOptions,
  type PublishOptions,
} from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { errorOf } from '../../support/outcome.js'

afterEach(closeClients)

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** What becomes of a publish with these options. */
function filled(defaults: PublishDefaultOptions, own?: PublishOptions) {
  const fill = readPublishDefaults(defaults)
  const message = readPublish('e', 'k', 'body', own)
  return fill === undefined ? message : fill(message, own)
}

const propertiesOf = (defaults: PublishDefaultOptions, own?: PublishOptions) =>
  filled(defaults, own).properties

describe('publishDefaults', () => {
  test.each<PublishDefaultOptions | undefined>([
    undefined,
    {},
    { persistent: true },
    { timestamp: false },
    { timestamp: false, persistent: true },
  ])('are none where they change nothing: %j', options => {
    expect(readPublishDefaults(options)).toBeUndefined()
  })

  test('give each message a UUID of its own', () => {
    const ids = Array.from({ length: 100 }, () => propertiesOf({ messageId: 'uuid' })?.messageId)
    expect(new Set(ids).size).toBe(100)
    for (const id of ids) expect(id).toMatch(UUID)
  })

  test('give each message the time of its publish, and all the same appId', () => {
    const before = Date.now()
    const properties = propertiesOf({ timestamp: true, appId: 'loader' })
    expect(Number(properties?.timestamp)).toBeGreaterThanOrEqual(before)
    expect(Number(properties?.timestamp)).toBeLessThanOrEqual(Date.now())
    expect(properties).toMatchObject({ appId: 'loader', deliveryMode: 2 })
  })

  test('leave everything else as it is', () => {
    const own = { contentType: 'text/plain', headers: { a: 1 }, mandatory: true, retry: false }
    const { properties, ...rest } = filled({ appId: 'loader' }, own)
    const { properties: _, ...expected } = readPublish('e', 'k', 'body', own)
    expect(rest).toEqual(expected)
    expect(properties).toEqual(
      Object.assign(new PropertyBag(), { contentType: 'text/plain', deliveryMode: 2, appId: 'loader' }),
    )
  })

  test('give way to what the call says, also to what is empty', () => {
    const timestamp = new Date(0)
    const own = { messageId: '', timestamp, appId: 'other' }
    expect(propertiesOf({ messageId: 'uuid', timestamp: true, appId: 'loader' }, own)).toMatchObject(own)
  })

  test('do not give way to undefined, which says nothing, and do not hide null, which is a mistake', async () => {
    const defaults = { messageId: 'uuid', timestamp: true, appId: 'loader', persistent: false } as const
    const nothing = {
      messageId: undefined,
      timestamp: undefined,
      appId: undefined,
      persistent: undefined,
      deliveryMode: undefined,
    } as unknown as PublishOptions
    expect(propertiesOf(defaults, nothing)).toMatchObject({
      messageId: expect.stringMatching(UUID),
      timestamp: expect.any(Date),
      appId: 'loader',
      deliveryMode: 1,
    })
    const { client } = await connectToPeer({ publishDefaults: defaults })
    for (const name of ['messageId', 'timestamp', 'appId']) {
      const own = { [name]: null } as unknown as PublishOptions
      expect(await errorOf(client.basicPublish('', 'k', 'x', own))).toBeInstanceOf(ArgumentError)
    }
  })

  test.each<[PublishDefaultOptions, PublishOptions | undefined, number]>([
    [{ persistent: false }, undefined, 1],
    [{ persistent: false }, {}, 1],
    [{ persistent: false }, { persistent: true }, 2],
    [{ persistent: false }, { persistent: false }, 1],
    [{ persistent: false }, { deliveryMode: 2 }, 2],
    [{ persistent: false }, { deliveryMode: 2, persistent: false }, 2],
    [{ persistent: false, appId: 'a' }, { deliveryMode: 2 }, 2],
    [{ persistent: false, appId: 'a' }, { contentType: 'b' }, 1],
    [{ persistent: true, appId: 'a' }, { persistent: false }, 1],
    [{ persistent: true, appId: 'a' }, { deliveryMode: 1 }, 1],
    [{ appId: 'a' }, undefined, 2],
  ])('%j and a call with %j give delivery mode %i', (defaults, own, deliveryMode) => {
    const message = filled(defaults, own)
    expect(message.deliveryMode).toBe(deliveryMode)
    if (message.properties !== undefined) expect(message.properties.deliveryMode).toBe(deliveryMode)
  })

  test('keep a message without properties as it is, but for its delivery mode', () => {
    expect(filled({ persistent: false }).properties).toBeUndefined()
    expect(filled({ persistent: false }, { headers: { a: 1 } }).properties).toBeUndefined()
  })

  test('are what they were when the client was made', () => {
    const options: PublishDefaultOptions = { appId: 'before' }
    const fill = readPublishDefaults(options)
    options.appId = 'after'
    expect(fill?.(readPublish('e', 'k', 'body', undefined), undefined).properties?.appId).toBe('before')
  })

  test.each<[unknown, string]>([
    [null, 'publishDefaults must be an object'],
    ['uuid', 'publishDefaults must be an object'],
    [{ messageId: 'ulid' }, "publishDefaults.messageId must be 'uuid'"],
    [{ messageId: true }, "publishDefaults.messageId must be 'uuid'"],
    [{ timestamp: new Date() }, 'publishDefaults.timestamp must be true or false'],
    [{ appId: 5 }, 'publishDefaults.appId must be a string'],
    [{ appId: 'ü'.repeat(128) }, 'publishDefaults.appId must be at most 255 bytes'],
    [{ persistent: 1 }, 'publishDefaults.persistent must be true or false'],
    [{ contentType: 'text/plain' }, 'publishDefaults.contentType is no option'],
  ])('are refused when the client is made: %j', (publishDefaults, text) => {
    const make = () => new Client('amqp://a', { publishDefaults } as ClientOptions)
    expect(make).toThrow(ArgumentError)
    expect(make).toThrow(text)
  })
})

test('publishMany adds them, too, and the message itself is left alone', async () => {
  const { client, peer } = await connectToPeer({ publishDefaults: { appId: 'loader' } })
  const published: string[] = []
  peer.on('basic.publish', ({ header }) => {
    published.push(header.toString('latin1'))
    peer.send(1, 'basic.ack', { deliveryTag: published.length, multiple: false })
  })
  const message = Object.freeze({ exchange: '', routingKey: 'k', body: 'x' })
  await client.publishMany([message, { ...message, appId: 'other' }])
  expect(published).toEqual([expect.stringContaining('loader'), expect.stringContaining('other')])
})
