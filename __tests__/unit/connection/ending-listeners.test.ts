/** Covers the end of a connection and of a channel where one that is told of it throws: all others are told. */
import { describe, expect, test } from '@jest/globals'
import { ChannelListener } from '../../../src/connection/channel.js'
import { Connection, type ConnectionEvents } from '../../../src/connection/connection.js'
import { resolveConfig } from '../../../src/connection/connection-config.js'
import { Metrics } from '../../../src/connection/metrics.js'
import type { Outbox } from '../../../src/connection/outbox.js'
import { encodeRequest } from '../../../src/connection/request.js'
import { type AmqpError, ConnectionClosedError } from '../../../src/errors.js'
import { ScriptedPeer, turns } from '../../support/memory/scripted-peer.js'

const DECLARE = encodeRequest(
  'queue.declare',
  {
    queue: 'q',
    passive: false,
    durable: true,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  },
  0,
)

class Listener extends ChannelListener {
  readonly told: string[] = []
  readonly #throws: boolean

  constructor(throws = false) {
    super()
    this.#throws = throws
  }

  override onClosed({ name }: AmqpError, lost: boolean): void {
    this.told.push(`${name} ${lost}`)
    if (this.#throws) throw new Error('a listener that throws')
  }
}

/** A connection to a peer that declares no queues, and what its owner was told. */
async function connected(
  onEnd: ConnectionEvents['onEnd'] = () => undefined,
  onWritable: () => void = () => undefined,
) {
  const peer = new ScriptedPeer()
  peer.on('queue.declare', () => undefined)
  const ended: string[] = []
  const config = resolveConfig('amqp://test', { transport: peer.transport, heartbeat: 0 })
  const events: ConnectionEvents = {
    onBlocked: () => undefined,
    onUnblocked: () => undefined,
    onWritable,
    giveWay: () => undefined,
    onChannelFree: () => undefined,
    onEnd: loss => {
      ended.push(loss.reason.name)
      onEnd(loss)
    },
  }
  const connection = new Connection(config, 0, events, new Metrics())
  await connection.connect(new AbortController().signal)
  return { peer, connection, ended }
}

/** A request whose owner throws when it is told of a failure, and another one behind it. */
function askTwice(connection: Connection, listener: ChannelListener): string[] {
  const told: string[] = []
  const channel = connection.openChannel(listener)
  channel.ask(
    DECLARE,
    {},
    () => undefined,
    ({ name }) => {
      told.push(`first ${name}`)
      throw new Error('a request that throws')
    },
  )
  channel.ask(
    DECLARE,
    {},
    () => undefined,
    ({ name }) => told.push(`second ${name}`),
  )
  return told
}

describe('the end of a connection', () => {
  test.each<[string, (peer: ScriptedPeer) => void, string]>([
    ['hangs up', peer => peer.hangUp(), 'ConnectionBrokenError'],
    ['closes it', peer => peer.closeConnection(320, 'CONNECTION_FORCED'), 'ConnectionForcedError'],
    ['breaks the protocol', peer => peer.raw(Buffer.from([7, 0, 0, 0, 0, 0, 0, 0])), 'FrameError'],
  ])('is told to every channel where the listener of one throws: the peer %s', async (_, end, name) => {
    const { peer, connection, ended } = await connected()
    const listeners = [new Listener(), new Listener(true), new Listener(true), new Listener()]
    for (const listener of listeners) connection.openChannel(listener)
    await peer.several('channel.open', 4)
    end(peer)
    await turns()
    for (const { told } of listeners) expect(told).toEqual([`${name} true`])
    expect(ended).toEqual([name])
    expect(connection.endReason?.name).toBe(name)
    expect(connection.channels).toBe(0)
  })

  test('is told to every request, and to the listener, where a request throws', async () => {
    const { peer, connection } = await connected()
    const listener = new Listener()
    const told = askTwice(connection, listener)
    await peer.several('queue.declare', 2)
    peer.hangUp()
    await turns()
    expect(told).toEqual(['first ConnectionBrokenError', 'second ConnectionBrokenError'])
    expect(listener.told).toEqual(['ConnectionBrokenError true'])
  })

  test('is told to channels and new secrets where its owner throws', async () => {
    const { peer, connection, ended } = await connected(() => {
      throw new Error('an owner that throws')
    })
    const listener = new Listener()
    connection.openChannel(listener)
    const secret = connection.updateSecret('new', 'expired')
    await peer.next('channel.open')
    peer.hangUp()
    await expect(secret).rejects.toMatchObject({ name: 'ConnectionBrokenError' })
    expect(ended).toEqual(['ConnectionBrokenError'])
    expect(listener.told).toEqual(['ConnectionBrokenError true'])
  })

  test('by its own side is complete where one that is told throws', async () => {
    const { peer, connection } = await connected(() => {
      throw new Error('an owner that throws')
    })
    const listeners = [new Listener(true), new Listener()]
    for (const listener of listeners) connection.openChannel(listener)
    await peer.several('channel.open', 2)
    await connection.close(new ConnectionClosedError('enough'))
    for (const { told } of listeners) expect(told).toEqual(['ConnectionClosedError true'])
    expect(peer.all('connection.close')).toHaveLength(1)
  })

  test('comes also where somebody throws who is asked for frames before the last write', async () => {
    const { peer, connection, ended } = await connected()
    const failing = {
      onFlush: () => {
        throw new Error('nothing to send')
      },
    }
    peer.raw(Buffer.from([7, 0, 0, 0, 0, 0, 0, 0]))
    connection.outbox.gatherLonger(failing)
    await turns()
    expect(ended).toEqual(['FrameError'])
  })
})

describe('the end of a channel', () => {
  test('is told to every request, and to the listener, where a request throws; the connection goes on', async () => {
    const { peer, connection, ended } = await connected()
    const listener = new Listener(true)
    const told = askTwice(connection, listener)
    await peer.several('queue.declare', 2)
    peer.closeChannel(1, 404, 'NOT_FOUND', 'queue.declare')
    await turns()
    expect(told).toEqual(['first NotFoundError', 'second NotFoundError'])
    expect(listener.told).toEqual(['NotFoundError false'])
    expect(ended).toEqual([])
    // Its number is free again.
    expect(connection.openChannel(new Listener()).number).toBe(1)
  })

  test('by its own side is told to every request where one throws', async () => {
    const { peer, connection } = await connected()
    const listener = new Listener()
    const told: string[] = []
    const channel = connection.openChannel(listener)
    const reject = ({ name }: AmqpError): never => {
      told.push(name)
      throw new Error('a request that throws')
    }
    for (let request = 0; request < 2; request++) channel.ask(DECLARE, {}, () => undefined, reject)
    await peer.several('queue.declare', 2)
    channel.close(new ConnectionClosedError('enough'))
    expect(told).toEqual(['ConnectionClosedError', 'ConnectionClosedError'])
  })
})

describe('what is called by nobody but the runtime, or the transport, and throws', () => {
  const failing = {
    onFlush: () => {
      throw new Error('nothing to send')
    },
  }

  test.each<[string, (outbox: Outbox) => void]>([
    ['at the end of a tick', outbox => outbox.beforeFlush(failing)],
    ['at the end of a round', outbox => outbox.gather(failing)],
    ['after a while', outbox => outbox.gatherLonger(failing)],
  ])('ends the connection: whoever is asked for frames %s', async (_, ask) => {
    const { peer, connection, ended } = await connected()
    const listener = new Listener()
    connection.openChannel(listener)
    await peer.next('channel.open')
    ask(connection.outbox)
    const { args } = (await peer.next('connection.close')).method
    expect(args.replyCode).toBe(541)
    expect(ended).toEqual(['InternalError'])
    expect(listener.told).toEqual(['InternalError true'])
    expect(connection.endReason).toMatchObject({ cause: new Error('nothing to send') })
  })

  test('ends the connection: its owner, told that it may write', async () => {
    const { peer, ended } = await connected(undefined, () => {
      throw new Error('nothing to write')
    })
    expect(() => peer.drain()).not.toThrow()
    await peer.next('connection.close')
    expect(ended).toEqual(['InternalError'])
  })
})
