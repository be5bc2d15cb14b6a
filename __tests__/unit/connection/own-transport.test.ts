/** Covers transports of the user's own that throw, call back at the wrong moment, or not at all, at every step of a connection. */
import { describe, expect, test } from '@jest/globals'
import {
  AmqpError,
  ArgumentError,
  Client,
  CommandInvalidError,
  ConnectionBrokenError,
  connect,
} from '../../../src/index.js'
import type { Transport, TransportEvents, TransportFactory } from '../../../src/transport-types.js'
import { quiet } from '../../../src/util/promise.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'

type Call = 'start' | 'write' | 'end' | 'destroy'

/** What a transport does when it is called, in place of what it should or in addition to that. */
type Fault = (act: () => unknown, events: TransportEvents | undefined) => unknown

const fail = (): never => {
  throw new Error('not now')
}

const faults: [string, Fault][] = [
  ['throws', fail],
  [
    'throws when all is done',
    act => {
      act()
      fail()
    },
  ],
  ['throws nothing worth the name', () => Promise.reject(undefined)],
  ['is asynchronous, and fails', () => Promise.reject(new Error('later'))],
  [
    'closes at once',
    (act, events) => {
      const result = act()
      events?.onClose()
      return result
    },
  ],
  [
    'closes with an error and throws',
    (_, events) => {
      events?.onClose(new Error('reset'))
      fail()
    },
  ],
  [
    'closes twice, and goes on',
    (act, events) => {
      const result = act()
      events?.onClose()
      events?.onClose(new Error('again'))
      events?.onData(Buffer.from([7, 7, 7, 7, 7, 7, 7, 7]))
      events?.onDrain()
      return result
    },
  ],
  ['does nothing', () => undefined],
  [
    'wants a pause that is over already',
    (act, events) => {
      act()
      events?.onDrain()
      return false
    },
  ],
  [
    'brings what is no AMQP',
    (act, events) => {
      const result = act()
      events?.onData(Buffer.from([7, 7, 7, 7, 7, 7, 7, 7]))
      return result
    },
  ],
  [
    'brings what is no bytes',
    (act, events) => {
      const result = act()
      events?.onData('text' as unknown as Buffer)
      return result
    },
  ],
]

/** A transport to the peer that has a fault in one of its methods, from the moment that `faulty` says so. */
function faulted(peer: ScriptedPeer, call: Call, fault: Fault, faulty: () => boolean): TransportFactory {
  return async (...args) => {
    const own = await peer.transport(...args)
    let events: TransportEvents | undefined
    const guard =
      <A extends unknown[]>(name: Call, act: (...args: A) => unknown) =>
      (...args: A): unknown =>
        name === call && faulty() ? fault(() => act(...args), events) : act(...args)
    return {
      start: guard('start', (given: TransportEvents) => {
        events = given
        own.start(given)
      }),
      write: guard('write', (pieces: readonly Uint8Array[]) => own.write(pieces)),
      end: guard('end', () => own.end()),
      destroy: guard('destroy', () => own.destroy()),
    } as Transport
  }
}

const cases = (['write', 'end', 'destroy'] as const).flatMap(call =>
  faults.map(([name, fault]): [Call, string, Fault] => [call, name, fault]),
)

describe('a client has an outcome for everything, and ends, where its transport', () => {
  test.each(cases)('in %s %s', async (call, _, fault) => {
    const peer = new ScriptedPeer()
    let faulty = false
    const transport = faulted(peer, call, fault, () => faulty)
    const client = await connect('amqp://own', { transport, heartbeat: 0, recovery: false })
    peer.on('queue.declare', () => undefined)
    const outcomes = [client.queueDeclare('a'), client.basicPublish('', 'q', 'x')]
    await peer.next('queue.declare')
    faulty = true
    const last = quiet(client.queueDeclare('b'))
    await turns()
    // Also what a peer brings about, within its own callback.
    if (call === 'end') peer.closeConnection(320, 'CONNECTION_FORCED')
    else if (call === 'destroy') peer.raw(Buffer.from([7, 0, 0, 0, 0, 0, 0, 0xce]))
    await turns()
    const closing = client.close()
    // What never arrives is not answered.
    peer.hangUp()
    await closing
    await client.closed
    for (const outcome of [...outcomes, last]) expect(await errorOf(outcome)).toBeInstanceOf(AmqpError)
    await turns()
  })
})

