/** Covers transports of the user's own that do not open as they should, and peers that do not speak AMQP. */
import { inspect } from 'node:util'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import {
  ArgumentError,
  AuthenticationError,
  type ClientOptions,
  ConnectionBrokenError,
  connect,
  ProtocolError,
  TimeoutError,
} from '../../../src/index.js'
import { isRefusal } from '../../../src/reply-codes.js'
import type { Transport, TransportEvents, TransportFactory } from '../../../src/transport-types.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

afterEach(() => void jest.restoreAllMocks())

/** A transport that a test plays. */
class Played implements Transport {
  events: TransportEvents | undefined
  destroyed = 0

  start(events: TransportEvents): void {
    this.events = events
  }
  write(): boolean {
    return true
  }
  end(): void {}
  destroy(): void {
    this.destroyed++
  }
  says(text: string): void {
    this.events?.onData(Buffer.from(text, 'latin1'))
  }
}

function failure(transport: TransportFactory, options: ClientOptions = {}): Promise<Error> {
  return connect('amqp://test', { transport, ...options }).then(
    () => {
      throw new Error('it has connected')
    },
    (error: Error) => error,
  )
}

describe("a transport of the user's own", () => {
  test('that never opens is not waited for beyond connectTimeout', async () => {
    const error = await failure(() => new Promise(() => undefined), { connectTimeout: 20 })
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toBe('connect: no connection to test:5672 within 20 ms (connectTimeout)')
  })

  test('that opens too late, whatever the signal says, is destroyed', async () => {
    const late = new Played()
    let open: (transport: Transport) => void = () => undefined
    const factory = (): Promise<Transport> => new Promise(resolve => (open = resolve))
    expect(await failure(factory, { connectTimeout: 20 })).toBeInstanceOf(TimeoutError)
    open(late)
    await turns()
    expect(late.destroyed).toBe(1)
    expect(late.events).toBeUndefined()
  })

  test.each<[string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new Error('not now')
      },
    ],
    ['rejects', () => Promise.reject(new Error('not now'))],
  ])('whose start %s is destroyed, and the attempt fails', async (_, start) => {
    const transport = new Played()
    transport.start = start
    const error = await failure(() => transport)
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain('not now')
    expect(transport.destroyed).toBe(1)
  })

  test('whose start says everything at once is listened to', async () => {
    const transport = new Played()
    transport.start = events => {
      events.onData(Buffer.from('HTTP/1.1 400 Bad Request'))
      events.onClose()
    }
    expect(await failure(() => transport)).toBeInstanceOf(ProtocolError)
  })

  test.each([undefined, null, 5, {}, { start: () => undefined }])('that is %p is none', async given => {
    const error = await failure(() => given as unknown as Transport)
    expect(error).toMatchObject({ constructor: ArgumentError, operation: 'connect' })
    expect(error.message).toContain('start, write, end, destroy')
  })

  test.each([undefined, 'a text', new Error('line one\nline \x1b[31mtwo')])(
    'that throws %p fails the attempt',
    async thrown => {
      const error = await failure(() => Promise.reject(thrown))
      expect(error).toBeInstanceOf(ConnectionBrokenError)
      expect(error.message).toMatch(/^connect: no connection to test:5672: \P{Cc}+$/u)
    },
  )
})

describe('a peer that is no broker', () => {
  async function played(play: (transport: Played) => void, options: ClientOptions = {}): Promise<Error> {
    const transport = new Played()
    transport.start = events => {
      transport.events = events
      queueMicrotask(() => play(transport))
    }
    const error = await failure(() => transport, options)
    expect(transport.destroyed).toBe(1)
    return error
  }

  test.each([
    ['HTTP/1.1 400 Bad Request\r\n', 'HTTP', 'management'],
    ['HTTP/', 'HTTP', 'management'],
    ['\x15\x03\x03\0\x02\x02\x46', 'byte 21', 'amqps://'],
    ['\x16\x03\x03', 'byte 22', 'amqps://'],
    ['SSH-2.0-OpenSSH_9.2p1\r\n', 'SSH-2.0-', '(SSH)'],
    ['\0\0\x12\x04\0\0\0\0\0', 'byte 0', 'HTTP/2'],
    ['ERROR\nmessage:x', 'ERROR', 'STOMP'],
    ['\x9b31m 220 ', 'byte 155', ''],
    ['220 smtp', '220 smtp', ''],
  ])('is told at once by %j', async (bytes, beginning, guess) => {
    const error = await played(transport => transport.says(bytes))
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toContain(beginning)
    expect(error.message).toContain(guess)
    expect(isRefusal(error)).toBe(true)
  })

  test('is told by a beginning that is none of AMQP, where it hangs up over it', async () => {
    const error = await played(transport => {
      transport.says('AMQ')
      transport.events?.onClose()
    })
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toContain('it began with "AMQ"')
  })

  test('is told by such a beginning, where it says no more', async () => {
    const error = await played(transport => transport.says('AM'), { connectTimeout: 20 })
    expect(error).toBeInstanceOf(ProtocolError)
  })

  test('is told by its patience: it has waited in silence for another protocol, and hangs up', async () => {
    const error = await played(transport => {
      const now = performance.now()
      jest.spyOn(performance, 'now').mockReturnValue(now + 5000)
      transport.events?.onClose()
    })
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error.message).toMatch(/said nothing for 5\.\d s, then hung up: .*15672/)
    // A proxy without a broker may do the same.
    expect(isRefusal(error)).toBe(false)
  })

  test('is not told where it hangs up at once: it may be a proxy without a broker', async () => {
    const error = await played(transport => transport.events?.onClose())
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain('hung up before it had said anything')
  })

  test('is not told where it is silent, but its silence is', async () => {
    const error = await played(() => undefined, { connectTimeout: 20 })
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toContain('the server has said nothing')
  })

  test('is not told by a part of a first frame', async () => {
    const error = await played(transport => {
      transport.says('\x01\0\0')
      transport.events?.onClose()
    })
    expect(error).toBeInstanceOf(ConnectionBrokenError)
  })
})

describe('what a server says in its own words', () => {
  const UNSAFE = /[\p{Cc}\p{Cf}\u2028\u2029]/u

  test('is shown on one line, without what a terminal obeys', async () => {
    const peer = new ScriptedPeer()
    peer.on('connection.open', () =>
      peer.closeConnection(530, 'no\nERROR forged \x1b[2J\x9b31m\u202Etxt\u2028', 'connection.open'),
    )
    const error = await failure(peer.transport)
    expect(error.message).toContain('no\\nERROR forged \\u001b[2J\\u009b31m\\u202etxt\\u2028')
    expect(error.message).not.toMatch(UNSAFE)
  })

  test('is cut where there is too much of it', async () => {
    const peer = new ScriptedPeer({ mechanisms: `\x1b${'X'.repeat(100_000)}` })
    const error = await failure(peer.transport)
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error.message.length).toBeLessThan(1200)
    expect(error.message).not.toMatch(UNSAFE)
  })
})

test('a client shows no password, wherever it is looked at', async () => {
  const peer = new ScriptedPeer()
  const client = await connect('amqp://user:hunter2@test', {
    transport: peer.transport,
    heartbeat: 0,
    recovery: false,
  })
  expect(inspect(client, { depth: 20, showHidden: true })).not.toContain('hunter2')
  expect(JSON.stringify(client)).not.toContain('hunter2')
  await client.close()
})
