/** Covers what an AMQP URL says, part by part, and how it is refused. */
import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { ArgumentError } from '../../src/errors.js'
import { parseHost, parseUrl } from '../../src/url.js'

function messageOf(url: unknown): string {
  try {
    parseUrl(url as string)
  } catch (error) {
    if (error instanceof ArgumentError) return error.message
    throw error
  }
  throw new Error('the URL was accepted')
}

describe('parseUrl', () => {
  test('reads every part of a full URL', () => {
    expect(
      parseUrl(
        'amqps://me:pw@rabbit.example:5678/my%2fhost?heartbeat=5&connection_timeout=2500&frame_max=8192&channel_max=100&auth_mechanism=external',
      ),
    ).toEqual({
      secure: true,
      host: 'rabbit.example',
      port: 5678,
      username: 'me',
      password: 'pw',
      vhost: 'my/host',
      heartbeat: 5,
      connectTimeout: 2500,
      frameMax: 8192,
      channelMax: 100,
      mechanism: 'EXTERNAL',
    })
  })

  test.each([
    ['amqp://', { secure: false, host: 'localhost', port: 5672 }],
    ['amqps://', { secure: true, host: 'localhost', port: 5671 }],
    ['AMQP://Host', { secure: false, host: 'Host', port: 5672 }],
    ['amqp://:10000', { secure: false, host: 'localhost', port: 10000 }],
    ['amqp://host:', { secure: false, host: 'host', port: 5672 }],
    ['amqp://host/', { secure: false, host: 'host', port: 5672 }],
    ['amqp://host?', { secure: false, host: 'host', port: 5672 }],
    ['amqp:///vhost', { secure: false, host: 'localhost', port: 5672, vhost: 'vhost' }],
    ['amqp://host/%2f', { secure: false, host: 'host', port: 5672, vhost: '/' }],
    ['amqp://ho%61st:10000/v%2fhost', { secure: false, host: 'hoast', port: 10000, vhost: 'v/host' }],
  ])('leaves out what %s leaves out', (url, parsed) => {
    expect(parseUrl(url)).toEqual(parsed)
  })

  test.each([
    ['amqp://user@', { username: 'user' }],
    ['amqp://user:@', { username: 'user', password: '' }],
    ['amqp://:pw@', { username: '', password: 'pw' }],
    ['amqp://us:p:w@', { username: 'us', password: 'p:w' }],
    [
      'amqp://user%61:%61pass@ho%61st:10000/v%2fhost',
      { username: 'usera', password: 'apass', host: 'hoast' },
    ],
  ])('finds the user in %s', (url, part) => {
    expect(parseUrl(url)).toMatchObject(part)
  })

  test('knows no user where nothing stands before the @', () => {
    expect(parseUrl('amqp://@host')).toEqual({ secure: false, host: 'host', port: 5672 })
  })

  test('frees IPv6 addresses of their brackets, so that they can be connected to', () => {
    expect(parseUrl('amqp://[::1]')).toMatchObject({ host: '::1', port: 5672 })
    expect(parseUrl('amqp://me:pw@[2001:db8::1]:5673/v')).toMatchObject({
      host: '2001:db8::1',
      port: 5673,
      vhost: 'v',
    })
    expect(parseUrl('amqp://[fe80::1%25eth0]').host).toBe('fe80::1%eth0')
  })

  test('gives back what was %-encoded into it', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(text, text, text, (username, password, vhost) => {
        const [user, secret, path] = [username, password, vhost].map(encodeURIComponent)
        expect(parseUrl(`amqp://${user}:${secret}@host/${path}`)).toEqual({
          secure: false,
          host: 'host',
          port: 5672,
          username,
          password,
          vhost,
        })
      }),
    )
  })

  test.each([
    ['connectTimeout=100', { connectTimeout: 100 }],
    ['frameMax=0', { frameMax: 0 }],
    ['channelMax=7', { channelMax: 7 }],
    ['mechanism=AmqPlain', { mechanism: 'AMQPLAIN' }],
    ['auth_mechanism=plain', { mechanism: 'PLAIN' }],
    ['heartbeat=0', { heartbeat: 0 }],
    ['heartbeat=1&heartbeat=2', { heartbeat: 2 }],
  ])('understands the query %s', (query, part) => {
    expect(parseUrl(`amqp://host?${query}`)).toMatchObject(part)
  })

  test.each([
    ['heartbeat=soon', "the URL's heartbeat must be a whole number"],
    ['heartbeat=', "the URL's heartbeat must be a whole number"],
    ['frame_max=-1', "the URL's frame_max must be a whole number"],
    ['channel_max=1.5', "the URL's channel_max must be a whole number"],
    ['connectTimeout=0x10', "the URL's connectTimeout must be a whole number"],
    ['auth_mechanism=gssapi', "the URL's auth_mechanism must be plain, external or amqplain"],
    ['heart_beat=5', "parameter 1 in the URL's query is not known"],
    ['heartbeat=5&oops', "parameter 2 in the URL's query is not known"],
  ])('refuses the query %s, and says why', (query, message) => {
    expect(messageOf(`amqp://host?${query}`)).toContain(message)
  })

  test.each(['0', '65536', 'http', '-1', '1e3', '56 72', ':1'])('refuses the port %p', port => {
    expect(messageOf(`amqp://host:${port}`)).toContain('the port in the URL must be 1 to 65535')
  })

  test.each([1, 65535])('accepts the port %p', port => {
    expect(parseUrl(`amqp://host:${port}`).port).toBe(port)
  })

  test.each([
    '',
    'localhost',
    'localhost:5672',
    'http://host',
    'amqp:/host',
    'amqp:host',
    'amqp://host#fragment',
    'amqp://a@b@host',
    'amqp://a[b',
    'amqp://[::1',
    ' amqp://host',
  ])('refuses %p, which is not an AMQP URL', url => {
    expect(messageOf(url)).toContain('the URL must look like amqp://')
  })

  test.each([
    ' amqp://host',
    'amqp://host\n',
    'amqp://host/v\r\n',
    '\uFEFFamqp://host',
    'amqp://u:pw@host\t',
  ])('says of %j that a blank or a line end is at one of its ends', url => {
    expect(messageOf(url)).toContain('a blank or a line end at its beginning or its end')
  })

  test.each(['amqp://ho st', 'amqp://ho%0ast', 'amqp://ho%40st', 'amqp://u:p@ho%2fst', 'amqp://ho\u202est'])(
    'refuses %j, whose host can be none',
    url => {
      expect(messageOf(url)).toBe('the host in the URL holds a character that no host has')
    },
  )

  test.each(['amqp://[host]', 'amqp://[1.2.3.4]', 'amqp://[::g]:1'])(
    'refuses %p, without an IPv6 address',
    url => {
      expect(messageOf(url)).toBe('the URL must have an IPv6 address between [ and ]')
    },
  )

  test('knows no mechanism by the name of what every object has', () => {
    expect(() => parseUrl('amqp://host?auth_mechanism=constructor')).toThrow(ArgumentError)
  })

  test('refuses a vhost with a bare slash, and says how to write it', () => {
    expect(messageOf('amqp://host/a/b')).toBe('the vhost in the URL holds a slash: write it as %2f')
    expect(messageOf('amqp://host//')).toBe('the vhost in the URL holds a slash: write it as %2f')
  })

  test.each([
    'amqp://user:12/34@host',
    'amqp://user:12?34@host',
    'amqp://host/v@host',
    'amqp://user:p@ss:1@host',
  ])('refuses %p, where what looks like the host is not meant to be it', url => {
    expect(messageOf(url)).toContain('the URL holds an @ behind the host')
  })

  test.each([
    ['amqp://%zz@host', 'user'],
    ['amqp://u:%e0%a4@host', 'password'],
    ['amqp://ho%st', 'host'],
    ['amqp://host/%', 'vhost'],
  ])('says that in %s the %s is not properly encoded', (url, part) => {
    expect(messageOf(url)).toBe(`the ${part} in the URL is not properly %-encoded`)
  })

  test.each([undefined, null, 5672, {}])('refuses %p, which is no string', url => {
    expect(messageOf(url)).toBe(`the URL must be a string, got ${typeof url}`)
  })

  test.each([
    'amqp://user:secret@host:port',
    'amqp://user:secret@host/a/b',
    'amqp://user:secret@host?oops=1',
    'amqp://user:secret%zz@host',
    'amqp://user:sec/ret@host',
    'amqp://user:secret/x@host',
    'amqp://user:secret?x@host',
    'amqp://user:p@ss:secret@host',
    'amqp://user:pw@host:secret',
    'amqp://user:pw@host?secret',
    'amqp://user:pw@host?secret=1',
    'amqp://host?heartbeat=secret',
    'amqp://user:pw@[secret]',
    'amqp://user:p#secret@host',
    'amqp://user:secret@host\n',
    'http://user:secret@host',
  ])('never repeats the password of %s in its error', url => {
    expect(messageOf(url)).not.toMatch(/secret|sec\/ret/)
  })

  const GARBAGE = fc.string({ unit: fc.constantFrom(...'@:/?#[]%& =\\\n\t;,aZ0é\u202e'), maxLength: 12 })

  test('repeats nothing of a URL that it refuses, wherever a secret stands in it', () => {
    const secret = fc.tuple(GARBAGE, GARBAGE).map(([before, after]) => `${before}hunter2${after}`)
    const place = fc.constantFrom<(secret: string) => string>(
      text => `amqp://${text}:pw@host`,
      text => `amqp://user:${text}@host:5672/v`,
      text => `amqp://user:${text}@[::1]/v?heartbeat=1`,
      text => `amqp://user:pw@host:${text}`,
      text => `amqp://user:pw@${text}`,
      text => `amqp://host/${text}`,
      text => `amqp://host?token=${text}`,
      text => `amqp://host?heartbeat=${text}`,
      text => `amqp://host?${text}=1`,
      text => `${text}://host`,
      text => text,
    )
    let refused = 0
    fc.assert(
      fc.property(place, secret, (url, text) => {
        try {
          parseUrl(url(text))
        } catch (error) {
          refused++
          expect(error).toBeInstanceOf(ArgumentError)
          expect(inspect(error, { depth: 9, showHidden: true }).split(' at ')[0]).not.toContain('hunter2')
        }
      }),
      { numRuns: 2000 },
    )
    expect(refused).toBeGreaterThan(500)
  })

  test('takes no part of a password for a host', () => {
    fc.assert(
      fc.property(GARBAGE, GARBAGE, (before, after) => {
        let host = 'real'
        try {
          host = parseUrl(`amqp://user:${before}hunter2${after}@real:5672/v`).host
        } catch {}
        expect(host).toBe('real')
      }),
      { numRuns: 2000 },
    )
  })
})

