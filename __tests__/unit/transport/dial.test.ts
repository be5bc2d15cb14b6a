/** Covers the way from a name to a socket: every address has its chance, the first one wins, and nothing is left behind. */
import dns from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer, type LookupFunction, type Server, Socket } from 'node:net'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { connect, TimeoutError } from '../../../src/index.js'
import { type Attempt, type DialPlan, dial } from '../../../src/transport/dial.js'
import { connectStream } from '../../../src/transport/stream.js'
import { closeAll, listen, NEVER } from './sockets.js'

afterEach(async () => {
  jest.restoreAllMocks()
  await closeAll()
})

/** A socket whose fate is in the hands of a test. */
class FakeSocket extends Socket {
  override connect = (): this => this
}

/** Attempts that a test decides on. */
class Attempts {
  readonly opened: string[] = []
  readonly sockets = new Map<string, FakeSocket>()
  readonly #waiting: (() => void)[] = []
  success: Attempt<Socket>['success'] = 'connect'

  plan(
    addresses: readonly string[],
    more: Partial<DialPlan<Attempt<Socket>>> = {},
  ): DialPlan<Attempt<Socket>> {
    const found = addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    return {
      host: 'broker.example',
      lookup: (_host, _options, callback) => callback(null, found),
      time: 60_000,
      signal: NEVER,
      open: address => {
        const socket = new FakeSocket()
        this.opened.push(address)
        this.sockets.set(address, socket)
        for (const wake of this.#waiting.splice(0)) wake()
        return { socket, success: this.success }
      },
      ...more,
    }
  }

  /** The socket of an address, once it is opened. */
  async at(address: string): Promise<FakeSocket> {
    for (;;) {
      const socket = this.sockets.get(address)
      if (socket !== undefined) return socket
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  get allDropped(): boolean {
    return [...this.sockets.values()].every(({ destroyed }) => destroyed)
  }
}

const refused = (address: string): Error =>
  Object.assign(new Error(`connect ECONNREFUSED ${address}`), { code: 'ECONNREFUSED' })

describe('the addresses of a name', () => {
  test('are tried one beside the other: a slow one that answers at last is not lost', async () => {
    const attempts = new Attempts()
    const dialling = dial(attempts.plan(['10.0.0.1', '10.0.0.2', '10.0.0.3']))
    const slow = await attempts.at('10.0.0.1')
    const last = await attempts.at('10.0.0.3')
    last.emit('error', refused('10.0.0.3'))
    slow.emit('connect')
    expect((await dialling).socket).toBe(slow)
    expect(slow.destroyed).toBe(false)
    expect((await attempts.at('10.0.0.2')).destroyed).toBe(true)
  })

  test('follow each other at once where one refuses', async () => {
    const attempts = new Attempts()
    // The head start of an attempt is far longer than this test.
    const dialling = dial(attempts.plan(['10.0.0.1', '10.0.0.2'], { time: 2 ** 31 - 1 }))
    ;(await attempts.at('10.0.0.1')).emit('error', refused('10.0.0.1'))
    expect(attempts.opened).toEqual(['10.0.0.1', '10.0.0.2'])
    const second = await attempts.at('10.0.0.2')
    second.emit('connect')
    expect((await dialling).socket).toBe(second)
  })

  test('begin with one of each family, each address once', async () => {
    const attempts = new Attempts()
    const dialling = dial(
      attempts.plan(['::a', '::b', '::a', '::c', '10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.3', '10.0.0.4']),
    )
    const order = ['::a', '10.0.0.1', '::b', '10.0.0.2', '::c', '10.0.0.3', '10.0.0.4']
    for (const address of order) (await attempts.at(address)).emit('error', refused(address))
    await expect(dialling).rejects.toThrow(AggregateError)
    expect(attempts.opened).toEqual(order)
  })

  test('all begin before half of the time is over, however many they are', async () => {
    const attempts = new Attempts()
    const abort = new AbortController()
    const addresses = Array.from({ length: 500 }, (_, at) => `10.0.${at >> 8}.${at & 255}`)
    const dialling = dial(attempts.plan(addresses, { time: 400, signal: abort.signal }))
    // With a head start of a quarter of a second each, the last one would begin after two minutes.
    await attempts.at('10.0.1.243')
    expect(attempts.opened).toHaveLength(500)
    abort.abort(new Error('enough'))
    await expect(dialling).rejects.toThrow('enough')
    expect(attempts.allDropped).toBe(true)
  })

  test('are named with what each of them came to, if none answers', async () => {
    const attempts = new Attempts()
    const dialling = dial(attempts.plan(['::1', '10.0.0.1']))
    for (const address of ['::1', '10.0.0.1']) (await attempts.at(address)).emit('error', refused(address))
    await expect(dialling).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      errors: [{ message: 'connect ECONNREFUSED ::1' }, { message: 'connect ECONNREFUSED 10.0.0.1' }],
    })
  })

  test('do not wait for each other where opening one throws, or its socket closes', async () => {
    const attempts = new Attempts()
    const plan = attempts.plan(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
    const dialling = dial({
      ...plan,
      open: (address, family) => {
        if (address === '10.0.0.1') throw new Error('no such option')
        return plan.open(address, family)
      },
    })
    ;(await attempts.at('10.0.0.2')).emit('close')
    const third = await attempts.at('10.0.0.3')
    third.emit('connect')
    expect((await dialling).socket).toBe(third)
  })

  test('have their part of the time where TLS does not come to an end', async () => {
    const attempts = new Attempts()
    attempts.success = 'secureConnect'
    const dialling = dial(attempts.plan(['10.0.0.1', '10.0.0.2'], { time: 300 }))
    ;(await attempts.at('10.0.0.1')).emit('connect')
    const second = await attempts.at('10.0.0.2')
    second.emit('connect')
    second.emit('secureConnect')
    expect((await dialling).socket).toBe(second)
    expect((await attempts.at('10.0.0.1')).destroyed).toBe(true)
  })

  test('are all dropped by the signal, and a late error of theirs harms nobody', async () => {
    const attempts = new Attempts()
    const abort = new AbortController()
    const sofar: string[] = []
    const plan = attempts.plan(['10.0.0.1', '10.0.0.2'], { signal: abort.signal })
    const dialling = dial({ ...plan, onGivenUp: text => sofar.push(text) })
    const first = await attempts.at('10.0.0.1')
    await attempts.at('10.0.0.2')
    const reason = new Error('changed my mind')
    abort.abort(reason)
    await expect(dialling).rejects.toBe(reason)
    expect(sofar).toEqual(['no answer from 10.0.0.1, 10.0.0.2'])
    expect(attempts.allDropped).toBe(true)
    first.emit('error', refused('10.0.0.1'))
    first.emit('connect')
  })
})

describe('looking a name up', () => {
  const answer = (...args: unknown[]): LookupFunction =>
    ((_host: string, _options: unknown, callback: (...args: unknown[]) => void) =>
      callback(...args)) as LookupFunction

  test('takes one address where a look-up gives no more', async () => {
    const attempts = new Attempts()
    const dialling = dial(attempts.plan([], { lookup: answer(null, '10.0.0.1', 4) }))
    ;(await attempts.at('10.0.0.1')).emit('connect')
    await dialling
    expect(attempts.opened).toEqual(['10.0.0.1'])
  })

  test.each<[string, LookupFunction]>([
    ['nothing', answer(null, [])],
    ['what is no address', answer(null, [{ address: 'elsewhere', family: 4 }])],
    ['an error', answer(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }))],
    [
      'an exception',
      () => {
        throw Object.assign(new Error('bad'), { code: 'ENOTFOUND' })
      },
    ],
  ])('fails where it gives %s', async (_, lookup) => {
    await expect(dial(new Attempts().plan([], { lookup }))).rejects.toMatchObject({ code: 'ENOTFOUND' })
  })

  test('that never answers is not waited for beyond the signal', async () => {
    const abort = new AbortController()
    const dialling = dial(new Attempts().plan([], { lookup: () => undefined, signal: abort.signal }))
    abort.abort(new Error('enough'))
    await expect(dialling).rejects.toThrow('enough')
  })

  test('that answers after the signal opens nothing', async () => {
    const attempts = new Attempts()
    const abort = new AbortController()
    let late: () => void = () => undefined
    const lookup: LookupFunction = (_host, _options, callback) => {
      late = () => callback(null, '10.0.0.1', 4)
    }
    const dialling = dial(attempts.plan([], { lookup, signal: abort.signal }))
    abort.abort(new Error('enough'))
    late()
    await expect(dialling).rejects.toThrow('enough')
    expect(attempts.opened).toEqual([])
  })

  test('is not done for an address', async () => {
    const attempts = new Attempts()
    const lookup = jest.fn<LookupFunction>()
    const dialling = dial(attempts.plan([], { host: '::1', lookup }))
    ;(await attempts.at('::1')).emit('connect')
    await dialling
    expect(lookup).not.toHaveBeenCalled()
  })
})

