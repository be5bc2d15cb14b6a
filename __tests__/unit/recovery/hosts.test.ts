/** Covers where a client may connect to: URLs and hosts, their order, functions that give them anew, new secrets. */
import { describe, expect, test } from '@jest/globals'
import type { ClientOptions, UrlSource } from '../../../src/client-options.js'
import { ArgumentError } from '../../../src/errors.js'
import { Hosts } from '../../../src/recovery/hosts.js'

const FIXED = { hostOrder: 'fixed' } as const

async function labels(hosts: Hosts): Promise<string[]> {
  return (await hosts.candidates()).map(({ hostLabel }) => hostLabel)
}

async function passwords(hosts: Hosts): Promise<string[]> {
  return (await hosts.candidates()).map(({ credentials }) => credentials.password)
}

describe('the hosts', () => {
  test('are those of the URLs, then those of the option, in the fixed order at every attempt', async () => {
    const hosts = new Hosts(['amqp://a', 'amqp://b:1'], { ...FIXED, hosts: ['c', 'd:2', '[::1]:3'] })
    const all = ['a:5672', 'b:1', 'c:5672', 'd:2', '[::1]:3']
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
    const source = ['amqps://user:secret@a:1/vhost?heartbeat=7', 'amqp://other:else@b']
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

  test('has the options checked at once, though the URL comes later', () => {
    expect(() => new Hosts(() => 'amqp://a', { heartbeat: -1 })).toThrow(ArgumentError)
  })
})

describe('a new secret', () => {
  test('takes the place of the password from the next attempt on, at every host', async () => {
    const hosts = new Hosts(['amqp://u:old@a', 'amqp://u:older@b'], { ...FIXED, hosts: ['c'] })
    expect(await passwords(hosts)).toEqual(['old', 'older', 'old'])
    hosts.newSecret = 'new'
    expect(await passwords(hosts)).toEqual(['new', 'new', 'new'])
    hosts.newSecret = 'newer'
    expect(await passwords(hosts)).toEqual(['newer', 'newer', 'newer'])
  })
})

describe('what makes no sense is refused at once:', () => {
  test.each<[string, unknown, object]>([
    ['no URL', [], {}],
    ['a number', 5, {}],
    ['another scheme', ['amqp://a', 'http://b'], {}],
    ['another order', 'amqp://a', { hostOrder: 'random' }],
    ['hosts that are no list', 'amqp://a', { hosts: 'b' }],
    ['an empty host', 'amqp://a', { hosts: [''] }],
    ['a host that is no text', 'amqp://a', { hosts: [5] }],
    ['a port that is none', 'amqp://a', { hosts: ['b:x'] }],
  ])('%s', (_, source, options) => {
    expect(() => new Hosts(source as UrlSource, options as ClientOptions)).toThrow(ArgumentError)
  })
})