describe('parseHost', () => {
  test.each([
    ['host', { host: 'host', port: 5672 }],
    ['host:1', { host: 'host', port: 1 }],
    ['10.0.0.1:65535', { host: '10.0.0.1', port: 65_535 }],
    ['::1', { host: '::1', port: 5672 }],
    ['[::1]', { host: '::1', port: 5672 }],
    ['[::1]:5', { host: '::1', port: 5 }],
    ['fe80::1%eth0', { host: 'fe80::1%eth0', port: 5672 }],
    ['[fe80::1%25eth0]:5', { host: 'fe80::1%eth0', port: 5 }],
  ])('reads %p', (text, parsed) => {
    expect(parseHost(text, false, 'it')).toEqual(parsed)
  })

  test('has the port of TLS where the URL says so', () => {
    expect(parseHost('::1', true, 'it').port).toBe(5671)
    expect(parseHost('host', true, 'it').port).toBe(5671)
  })

  test.each([
    ['u:hunter2@host', 'hosts[0] holds an @'],
    ['hunter2@host', 'hosts[0] holds an @'],
    ['amqp://hunter2', 'hosts[0] must be host'],
    ['host/hunter2', 'hosts[0] must be host'],
    ['host?hunter2', 'hosts[0] must be host'],
    ['host:hunter2', 'hosts[0] must be host'],
    ['host:0', 'hosts[0] must be host'],
    ['host:65536', 'hosts[0] must be host'],
    ['host:', 'hosts[0] must be host'],
    ['[hunter2]', 'hosts[0] must be host'],
    ['host\n', 'hosts[0] must be host'],
    [' host', 'hosts[0] must be host'],
    ['', 'hosts[0] must be host'],
  ])('refuses %j without repeating it', (text, message) => {
    const read = (): unknown => parseHost(text, false, 'hosts[0]')
    expect(read).toThrow(ArgumentError)
    expect(read).toThrow(message)
    expect(read).toThrow(expect.not.stringContaining('hunter2'))
  })
})
