/** Covers where a client may connect to: URLs and hosts, their order, functions that give them anew, new secrets. */
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { ClientOptions, UrlSource } from '../../../src/client-options.js'
import type { ConnectionConfig } from '../../../src/connection/connection-config.js'
import {
  ArgumentError,
  AuthenticationError,
  ConnectionBrokenError,
  NotAllowedError,
  TimeoutError,
} from '../../../src/errors.js'
import { Hosts, openFirst } from '../../../src/recovery/hosts.js'

const FIXED = { hostOrder: 'fixed' } as const

async function labels(hosts: Hosts): Promise<string[]> {
  return (await hosts.candidates()).map(({ hostLabel }) => hostLabel)
}

async function passwords(hosts: Hosts): Promise<string[]> {
  return (await hosts.candidates()).map(({ credentials }) => credentials.password)
}

describe('the hosts', () => {
  test('are those of the URLs, then those of the option, in the fixed order at every attempt', async () => {
    const hosts = new Hosts(['amqp://a', 'amqp://b:1'], { ...FIXED, hosts: ['c', 'd:2', '[::1]:3', '::1'] })
    const all = ['a:5672', 'b:1', 'c:5672', 'd:2', '[::1]:3', '[::1]:5672']
    expect(hosts.next).toBe('a:5672')
    for (let attempt = 0; attempt < 3; attempt++) expect(await labels(hosts)).toEqual(all)
  })

  test('are shuffled anew for every attempt by default, and the first one is known before', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => `${name}:5672`)
    const hosts = new Hosts(
      names.map(name => `amqp://${name}`),
      {},
    )
    const orders = new Set<string>()
    for (let attempt = 0; attempt < 40; attempt++) {
      const { next } = hosts
      const order = await labels(hosts)
      expect(order[0]).toBe(next)
      expect(order.toSorted()).toEqual(names)
      orders.add(order.join())
    }
    expect(orders.size).toBeGreaterThan(10)
  })

  test('of the option have all else as in the first URL', async () => {
    const source = ['amqps://user:secret@a:1/vhost?heartbeat=7', 'amqps://other:else@b']
    const hosts = new Hosts(source, { ...FIXED, hosts: ['c'] })
    const [first, , further] = await hosts.candidates()
    expect(further).toEqual({
      ...first,
      hostLabel: 'c:5671',
      address: { ...first?.address, host: 'c', port: 5671 },
    })
    expect(further).toMatchObject({ vhost: 'vhost', heartbeat: 7, credentials: { username: 'user' } })
  })
})

describe('a function that gives the URLs', () => {
  test('is asked anew before each attempt, at once or by a promise', async () => {
    let asked = 0
    const hosts = new Hosts(async () => `amqp://user:token${++asked}@a`, FIXED)
    expect(asked).toBe(0)
    expect(await passwords(hosts)).toEqual(['token1'])
    expect(await passwords(hosts)).toEqual(['token2'])
    const several = new Hosts(() => ['amqp://a', 'amqp://b'], FIXED)
    expect(await labels(several)).toEqual(['a:5672', 'b:5672'])
    expect(several.next).toBe('a:5672')
  })

  test('that fails, or gives what is no URL, fails the attempt and not those to come', async () => {
    const answers: (() => unknown)[] = [
      () => {
        throw new Error('no token today')
      },
      () => Promise.reject(new Error('none tomorrow')),
      () => [],
      () => 'http://a',
      () => 'amqp://a',
    ]
    const hosts = new Hosts((() => answers.shift()?.()) as UrlSource, FIXED)
    await expect(hosts.candidates()).rejects.toThrow('no token today')
    await expect(hosts.candidates()).rejects.toThrow('none tomorrow')
    await expect(hosts.candidates()).rejects.toThrow(ArgumentError)
    await expect(hosts.candidates()).rejects.toThrow(ArgumentError)
    expect(await labels(hosts)).toEqual(['a:5672'])
  })

  test('fails the attempt where it gives URLs with and without TLS, or none for the options', async () => {
    const mixed = new Hosts(() => ['amqps://a', 'amqp://b'], FIXED)
    await expect(mixed.candidates()).rejects.toThrow(ArgumentError)
    const clear = new Hosts(() => 'amqp://a', { ...FIXED, tls: {} })
    await expect(clear.candidates()).rejects.toThrow(ArgumentError)
    expect(await labels(new Hosts(() => 'amqps://a', { ...FIXED, tls: {} }))).toEqual(['a:5671'])
  })

  test('that never answers fails the attempt after connectTimeout', async () => {
    const hosts = new Hosts(() => new Promise<string>(() => undefined), { connectTimeout: 20 })
    await expect(hosts.candidates(new AbortController().signal)).rejects.toThrow(TimeoutError)
    await expect(hosts.candidates(new AbortController().signal)).rejects.toThrow('20 ms')
  })

  test('that never answers is not waited for when the attempt is over', async () => {
    const hosts = new Hosts(() => new Promise<string>(() => undefined), {})
    const abort = new AbortController()
    const asked = hosts.candidates(abort.signal)
    const reason = new Error('changed my mind')
    abort.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })

  test.each([['amqp://u:hunter2@a'], [undefined], [null], [{ url: 'hunter2' }]])(
    'that throws %p, which is no Error, fails the attempt with one that does not repeat it',
    async thrown => {
      const hosts = new Hosts(() => Promise.reject(thrown), {})
      const error: unknown = await hosts.candidates().catch(error => error)
      expect(error).toBeInstanceOf(ConnectionBrokenError)
      expect(inspect(error, { depth: 9 })).not.toContain('hunter2')
    },
  )

  test('has the options checked at once, though the URL comes later', () => {
    expect(() => new Hosts(() => 'amqp://a', { heartbeat: -1 })).toThrow(ArgumentError)
  })
})

