/** Covers what basicPublish makes of what it is given, and what it refuses because RabbitMQ would close the channel. */
import { describe, expect, test } from '@jest/globals'
import { readPublish } from '../../../src/client/publish-options.js'
import { ArgumentError } from '../../../src/errors.js'
import type { PublishOptions } from '../../../src/options.js'

const read = (options: PublishOptions | undefined) => readPublish('e', 'k', 'body', options)

describe('a publish', () => {
  test('is persistent, not mandatory and repeatable by default', () => {
    for (const options of [undefined, {}]) {
      expect(read(options)).toMatchObject({
        deliveryMode: 2,
        mandatory: false,
        retry: true,
        headers: undefined,
      })
    }
  })

  test.each<PublishOptions>([
    { expiration: '0' },
    { expiration: '+60000' },
    { expiration: '4294967295' },
    { deliveryMode: 1 },
    { deliveryMode: 2 },
    { replyTo: 'amq.rabbitmq.reply-to.g1h2AA5yZXBseUA' },
    { headers: { CC: ['a'], BCC: [] } },
    { headers: { CC: undefined, cc: 'a' } },
    { headers: { 'x-stream-filter-value': 'eu' } },
    { headers: { 'x-stream-filter-value': '' } },
    { headers: { 'x-stream-filter-value': undefined } },
  ])('takes what RabbitMQ takes: %j', options => {
    expect(() => read(options)).not.toThrow()
  })

  test.each<[PublishOptions, string]>([
    [{ expiration: 'abc' }, 'expiration'],
    [{ expiration: '' }, 'expiration'],
    [{ expiration: '-1' }, 'expiration'],
    [{ expiration: '1.5' }, 'expiration'],
    [{ expiration: '10 ' }, 'expiration'],
    [{ expiration: '4294967296' }, 'expiration'],
    [{ deliveryMode: 0 }, 'deliveryMode'],
    [{ deliveryMode: 3 }, 'deliveryMode'],
    [{ replyTo: 'amq.rabbitmq.reply-to' }, 'replyTo'],
    [{ headers: { CC: 'a' } }, 'headers.CC'],
    [{ headers: { BCC: null } }, 'headers.BCC'],
    [{ headers: { 'x-stream-filter-value': 1 } }, "headers['x-stream-filter-value']"],
    [{ headers: { 'x-stream-filter-value': null } }, "headers['x-stream-filter-value']"],
    [{ headers: { 'x-stream-filter-value': ['eu'] } }, "headers['x-stream-filter-value']"],
  ])('is refused with what RabbitMQ closes the channel over: %j', (options, name) => {
    expect(() => read(options)).toThrow(ArgumentError)
    expect(() => read(options)).toThrow(name)
  })

  test.each([Symbol('e'), null, 5, Object.create(null)])(
    'is refused with an exchange that is no text',
    exchange => {
      const publish = (): unknown => readPublish(exchange as string, 'k', 'body', undefined)
      expect(publish).toThrow(ArgumentError)
      expect(publish).toThrow('exchange must be a string')
    },
  )
})
