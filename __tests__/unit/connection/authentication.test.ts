/** Covers the choice of an authentication mechanism, and what each of them says to the server. */
import { describe, expect, test } from '@jest/globals'
import type { ClientOptions } from '../../../src/client-options.js'
import { authenticationResponse, chooseMechanism } from '../../../src/connection/authentication.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { AuthenticationError } from '../../../src/errors.js'
import { bytes } from '../../support/wire/vectors.js'

const ALL = ['CRAM', 'AMQPLAIN', 'EXTERNAL', 'PLAIN']

describe('the mechanism', () => {
  test.each<[string, string, ClientOptions, string[], string]>([
    ['is PLAIN by default', 'amqp://h', {}, ALL, 'PLAIN'],
    ['is AMQPLAIN where there is no PLAIN', 'amqp://h', {}, ['EXTERNAL', 'AMQPLAIN'], 'AMQPLAIN'],
    ['is EXTERNAL with a certificate and no user', 'amqps://h', { tls: { cert: 'c' } }, ALL, 'EXTERNAL'],
    ['is EXTERNAL with a PKCS 12 file and no user', 'amqps://h', { tls: { pfx: 'p' } }, ALL, 'EXTERNAL'],
    ['is PLAIN with a certificate and a user', 'amqps://u:p@h', { tls: { cert: 'c' } }, ALL, 'PLAIN'],
    [
      'is PLAIN with a certificate where EXTERNAL is not offered',
      'amqps://h',
      { tls: { cert: 'c' } },
      ['PLAIN'],
      'PLAIN',
    ],
    ['is what the user says', 'amqp://h', { mechanism: 'AMQPLAIN' }, ALL, 'AMQPLAIN'],
  ])('%s', (_, url, options, offered, mechanism) => {
    expect(chooseMechanism(offered, resolveConfig(url, options))).toBe(mechanism)
  })

  test.each<[ClientOptions, string[], string]>([
    [{}, ['EXTERNAL', 'CRAM'], 'the server offers EXTERNAL, CRAM, of which none is PLAIN or AMQPLAIN'],
    [{ mechanism: 'EXTERNAL' }, ['PLAIN'], 'the server offers PLAIN, of which none is EXTERNAL'],
    [{}, [], 'the server offers no mechanism, of which none is PLAIN or AMQPLAIN'],
  ])('is an error where nothing fits: %p of %p', (options, offered, message) => {
    expect(() => chooseMechanism(offered, resolveConfig('amqp://h', options))).toThrow(
      new AuthenticationError(message),
    )
  })
})

describe('the response', () => {
  const config = resolveConfig('amqp://%C3%A9l:p%40ss@h', {})

  test('of PLAIN has the user and the password behind zero octets, as UTF-8', () => {
    expect(authenticationResponse('PLAIN', config)).toEqual(bytes('00 c3a9 "l" 00 "p@ss"'))
  })

  test('of AMQPLAIN is a table without its length', () => {
    expect(authenticationResponse('AMQPLAIN', config)).toEqual(
      bytes('05 "LOGIN" 53 00000003 c3a9 "l" 08 "PASSWORD" 53 00000004 "p@ss"'),
    )
  })

  test('of EXTERNAL is empty', () => {
    expect(authenticationResponse('EXTERNAL', config)).toHaveLength(0)
  })

  test.each(['PLAIN', 'AMQPLAIN'] as const)('of %s carries a token of thousands of characters', mechanism => {
    const token = '€'.repeat(5000)
    const response = authenticationResponse(
      mechanism,
      resolveConfig('amqp://h', { username: 'u', password: token }),
    )
    expect(response.toString()).toContain(token)
  })
})