describe('a new secret', () => {
  const REFUSED = new AuthenticationError('no')

  /** What is tried at one host after the other, where only these are let in; what none is, is left out. */
  async function tried(hosts: Hosts, ...valid: string[]): Promise<string[]> {
    const asked: string[] = []
    for (const candidate of await hosts.candidates()) {
      const opened = hosts.openWithSecrets(candidate, async ({ credentials: { password } }) => {
        asked.push(password)
        if (!valid.includes(password)) throw REFUSED
      })
      await opened.catch(error => expect(error).toBe(REFUSED))
    }
    return asked
  }

  test('takes the place of the password from the next attempt on, at every host', async () => {
    const hosts = new Hosts(['amqp://u:old@a', 'amqp://u:older@b'], { ...FIXED, hosts: ['c'] })
    expect(await tried(hosts, 'old', 'older')).toEqual(['old', 'older', 'old'])
    hosts.secrets.give('new', 1)
    expect(await tried(hosts, 'new')).toEqual(['new', 'new', 'new'])
    hosts.secrets.give('newer', 2)
    expect(await tried(hosts, 'newer')).toEqual(['newer', 'newer', 'newer'])
  })

  test('of an earlier call does not take the place of a later one', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    hosts.secrets.give('second', 2)
    hosts.secrets.give('first', 1)
    expect(await tried(hosts, 'second')).toEqual(['second'])
  })

  test('that is refused leaves what was good in its place, and is tried again where that is refused', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    hosts.secrets.give('wrong', 1)
    expect(await tried(hosts, 'old')).toEqual(['wrong', 'old'])
    expect(await tried(hosts, 'old')).toEqual(['old'])
    expect(await tried(hosts)).toEqual(['old', 'wrong'])
    hosts.secrets.give('good', 2)
    expect(await tried(hosts, 'good')).toEqual(['good'])
    hosts.secrets.give('bad', 3)
    expect(await tried(hosts, 'good')).toEqual(['bad', 'good'])
  })

  test('that waits is tried first, and taken where it lets the user in', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    const taken = hosts.secrets.wait('new', 'refresh', 1)
    expect(await tried(hosts, 'new')).toEqual(['new'])
    await taken
    expect(await tried(hosts)).toEqual(['new', 'old'])
  })

  test('that waits is refused where it does not let the user in, and what was good does', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    const refused = hosts.secrets.wait('wrong', 'refresh', 1)
    // As long as the broker lets nobody in, that says nothing of the secret.
    expect(await tried(hosts)).toEqual(['wrong', 'old'])
    const rejects = expect(refused).rejects.toBe(REFUSED)
    expect(await tried(hosts, 'old')).toEqual(['wrong', 'old'])
    await rejects
    expect(await tried(hosts, 'old')).toEqual(['old'])
  })

  test('may be the password of the URL again', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    hosts.secrets.give('new', 1)
    expect(await tried(hosts, 'new')).toEqual(['new'])
    const taken = hosts.secrets.wait('old', 'back again', 2)
    expect(await tried(hosts, 'old')).toEqual(['old'])
    await taken
    expect(await tried(hosts, 'old')).toEqual(['old'])
  })

  test('that waits makes way for a later one, and shares its outcome', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    const calls = [
      hosts.secrets.wait('second', 'refresh', 2),
      hosts.secrets.wait('first', 'refresh', 1),
      hosts.secrets.wait('third', 'refresh', 3),
    ]
    expect(await tried(hosts, 'first', 'second', 'third')).toEqual(['third'])
    await Promise.all(calls)
  })

  test('that comes while another one is being refused is tried as well', async () => {
    const hosts = new Hosts('amqp://u:old@a', {})
    const [candidate] = await hosts.candidates()
    const asked: string[] = []
    let taken: Promise<void> | undefined
    await hosts.openWithSecrets(candidate as ConnectionConfig, async ({ credentials: { password } }) => {
      asked.push(password)
      taken ??= hosts.secrets.wait('new', 'refresh', 1)
      if (password === 'old') throw REFUSED
    })
    await taken
    expect(asked).toEqual(['old', 'new'])
  })

  test('is not for URLs that a function gives: those have one that is fresh', async () => {
    const hosts = new Hosts(() => 'amqp://u:fresh@a', {})
    hosts.secrets.give('old', 1)
    expect(await tried(hosts, 'fresh')).toEqual(['fresh'])
  })
})