describe('an attempt to connect fails with an AmqpError, or works, where the transport', () => {
  test.each([...faults.map(([name, fault]): [Call, string, Fault] => ['start', name, fault]), ...cases])(
    'in %s %s',
    async (call, _, fault) => {
      const peer = new ScriptedPeer({ mechanisms: call === 'write' || call === 'start' ? 'PLAIN' : 'NONE' })
      const transport = faulted(peer, call, fault, () => true)
      const client = new Client('amqp://own', {
        transport,
        heartbeat: 0,
        recovery: false,
        connectTimeout: 200,
      })
      const error = await client.connect().then(
        () => undefined,
        (error: unknown) => error,
      )
      if (error !== undefined) expect(error).toBeInstanceOf(AmqpError)
      await turns()
      const closing = client.close()
      peer.hangUp()
      await closing
      await turns()
    },
  )
})

test('a transport that wants a pause, and is ready again before its write returns, is written to', async () => {
  const peer = new ScriptedPeer()
  const drained: Fault = (act, events) => {
    act()
    events?.onDrain()
    return false
  }
  const transport = faulted(peer, 'write', drained, () => true)
  const client = await connect('amqp://own', { transport, heartbeat: 0, recovery: false })
  await expect(client.queueDeclare('q')).resolves.toMatchObject({ queue: 'q' })
  await client.close()
})

describe('a method on the heels of the handshake that nothing asked for', () => {
  test.each(faults)(
    'ends the client all the same where the transport, told to let go, %s',
    async (_, fault) => {
      const peer = new ScriptedPeer()
      const openOk = peer.method(0, 'connection.open-ok', {})
      peer.on('connection.open', () => peer.raw(Buffer.concat([openOk, openOk])))
      const transport = faulted(peer, 'destroy', fault, () => true)
      const client = await connect('amqp://own', { transport, heartbeat: 0, recovery: false })
      await client.closed
      expect(client.state).toMatchObject({ name: 'closed', error: { constructor: CommandInvalidError } })
      await turns()
    },
  )
})

describe('a factory of transports', () => {
  const attempt = (factory: () => unknown, connectTimeout = 10_000): Promise<Error> =>
    errorOf(connect('amqp://own', { transport: factory as TransportFactory, connectTimeout }))

  test.each([[undefined], [null], ['tcp'], [{}]])('that gives no transport is told so: %p', async given => {
    expect(await attempt(() => given)).toBeInstanceOf(ArgumentError)
    expect(await attempt(async () => given)).toBeInstanceOf(ArgumentError)
  })

  test.each([[undefined], [null], ['no way'], [{ message: 5 }], [Object.create(null)]])(
    'may throw anything: %p',
    async thrown => {
      expect(await attempt(() => Promise.reject(thrown))).toBeInstanceOf(ConnectionBrokenError)
    },
  )

  test.each<[string, () => unknown]>([
    ['throws', fail],
    ['fails later', () => Promise.reject(new Error('later'))],
  ])('may give one when nobody waits any more, which %s when it is dropped', async (_, destroy) => {
    let give: (transport: unknown) => void = fail
    const given = new Promise(resolve => {
      give = resolve
    })
    expect(await attempt(() => given, 1)).toMatchObject({ name: 'TimeoutError' })
    let dropped = 0
    const act = (): unknown => {
      dropped++
      return destroy()
    }
    give({ start: fail, write: fail, end: fail, destroy: act })
    await turns()
    expect(dropped).toBe(1)
  })
})
