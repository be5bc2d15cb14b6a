/** Covers channel 0 of an open connection: blocking, new secrets, the broker's closing, and what has no business there. */
import { describe, expect, test } from '@jest/globals'
import {
  type ArgsOf,
  decodeMethod,
  type Method,
  type MethodName,
  methods,
} from '../../../src/codec/methods.gen.js'
import { ControlChannel, type ControlHost } from '../../../src/connection/control-channel.js'
import {
  type AmqpError,
  CommandInvalidError,
  ConnectionClosedError,
  ConnectionForcedError,
  NotAllowedError,
} from '../../../src/errors.js'
import { Reader } from '../../../src/wire/reader.js'
import { Writer } from '../../../src/wire/writer.js'
import { turns } from '../../support/memory/scripted-peer.js'

/** A method as it is read from the wire. */
function methodOf<N extends MethodName>(name: N, args: ArgsOf<N>): Method {
  const writer = new Writer()
  methods[name].encode(writer, args)
  return decodeMethod(new Reader(Buffer.from(writer.unit())))
}

/** A control channel, what it sent, and what its connection was told, in order. */
function begin() {
  const log: unknown[] = []
  const closed: { reason: AmqpError; methodId: number }[] = []
  const host: ControlHost = {
    send: (name, args) => log.push([name, args]),
    onBlocked: reason => log.push(`blocked: ${reason}`),
    onUnblocked: () => log.push('unblocked'),
    onClose: (reason, methodId) => {
      log.push('closed by the broker')
      closed.push({ reason, methodId })
    },
    onCloseOk: () => log.push('close answered'),
  }
  const control = new ControlChannel(host)
  const receive = <N extends MethodName>(name: N, args: ArgsOf<N>): void =>
    control.onMethod(methodOf(name, args))
  return { control, receive, log, closed }
}

describe('blocking', () => {
  test('is kept with its reason, and told, until it is over', () => {
    const { control, receive, log } = begin()
    expect(control.blocked).toBeUndefined()
    receive('connection.blocked', { reason: 'low on memory' })
    expect(control.blocked).toBe('low on memory')
    receive('connection.blocked', { reason: 'low on disk' })
    expect(control.blocked).toBe('low on disk')
    receive('connection.unblocked', {})
    expect(control.blocked).toBeUndefined()
    expect(log).toEqual(['blocked: low on memory', 'blocked: low on disk', 'unblocked'])
  })

  test('without a reason is blocking all the same', () => {
    const { control, receive } = begin()
    receive('connection.blocked', { reason: '' })
    expect(control.blocked).toBe('')
  })

  test('is kept before it is told: whoever is told may look', () => {
    const seen: unknown[] = []
    const look = () => seen.push(control.blocked)
    const nothing = () => undefined
    const control: ControlChannel = new ControlChannel({
      send: nothing,
      onBlocked: look,
      onUnblocked: look,
      onClose: nothing,
      onCloseOk: nothing,
    })
    control.onMethod(methodOf('connection.blocked', { reason: 'why' }))
    control.onMethod(methodOf('connection.unblocked', {}))
    expect(seen).toEqual(['why', undefined])
  })
})

describe('a new secret', () => {
  /** Gives two secrets, and keeps their outcomes. */
  function giveTwo({ control }: Pick<ReturnType<typeof begin>, 'control'>): unknown[] {
    const outcomes: unknown[] = ['waits', 'waits']
    for (const [place, secret] of ['one', 'zwölf'].entries()) {
      control.updateSecret(secret, 'old').then(
        () => {
          outcomes[place] = 'taken'
        },
        (error: unknown) => {
          outcomes[place] = error
        },
      )
    }
    return outcomes
  }

  test('is sent at once, as bytes', () => {
    const begun = begin()
    giveTwo(begun)
    expect(begun.log).toEqual([
      ['connection.update-secret', { newSecret: Buffer.from('one'), reason: 'old' }],
      ['connection.update-secret', { newSecret: Buffer.from('zwölf', 'utf8'), reason: 'old' }],
    ])
  })

  test('is taken when the broker says so: answers come in order', async () => {
    const begun = begin()
    const outcomes = giveTwo(begun)
    await turns(1)
    expect(outcomes).toEqual(['waits', 'waits'])
    begun.receive('connection.update-secret-ok', {})
    await turns(1)
    expect(outcomes).toEqual(['taken', 'waits'])
    begun.receive('connection.update-secret-ok', {})
    await turns(1)
    expect(outcomes).toEqual(['taken', 'taken'])
  })

  test('that was never given cannot be taken', () => {
    const begun = begin()
    const receive = () => begun.receive('connection.update-secret-ok', {})
    expect(receive).toThrow(CommandInvalidError)
    giveTwo(begun)
    receive()
    receive()
    expect(receive).toThrow('connection.update-secret-ok came on channel 0, where nothing asked for it')
  })

  test('that is taken when nobody waits for it any more is of no account', async () => {
    const begun = begin()
    const outcomes = giveTwo(begun)
    const reason = new ConnectionClosedError('over')
    begun.control.end(reason)
    begun.receive('connection.update-secret-ok', {})
    begun.receive('connection.update-secret-ok', {})
    await turns(1)
    expect(outcomes).toEqual([reason, reason])
  })

  test('is not taken where the connection ends before the answer', async () => {
    const begun = begin()
    const outcomes = giveTwo(begun)
    begun.receive('connection.update-secret-ok', {})
    const reason = new ConnectionClosedError('over')
    begun.control.end(reason)
    begun.control.end(new ConnectionClosedError('over again'))
    await turns(1)
    expect(outcomes[0]).toBe('taken')
    expect(outcomes[1]).toBe(reason)
  })
})

describe('closing', () => {
  test('by the broker is answered, then told with its error and the method that it blames', () => {
    const { receive, log, closed } = begin()
    const { id } = methods['basic.publish']
    const blame = { classId: id >>> 16, methodId: id & 0xffff }
    receive('connection.close', { replyCode: 530, replyText: 'NOT_ALLOWED - no', ...blame })
    expect(log).toEqual([['connection.close-ok', {}], 'closed by the broker'])
    expect(closed).toEqual([
      {
        methodId: id,
        reason: expect.objectContaining({
          constructor: NotAllowedError,
          message: 'NOT_ALLOWED - no (530)',
          replyCode: 530,
          ...blame,
        }),
      },
    ])
  })

  test('by the broker for no method of ours blames none', () => {
    const { receive, closed } = begin()
    const replyText = 'CONNECTION_FORCED - broker forced connection closure'
    receive('connection.close', { replyCode: 320, replyText, classId: 0, methodId: 0 })
    expect(closed).toHaveLength(1)
    expect(closed[0]?.methodId).toBe(0)
    expect(closed[0]?.reason).toBeInstanceOf(ConnectionForcedError)
  })

  test('by us that is answered is told, and not answered again', () => {
    const { receive, log } = begin()
    receive('connection.close-ok', {})
    expect(log).toEqual(['close answered'])
  })
})

test.each([
  ['connection.open-ok', {}],
  ['connection.tune', { channelMax: 1, frameMax: 4096, heartbeat: 0 }],
  ['channel.open-ok', {}],
  ['basic.ack', { deliveryTag: 1, multiple: false }],
] as const)('%s has no business there: it is refused, and nothing is done', (name, args) => {
  const { control, log } = begin()
  const receive = () => control.onMethod(methodOf(name, args as never))
  expect(receive).toThrow(CommandInvalidError)
  expect(receive).toThrow(`${name} came on channel 0, where nothing asked for it`)
  expect(log).toEqual([])
})