describe('what makes no sense is refused at once:', () => {
  test.each<[string, unknown, object]>([
    ['no URL', [], {}],
    ['a hole in place of a URL', new Array(1), {}],
    ['a hole in place of a host', 'amqp://a', { hosts: new Array(1) }],
    ['a number', 5, {}],
    ['another scheme', ['amqp://a', 'http://b'], {}],
    ['another order', 'amqp://a', { hostOrder: 'random' }],
    ['hosts that are no list', 'amqp://a', { hosts: 'b' }],
    ['an empty host', 'amqp://a', { hosts: [''] }],
    ['a host that is no text', 'amqp://a', { hosts: [5] }],
    ['URLs with and without TLS', ['amqp://a', 'amqps://b'], {}],
    ['a host with credentials', 'amqp://a', { hosts: ['u:hunter2@b'] }],
    ['a host with a scheme', 'amqp://a', { hosts: ['amqp://hunter2'] }],
    ['a host with a vhost', 'amqp://a', { hosts: ['b/hunter2'] }],
    ['a host with credentials beside a function', () => 'amqp://a', { hosts: ['u:hunter2@b'] }],
    ['options for TLS without TLS', 'amqp://a', { tls: {} }],
    ['a port that is none', 'amqp://a', { hosts: ['b:x'] }],
  ])('%s', (_, source, options) => {
    const make = (): unknown => new Hosts(source as UrlSource, options as ClientOptions)
    expect(make).toThrow(ArgumentError)
    expect(make).toThrow(expect.not.stringContaining('hunter2'))
  })
})

describe('a password that is not encrypted', () => {
  const warn = jest.spyOn(process, 'emitWarning')
  beforeEach(() => void warn.mockReset().mockImplementation(() => undefined))
  afterEach(() => void warn.mockReset())

  async function warnings(source: UrlSource, options: ClientOptions = {}): Promise<string[]> {
    const hosts = new Hosts(source, { ...FIXED, ...options })
    for (let attempt = 0; attempt < 3; attempt++) await hosts.candidates()
    return warn.mock.calls.map(([text]) => String(text))
  }

  test.each<[UrlSource, ClientOptions]>([
    ['amqp://u:hunter2@broker.example', {}],
    ['amqp://broker.example', {}],
    ['amqp://10.0.0.1', { mechanism: 'AMQPLAIN' }],
    ['amqp://[2001:db8::1]', {}],
    ['amqp://localhost.example', {}],
    [['amqp://localhost', 'amqp://broker.example'], {}],
    ['amqp://localhost', { hosts: ['broker.example'] }],
    [() => 'amqp://u:hunter2@broker.example', {}],
  ])('is warned of once, without it: %p', async (source, options) => {
    const texts = await warnings(source, options)
    expect(texts).toHaveLength(1)
    expect(texts[0]).toContain('amqps://')
    expect(texts[0]).not.toContain('hunter2')
    expect(warn.mock.calls[0]?.slice(1)).toEqual(['SecurityWarning', 'PUKA_AMQP_CLEARTEXT_PASSWORD'])
  })

  test.each<[UrlSource, ClientOptions]>([
    ['amqps://broker.example', {}],
    ['amqp://localhost', {}],
    ['amqp://LOCALHOST.', {}],
    ['amqp://a.localhost', {}],
    ['amqp://127.8.9.10', {}],
    ['amqp://[::1]', {}],
    ['amqp://[::ffff:127.0.0.1]', {}],
    ['amqp://broker.example', { path: '/run/amqp.sock' }],
    ['amqp://broker.example', { mechanism: 'EXTERNAL' }],
    ['amqp://broker.example', { transport: () => Promise.reject(new Error('never opened here')) }],
  ])('is none, or stays on the machine, or is not known: no warning for %p', async (source, options) => {
    expect(await warnings(source, options)).toEqual([])
  })
})

describe('several hosts that fail', () => {
  test('are named with what each of them said, whatever the class of its error', async () => {
    const candidates = await new Hosts(
      ['amqp://localhost:1', 'amqp://localhost:2', 'amqp://localhost:3'],
      FIXED,
    ).candidates()
    const errors = [
      new AuthenticationError('connect: ACCESS_REFUSED (403)'),
      new NotAllowedError('connect: no vhost'),
      new ConnectionBrokenError('connect: no connection to localhost:3: refused'),
    ]
    const failing = openFirst(candidates, new AbortController().signal, ({ address }) =>
      Promise.reject(errors[address.port - 1]),
    )
    await expect(failing).rejects.toMatchObject({
      constructor: ConnectionBrokenError,
      message:
        'connect: no host can be used: localhost:1: ACCESS_REFUSED (403); localhost:2: no vhost; no connection to localhost:3: refused',
      cause: { errors },
    })
  })
})
