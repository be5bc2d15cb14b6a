/** Covers a lost connection and its successor: what is told, in which order, and what comes back on it. */
import { afterEach, describe, expect, test } from '@jest/globals'
import type { RecoveryOptions } from '../../../src/client-options.js'
import { encodeRequest } from '../../../src/connection/request.js'
import {
  ArgumentError,
  AuthenticationError,
  CommandInvalidError,
  ConnectionBrokenError,
  ConnectionClosedError,
  NotAllowedError,
} from '../../../src/errors.js'
import { quiet } from '../../../src/util/promise.js'
import { closeBareClients, connectedBareClient } from '../../support/memory/bare-client.js'
import type { PeerHosts } from '../../support/memory/peer-hosts.js'
import type { ScriptedPeer } from '../../support/memory/scripted-peer.js'
import { errorOf } from '../../support/outcome.js'
import { framesOf, messageOf } from '../../support/wire/messages.js'

const AT_ONCE: RecoveryOptions = { initialDelay: 0 }
const NOT_SOON: RecoveryOptions = { initialDelay: 1e9, maxDelay: 1e9 }

afterEach(closeBareClients)

describe('a lost connection', () => {
  test('is replaced: topology, then consumers, then publishes and operations, then it is told', async () => {
    const { client, told, heard, hosts, peer } = await connectedBareClient()
    client.declared('q')
    const published = client.publish(messageOf('x'), true, {})
    await peer.next('basic.publish')
    const order: string[] = []
    hosts.prepare = next => {
      next.on('queue.declare', ({ channel, method }) => {
        order.push('declare')
        next.send(channel, 'queue.declare-ok', {
          queue: method.args.queue,
          messageCount: 0,
          consumerCount: 0,
        })
      })
      next.on('basic.publish', ({ channel }) => {
        order.push('publish')
        next.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false })
      })
    }
    client.onResume = async () => {
      order.push('consumers')
    }
    peer.hangUp()
    await heard('recovered a:5672')
    await published
    expect(order).toEqual(['declare', 'consumers', 'publish'])
    expect(told).toEqual([
      'connect a:5672',
      'disconnect ConnectionBrokenError',
      'reconnecting 1 a:5672',
      'resume consumers',
      'recovered a:5672',
    ])
    expect(client.metrics).toMatchObject({ reconnects: 1, published: 1, resent: 1, confirmed: 1 })
  })

  test('is seen as the state, and what is asked for meanwhile waits', async () => {
    const before = Date.now()
    const { client, heard, hosts, peer } = await connectedBareClient({ recovery: NOT_SOON })
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    expect(client.state).toMatchObject({
      name: 'reconnecting',
      attempt: 1,
      error: { constructor: ConnectionBrokenError },
    })
    const { since } = client.state as { since: Date }
    expect(since.getTime()).toBeGreaterThanOrEqual(before)
    const published = quiet(client.publish(messageOf('x'), true, {}))
    expect(client.metrics).toMatchObject({ pendingPublishes: 1 })
    expect(client.isAlive).toBe(true)
    expect(hosts.asked).toHaveLength(1)
    await closeBareClients()
    await expect(published).rejects.toBeInstanceOf(ConnectionClosedError)
  })

  test('is waited for by nothing with whileOffline: fail', async () => {
    const { client, heard, peer } = await connectedBareClient({ recovery: NOT_SOON, whileOffline: 'fail' })
    const inFlight = quiet(client.publish(messageOf('x'), true, {}))
    await peer.next('basic.publish')
    peer.hangUp()
    await heard('reconnecting 1 a:5672')
    expect(() => client.check('queueBind')).toThrow(ConnectionBrokenError)
    expect(() => client.publish(messageOf('y'), true, {})).toThrow(ConnectionBrokenError)
    await expect(inFlight).rejects.toBeInstanceOf(ConnectionBrokenError)
    expect(client.metrics.pendingPublishes).toBe(0)
  })

  test('is waited for by connect()', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient()
    hosts.mood = 'down'
    peer.hangUp()
    await heard('reconnecting 2 a:5672')
    const again = client.connect()
    hosts.mood = 'up'
    expect(await again).toMatchObject({ product: 'peer' })
    expect(client.state).toMatchObject({ name: 'open' })
  })

  test('is looked for at every host, the first of them named', async () => {
    const { hosts, peer, told, heard } = await connectedBareClient({ hostOrder: 'fixed' }, [
      'amqp://a',
      'amqp://b',
    ])
    hosts.setMood('a', 'down')
    peer.hangUp()
    await heard('recovered b:5672')
    expect(hosts.askedHosts).toEqual(['a', 'a', 'b'])
    expect(told).toContain('reconnecting 1 a:5672')
  })

  test('is asked for with a new URL each time, where a function gives it', async () => {
    let asked = 0
    const { hosts, peer, heard } = await connectedBareClient({}, () => `amqp://u:token${++asked}@a`)
    hosts.mood = 'down'
    peer.hangUp()
    await heard('reconnecting 3 a:5672')
    hosts.mood = 'up'
    await heard('recovered a:5672')
    const second = await hosts.next()
    const { method } = await second.next('connection.start-ok')
    expect(method.args.response.toString()).toBe(`\0u\0token${asked}`)
    expect(asked).toBeGreaterThanOrEqual(3)
  })

  test('is made anew with the secret that was given last', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({}, 'amqp://u:old@a')
    peer.on('connection.update-secret', () => peer.send(0, 'connection.update-secret-ok', {}))
    await client.updateSecret('new', 'refresh')
    expect((await peer.next('connection.update-secret')).method.args).toEqual({
      newSecret: Buffer.from('new'),
      reason: 'refresh',
    })
    peer.hangUp()
    await heard('recovered a:5672')
    const second = await hosts.next()
    const { method } = await second.next('connection.start-ok')
    expect(method.args.response.toString()).toBe('\0u\0new')
  })

  /** Has each peer to come let in whom it knows by one of these passwords. */
  function letIn(hosts: PeerHosts, valid: string[], onTry: (peer: ScriptedPeer) => void = () => undefined) {
    hosts.prepare = peer => {
      peer.on('connection.start-ok', ({ method: { args } }) => {
        onTry(peer)
        const known = valid.some(password => args.response.toString() === `\0u\0${password}`)
        if (known) peer.send(0, 'connection.tune', { channelMax: 0, frameMax: 0, heartbeat: 0 })
        else peer.closeConnection(403, 'ACCESS_REFUSED - refused')
      })
    }
  }

  /** What the peers were asked with, after the first. */
  const triedWith = (hosts: PeerHosts): string[] =>
    hosts.peers
      .slice(1)
      .flatMap(peer => peer.all('connection.start-ok'))
      .map(({ method }) => method.args.response.toString().slice(3))

  test('that the broker has ended over a new secret is made anew without it', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({}, 'amqp://u:old@a')
    peer.on('connection.update-secret', () =>
      peer.closeConnection(530, 'NOT_ALLOWED - refused', 'connection.update-secret'),
    )
    letIn(hosts, ['old', 'new'])
    expect(await errorOf(client.updateSecret('new', 'refresh'))).toBeInstanceOf(NotAllowedError)
    await heard('recovered a:5672')
    expect(triedWith(hosts)).toEqual(['old'])
  })

  test('that is lost for another reason over a new secret is made anew with it, and then it is taken', async () => {
    const { client, hosts, peer } = await connectedBareClient({}, 'amqp://u:old@a')
    peer.on('connection.update-secret', () => peer.hangUp())
    letIn(hosts, ['new'])
    await client.updateSecret('new', 'refresh')
    expect(triedWith(hosts)).toEqual(['new'])
  })

  test.each([
    [503, 'exchange.declare'],
    [530, undefined],
    [541, undefined],
  ] as const)(
    'that the broker ends over another request (%s, %s) is made anew with the new secret',
    async (code, about) => {
      const { client, hosts, peer } = await connectedBareClient({}, 'amqp://u:old@a')
      peer.on('connection.update-secret', () => peer.closeConnection(code, 'over something else', about))
      letIn(hosts, ['new'])
      await client.updateSecret('new', 'refresh')
      expect(triedWith(hosts)).toEqual(['new'])
    },
  )

  test('takes a secret that comes meanwhile, or refuses it, and is made with what was good', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({}, 'amqp://u:old@a')
    hosts.mood = 'down'
    peer.hangUp()
    await heard('reconnecting 2 a:5672')
    const taken = client.updateSecret('new', 'refresh')
    letIn(hosts, ['new'])
    hosts.mood = 'up'
    await taken
    await heard('recovered a:5672')
    letIn(hosts, ['new'])
    hosts.mood = 'down'
    hosts.peers.at(-1)?.hangUp()
    await heard('disconnect ConnectionBrokenError', 2)
    const refused = errorOf(client.updateSecret('wrong', 'refresh'))
    hosts.mood = 'up'
    expect(await refused).toBeInstanceOf(AuthenticationError)
    await heard('recovered a:5672', 2)
    expect(triedWith(hosts)).toEqual(['new', 'wrong', 'new'])
  })

  test('gets a secret that comes when it has sent the one before, ahead of anything else', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({}, 'amqp://u:old@a')
    client.declared('q')
    let taken: Promise<void> | undefined
    letIn(hosts, ['old'], next => {
      taken ??= client.updateSecret('new', 'refresh')
      next.on('connection.update-secret', () => next.send(0, 'connection.update-secret-ok', {}))
    })
    peer.hangUp()
    await heard('recovered a:5672')
    await taken
    const second = hosts.peers[1] as ScriptedPeer
    const names = second.received.map(({ method }) => method.name)
    expect(names.indexOf('connection.update-secret')).toBe(names.indexOf('connection.open') + 1)
    expect(second.all('connection.update-secret')[0]?.method.args.newSecret.toString()).toBe('new')
    letIn(hosts, ['new'])
    second.hangUp()
    await heard('recovered a:5672', 2)
    expect(triedWith(hosts)).toEqual(['old', 'new'])
  })

  test('leaves no secret waiting that came meanwhile when the client is closed, or gives up', async () => {
    for (const end of ['close', 'give up'] as const) {
      const limits = end === 'close' ? NOT_SOON : { ...AT_ONCE, maxAttempts: 3 }
      const { client, hosts, peer, heard } = await connectedBareClient({ recovery: limits })
      hosts.mood = 'down'
      peer.hangUp()
      await heard('disconnect ConnectionBrokenError')
      const refused = errorOf(client.updateSecret('new', 'refresh'))
      if (end === 'close') await client.close(new ConnectionClosedError('closed'))
      expect(await refused).toBeInstanceOf(end === 'close' ? ConnectionClosedError : Error)
    }
  })

  test('that comes back in pieces is given up, and the next attempt begins from the start', async () => {
    const { hosts, peer, told, heard, client } = await connectedBareClient()
    client.declared('q')
    hosts.prepare = next => next.on('queue.declare', () => next.hangUp())
    peer.hangUp()
    await heard('reconnecting 3 a:5672')
    hosts.prepare = () => undefined
    await heard('recovered a:5672')
    expect(told.filter(text => text.startsWith('topology'))).toEqual([])
    expect(told.filter(text => text.startsWith('disconnect'))).toHaveLength(1)
    expect(told.filter(text => text === 'resume consumers')).toHaveLength(1)
  })

  test('that is lost again at once is recovered again, which counts as another attempt', async () => {
    const { hosts, peer, told, heard } = await connectedBareClient()
    peer.hangUp()
    await heard('recovered a:5672')
    const second = await hosts.next()
    second.hangUp()
    await heard('recovered a:5672', 2)
    expect(told.filter(text => text.startsWith('reconnecting'))).toEqual([
      'reconnecting 1 a:5672',
      'reconnecting 2 a:5672',
    ])
  })

  test('is recovered also where the broker closed it for an error, and the culprit is not repeated', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient()
    peer.on('exchange.declare', () => peer.closeConnection(503, 'COMMAND_INVALID', 'exchange.declare'))
    const args = {
      exchange: 'e',
      type: 'x',
      passive: false,
      durable: true,
      autoDelete: false,
      internal: false,
    }
    const request = encodeRequest('exchange.declare', { ...args, noWait: false, arguments: {} }, 0)
    const poison = client.perform(
      'exchangeDeclare',
      {},
      {
        repeatable: true,
        begin: (session, outcome) => session.call(outcome, request, () => undefined),
      },
    )
    expect(await errorOf(poison)).toMatchObject({
      constructor: CommandInvalidError,
      operation: 'exchangeDeclare',
      replyCode: 503,
    })
    await heard('recovered a:5672')
    expect((await hosts.next()).all('exchange.declare')).toEqual([])
  })

  test('has what waits cut into smaller frames, where the new connection wants that', async () => {
    const { client, hosts, peer, heard } = await connectedBareClient({ recovery: AT_ONCE, frameMax: 0 })
    const wide = Buffer.alloc(9000, 'x')
    const published = [
      client.publish(messageOf(wide), true, {}),
      errorOf(client.publish(messageOf('y', { headers: { wide: 'x'.repeat(5000) } }), true, {})),
    ]
    await peer.several('basic.publish', 1)
    hosts.peerOptions = { tune: { frameMax: 4096 } }
    peer.hangUp()
    await heard('recovered a:5672')
    const second = await hosts.next()
    const { channel, body } = await second.next('basic.publish')
    expect(body.equals(wide)).toBe(true)
    second.send(channel, 'basic.ack', { deliveryTag: 1, multiple: false })
    expect(await published[0]).toBeUndefined()
    expect(await published[1]).toMatchObject({ constructor: ArgumentError, operation: 'basicPublish' })
    const longest = Math.max(...framesOf(Buffer.concat(second.writes).subarray(8)).map(f => f.payload.length))
    expect(longest).toBeLessThanOrEqual(4088)
  })

  test('is told before whoever waits for it goes on, and the client is open by then', async () => {
    const { client, told, peer, hosts } = await connectedBareClient({ whileOffline: 'wait' })
    expect(told).toEqual(['connect a:5672'])
    peer.hangUp()
    await client.heard('disconnect ConnectionBrokenError')
    const seen: string[] = []
    const published = client.publish(messageOf('x'), false, {}).then(() => seen.push(client.state.name))
    const connected = client.connect().then(() => seen.push(told.at(-1) ?? ''))
    await Promise.all([published, connected])
    expect(seen.toSorted()).toEqual(['open', 'recovered a:5672'])
    await hosts.next()
  })

  test('forgets what the broker had said of blocking', async () => {
    const { client, peer, heard } = await connectedBareClient()
    peer.send(0, 'connection.blocked', { reason: 'disk' })
    await heard('blocked disk')
    peer.hangUp()
    await heard('recovered a:5672')
    expect(client.state).toMatchObject({ name: 'open', blocked: undefined })
  })
})