describe('a transport over TCP', () => {
  /** Listens at this address of the machine, at the port of another one, if there is one. */
  async function listenAt(host: string, port = 0): Promise<{ server: Server; port: number }> {
    const server = createServer()
    await listen(server, { port, host } as { port: number })
    return { server, port: (server.address() as AddressInfo).port }
  }

  test('says of each address what had become of it, where the time is over', async () => {
    const server = createServer()
    const port = await listen(server)
    const found = [
      { address: '127.0.0.9', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ]
    const tls = {
      lookup: (_host: string, _options: unknown, callback: Parameters<LookupFunction>[2]) =>
        callback(null, found),
    }
    // The server takes the connection, and never answers the client's TLS greeting.
    const connecting = connect(`amqps://broker.example:${port}`, { tls, connectTimeout: 300 })
    await expect(connecting).rejects.toMatchObject({
      constructor: TimeoutError,
      message: `connect: no connection to broker.example:${port} within 300 ms (connectTimeout): connect ECONNREFUSED 127.0.0.9:${port}, no answer from 127.0.0.1`,
    })
  })

  test('is made to the address of a name that answers, and only that one stays open', async () => {
    const { server, port } = await listenAt('127.0.0.3')
    const found = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map(address => ({ address, family: 4 }))
    jest
      .spyOn(dns, 'lookup')
      .mockImplementation(((
        _host: string,
        _options: unknown,
        callback: (error: null, found: unknown) => void,
      ) => callback(null, found)) as unknown as typeof dns.lookup)
    const accepted = once(server, 'connection')
    const transport = await connectStream({ host: 'broker.example', port }, NEVER)
    await accepted
    const closed = new Promise<void>(resolve =>
      transport.start({ onData: () => undefined, onDrain: () => undefined, onClose: () => resolve() }),
    )
    transport.destroy()
    await closed
  })
})
