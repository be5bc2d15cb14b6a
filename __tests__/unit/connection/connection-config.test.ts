/** Covers what a connection is to be made with: URL over options over defaults, every value checked, no secret repeated. */
import { createSecureContext } from 'node:tls'
import { describe, expect, test } from '@jest/globals'
import type { ClientOptions } from '../../../src/client-options.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { ArgumentError } from '../../../src/errors.js'
import { VERSION } from '../../../src/version.gen.js'

describe('the configuration', () => {
  test('has the documented defaults', () => {
    expect(resolveConfig('amqp:///', {})).toMatchObject({
      address: { host: 'localhost', port: 5672, path: undefined, tls: undefined },
      hostLabel: 'localhost:5672',
      vhost: '/',
      credentials: { username: 'guest', password: 'guest', explicit: false },
      mechanism: undefined,
      connectTimeout: 10_000,
      heartbeat: 30,
      frameMax: 131_072,
      channelMax: 2047,
      operationConcurrency: 32,
      maxPendingOperations: 100_000,
      maxPendingPublishes: 1_000_000,
      maxPendingPublishBytes: 134_217_728,
      maxMessageSize: 134_217_728,
      transport: undefined,
    })
  })

  test('takes every option', () => {
    const options = {
      connectTimeout: 1,
      heartbeat: 2,
      frameMax: 8192,
      channelMax: 100,
      operationConcurrency: 3,
      maxPendingOperations: 4,
      maxPendingPublishes: 5,
      maxPendingPublishBytes: 6,
      maxMessageSize: 7,
      mechanism: 'AMQPLAIN',
      vhost: 'v',
      transport: () => {
        throw new Error('never opened here')
      },
    } satisfies ClientOptions
    expect(resolveConfig('amqp://test', options)).toMatchObject(options)
    expect(resolveConfig('amqp://test', { username: 'u', password: 'p' }).credentials).toEqual({
      username: 'u',
      password: 'p',
      explicit: true,
    })
  })

  test('lets the URL win', () => {
    const url =
      'amqp://u:p@h/v?heartbeat=1&connection_timeout=2&frame_max=8192&channel_max=5&auth_mechanism=external'
    const options: ClientOptions = {
      username: 'other',
      password: 'other',
      vhost: 'other',
      heartbeat: 9,
      connectTimeout: 9,
      frameMax: 9000,
      channelMax: 9,
      mechanism: 'PLAIN',
    }
    expect(resolveConfig(url, options)).toMatchObject({
      credentials: { username: 'u', password: 'p' },
      vhost: 'v',
      heartbeat: 1,
      connectTimeout: 2,
      frameMax: 8192,
      channelMax: 5,
      mechanism: 'EXTERNAL',
    })
  })

  test('has TLS where the URL asks for it, with the options for it', () => {
    expect(resolveConfig('amqps://h', {}).address).toMatchObject({ port: 5671, tls: {} })
    expect(resolveConfig('amqps://h', { tls: { servername: 's' } }).address.tls).toEqual({ servername: 's' })
  })

  test('refuses options for TLS where the URL has none, and has no opinion while there is no URL', () => {
    const options = { tls: { servername: 's' } }
    expect(() => resolveConfig('amqp://h', options)).toThrow(ArgumentError)
    expect(() => resolveConfig('amqp://h', { tls: {} })).toThrow('amqps://')
    expect(() => resolveConfig(undefined, options)).not.toThrow()
  })

  test('does not take guest for the user of a certificate beside which there is a password', () => {
    for (const name of ['cert', 'pfx']) {
      const options = { tls: { [name]: 'c' }, password: 'hunter2' }
      expect(resolveConfig('amqps://h', options).mechanism).toBe('EXTERNAL')
      expect(resolveConfig('amqps://h?auth_mechanism=external', options).mechanism).toBe('EXTERNAL')
    }
  })

  test.each<[string, ClientOptions]>([
    ['a mechanism that needs a user', { tls: { cert: 'c' }, mechanism: 'PLAIN' }],
    ['another one', { tls: { pfx: 'c' }, mechanism: 'AMQPLAIN' }],
    ['a context that may have the certificate', { tls: { secureContext: createSecureContext() } }],
  ])('asks for the user beside such a password and %s', (_, options) => {
    const read = (): unknown => resolveConfig('amqps://h', { ...options, password: 'hunter2' })
    expect(read).toThrow(ArgumentError)
    expect(read).toThrow('username')
    expect(read).toThrow(expect.not.stringContaining('hunter2'))
  })

  test('takes a certificate with a password where a user is named, and a password where there is no certificate', () => {
    const tls = { cert: 'c' }
    const named = resolveConfig('amqps://u:p@h', { tls })
    expect(named).toMatchObject({ mechanism: undefined, credentials: { username: 'u' } })
    expect(resolveConfig('amqps://:p@h', { tls }).credentials.username).toBe('')
    const usual = resolveConfig('amqps://h', { tls: { ca: 'c' }, password: 'p' })
    expect(usual).toMatchObject({ mechanism: undefined, credentials: { username: 'guest' } })
  })

  test.each([
    ['amqp://[::1]:1', {}, '[::1]:1'],
    ['amqp://h', {}, 'h:5672'],
    ['amqp://u:s3cret@h', { path: '/run/amqp' }, '/run/amqp'],
  ])('names the host of %s without credentials', (url, options, label) => {
    expect(resolveConfig(url, options).hostLabel).toBe(label)
  })

  test('tells the broker who the client is, and what it can do', () => {
    const own = { clientProperties: { product: 'mine', extra: 1 }, connectionName: 'worker' }
    expect(resolveConfig('amqp://h', own).clientProperties).toEqual({
      product: 'mine',
      version: VERSION,
      platform: `Node.js ${process.version}`,
      extra: 1,
      connection_name: 'worker',
      capabilities: expect.objectContaining({
        publisher_confirms: true,
        'basic.nack': true,
        consumer_cancel_notify: true,
        'connection.blocked': true,
        authentication_failure_close: true,
      }),
    })
    expect(resolveConfig('amqp://h', {}).clientProperties).not.toHaveProperty('connection_name')
  })

  test.each<[keyof ClientOptions, unknown[]]>([
    ['connectTimeout', [0, -1, 1.5, Number.NaN, 2 ** 31, '5', null]],
    ['heartbeat', [-1, 0.5, 65_536, '5']],
    ['frameMax', [-1, 1, 4096, 8191, 2 ** 31, 8192.5, '8192']],
    ['channelMax', [0, 65_536, 10.5]],
    ['operationConcurrency', [0, 65_536, Number.POSITIVE_INFINITY]],
    ['maxPendingOperations', [0, -5, 1.5]],
    ['maxPendingPublishes', [0, Number.NaN]],
    ['maxPendingPublishBytes', [0, 2 ** 53]],
    ['maxMessageSize', [0, '1']],
    ['mechanism', ['plain', 5]],
    ['vhost', [5, null]],
    ['connectionName', [5]],
    ['path', ['', 5]],
    ['tls', ['yes', null]],
    ['transport', ['tcp', {}]],
  ])('refuses %s where it makes no sense', (name, values) => {
    for (const value of values) {
      const options = { [name]: value } as ClientOptions
      expect(() => resolveConfig('amqps://h', options)).toThrow(ArgumentError)
      expect(() => resolveConfig('amqps://h', options)).toThrow(name)
    }
  })

  test.each([
    ['frameMax', [0, 8192, 2 ** 31 - 1]],
    ['heartbeat', [0, 65_535]],
    ['channelMax', [65_535]],
    ['connectTimeout', [1, 2 ** 31 - 1]],
  ] as const)('takes %s up to its ends', (name, values) => {
    for (const value of values) expect(resolveConfig('amqp://h', { [name]: value })[name]).toBe(value)
  })

  test('never repeats a password in an error', () => {
    const wrong = { password: ['s3cret'], username: 'u' } as unknown as ClientOptions
    expect(() => resolveConfig('amqp://h', wrong)).toThrow(expect.not.stringContaining('s3cret'))
    expect(() => resolveConfig('amqp://h', wrong)).toThrow('password must be a string, got object')
  })
})
