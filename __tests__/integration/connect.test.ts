/** Covers what connect() says when it does not get through, and that nothing is left behind then. */
import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { freePort } from '../../scripts/broker/ports.js'
import {
  AmqpError,
  ArgumentError,
  AuthenticationError,
  type ClientOptions,
  ConnectionBrokenError,
  connect,
  FrameError,
  NotAllowedError,
  ProtocolError,
  TimeoutError,
} from '../../src/index.js'
import { brokerIsAtLeast, brokerUrl } from '../support/broker/broker.js'
import { open } from '../support/broker/client.js'
import { runTypeScript } from '../support/child.js'
import { startPeer } from '../support/faults/peers.js'
import { errorOf, eventually } from '../support/outcome.js'

const SECRET = 'hunter2'
const { host: brokerHost } = new URL(brokerUrl())

/** The error of an attempt that must fail, after a look at what it says. */
async function failure(url: string | readonly string[], options?: ClientOptions): Promise<AmqpError> {
  const error = await errorOf<AmqpError>(connect(url, options))
  expect(error).toBeInstanceOf(AmqpError)
  expect([error.message, error.stack, inspect(error, { depth: 10, showHidden: true })].join()).not.toContain(
    SECRET,
  )
  return error
}

describe('connect() rejects with a clear error', () => {
  test.each([
    ['http://user:hunter2@host/', 'must look like amqp://'],
    ['', 'must look like amqp://'],
    ['amqp://host:0', 'the port in the URL'],
    ['amqp://host:65536', 'the port in the URL'],
    ['amqp://host/a/b', '%2f'],
    ['amqp://user:%zz@host', 'password in the URL is not properly %-encoded'],
    ['amqp://user:a/hunter2@host', '%-encoded'],
    ['amqp://user:1?hunter2@host', '%-encoded'],
    ['amqp://user:1/hunter2@host', '%-encoded'],
    ['amqp://host?heartbeat=soon', 'heartbeat must be a whole number'],
    ['amqp://host?colour=blue', 'parameter 1 in the URL'],
    ['amqp://user:p@ss:hunter2@host', '%-encoded'],
    ['amqp://user:hunter2@host\n', 'a blank or a line end'],
  ])('for the URL %s', async (url, message) => {
    const error = await failure(url)
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.message).toContain(message)
  })

  test.each([
    [{ heartbeat: -1 }, 'heartbeat'],
    [{ connectTimeout: 0 }, 'connectTimeout'],
    [{ frameMax: 100 }, 'frameMax'],
    [{ channelMax: 1 }, 'channelMax'],
    [{ operationConcurrency: 0.5 }, 'operationConcurrency'],
    [{ maxPendingPublishes: 0 }, 'maxPendingPublishes'],
    [{ path: '' }, 'path'],
    [{ frameMax: 4096 }, 'frameMax'],
    [{ tls: {} }, 'amqps://'],
    [{ hosts: ['user:hunter2@host'] }, 'hosts[0]'],
  ])('for the options %j', async (options, name) => {
    const error = await failure('amqp://localhost', options)
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.message).toContain(name)
  })

  test('where nobody listens, with the host, its port and the reason', async () => {
    const port = await freePort()
    const error = await failure(`amqp://user:${SECRET}@127.0.0.1:${port}`)
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain(`no connection to 127.0.0.1:${port}`)
    expect(error.message).toContain('ECONNREFUSED')
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('where nobody listens at any address of a name', async () => {
    const error = await failure(`amqp://localhost:${await freePort()}`)
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain('ECONNREFUSED')
  })

  test('for a host that does not exist', async () => {
    const error = await failure(`amqp://user:${SECRET}@no-such-host.invalid`)
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toMatch(/no-such-host\.invalid:5672.*(ENOTFOUND|EAI_AGAIN)/)
  })

  test('of what each host said, where there are several', async () => {
    const ports = [await freePort(), await freePort()]
    const error = await failure(ports.map(port => `amqp://user:${SECRET}@127.0.0.1:${port}`))
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    for (const port of ports) expect(error.message).toContain(`127.0.0.1:${port}`)
    expect((error.cause as AggregateError).errors).toHaveLength(2)
  })

  test('for a wrong password', async () => {
    const error = await failure(`amqp://guest:${SECRET}@${brokerHost}`)
    expect(error).toBeInstanceOf(AuthenticationError)
    expect(error).toMatchObject({ code: 'AUTHENTICATION', replyCode: 403, operation: 'connect' })
  })

  test('for a virtual host that does not exist', async () => {
    const error = await failure(`amqp://${brokerHost}/no-such-vhost`)
    expect(error).toBeInstanceOf(NotAllowedError)
    expect(error).toMatchObject({ code: 'NOT_ALLOWED', replyCode: 530, operation: 'connect' })
    expect(error.message).toContain('no-such-vhost')
  })

  test('of all hosts, each by its name, whatever it said', async () => {
    const port = await freePort()
    const error = await failure([`amqp://guest:${SECRET}@${brokerHost}`, `amqp://127.0.0.1:${port}`])
    expect(error.message).toContain(`${brokerHost}: ACCESS_REFUSED`)
    expect(error.message).toContain(`127.0.0.1:${port}`)
  })

  test('for credentials or properties that the broker cannot take before it knows the client', async () => {
    const clientProperties = { note: 'x'.repeat(5000) }
    if (brokerIsAtLeast(4, 1)) {
      const client = await open({ clientProperties })
      await client.queueDeclare('', { exclusive: true })
      const password = SECRET.repeat(700)
      expect(await failure(`amqp://${brokerHost}`, { password })).toBeInstanceOf(AuthenticationError)
      const much = { note: 'x'.repeat(9000) }
      expect(await failure(`amqp://${brokerHost}`, { clientProperties: much })).toBeInstanceOf(ArgumentError)
      return
    }
    const error = await failure(`amqp://${brokerHost}`, { password: SECRET.repeat(700) })
    expect(error).toBeInstanceOf(ArgumentError)
    expect(error.message).toMatch(/the credentials take 4907 bytes.*no more than 4096/)
    const other = await failure(`amqp://${brokerHost}`, { clientProperties })
    expect(other).toBeInstanceOf(ArgumentError)
    expect(other.message).toMatch(/clientProperties 5\d\d\d: /)
  })

  test('for a server that says nothing, after connectTimeout', async () => {
    const peer = await startPeer(socket => socket.resume())
    const error = await failure(`amqp://user:${SECRET}@127.0.0.1:${peer.port}`, { connectTimeout: 200 })
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error.message).toContain('200 ms')
    await eventually(() => peer.connections === 0)
  })
})

describe('connect() tells a server that is not a broker', () => {
  const answers: [string, string | Buffer, typeof ProtocolError | typeof FrameError, string][] = [
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n\r\n', ProtocolError, 'HTTP/1.1'],
    ['an SSH server', 'SSH-2.0-OpenSSH_9.2p1\r\n', ProtocolError, 'SSH-2.0'],
    ['a server of AMQP 1.0', Buffer.from('AMQP\0\x01\0\0', 'latin1'), ProtocolError, '1-0-0'],
    ['a server of AMQP 0-9', Buffer.from('AMQP\x01\x01\0\x09', 'latin1'), ProtocolError, '1-0-9'],
    ['random bytes', Buffer.from('ff00fe01fd02fc03', 'hex'), ProtocolError, 'does not speak AMQP'],
    ['a frame without end', Buffer.from('01000000000004000a000a00', 'hex'), FrameError, 'ended with 0'],
    ['a frame of 4 GiB', Buffer.from('010000fffffff0000a000a', 'hex'), FrameError, 'beyond the limit'],
  ]

  test.each(answers)('%s', async (_, answer, ErrorClass, message) => {
    const peer = await startPeer(socket => socket.on('data', () => socket.write(answer)))
    const error = await failure(peer.url)
    expect(error).toBeInstanceOf(ErrorClass)
    expect(error.message).toContain(message)
    await eventually(() => peer.connections === 0)
  })

  test('one that hangs up at once', async () => {
    const peer = await startPeer(socket => socket.end())
    const error = await failure(peer.url)
    expect(error).toBeInstanceOf(ConnectionBrokenError)
    expect(error.message).toContain(`127.0.0.1:${peer.port}`)
  })

  test('one that resets the connection', async () => {
    const peer = await startPeer(socket => socket.on('data', () => socket.resetAndDestroy()))
    expect(await failure(peer.url)).toBeInstanceOf(ConnectionBrokenError)
  })

  test('one that hangs up within its first frame', async () => {
    const peer = await startPeer(socket => socket.on('data', () => socket.end('\x01\0\0')))
    expect(await failure(peer.url)).toBeInstanceOf(ConnectionBrokenError)
  })
})

test('a process whose attempts to connect have failed ends by itself', async () => {
  const http = await startPeer(socket => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request')))
  const silent = await startPeer(socket => socket.resume())
  const attempts = [
    [`amqp://127.0.0.1:${await freePort()}`],
    ['amqp://no-such-host.invalid'],
    [`amqp://guest:${SECRET}@${brokerHost}`],
    [`amqp://${brokerHost}/no-such-vhost`],
    [http.url],
    [silent.url, { connectTimeout: 100 }],
  ]
  // A timer of connectTimeout that was left behind would keep the process for longer than its deadline.
  const program = `
      import { connect } from './src/index.ts'
      for (const [url, options] of ${JSON.stringify(attempts)}) {
        await connect(url, { connectTimeout: 600_000, ...options }).catch(error => console.log(error.code))
      }`
  const { status, stdout } = await runTypeScript('--input-type=module', ['--eval', program])
  expect(stdout.trim().split('\n')).toEqual([
    'CONNECTION_BROKEN',
    'CONNECTION_BROKEN',
    'AUTHENTICATION',
    'NOT_ALLOWED',
    'PROTOCOL',
    'TIMEOUT',
  ])
  expect(status).toBe(0)
}, 60_000)

describe('connect() gets through', () => {
  test('and says what the broker is', async () => {
    const client = await open()
    const info = await client.connect()
    expect(info).toMatchObject({ product: 'RabbitMQ', host: brokerHost })
    expect(info.version).toMatch(/^\d+\.\d+/)
    expect(info.platform).toContain('Erlang')
    expect(info.capabilities).toMatchObject({ publisher_confirms: true, 'basic.nack': true })
    expect(info.mechanisms).toContain('PLAIN')
    expect(info.locales).toContain('en_US')
    expect(info.properties.product).toBe('RabbitMQ')
  })

  test('to the second host where the first one does not answer', async () => {
    const client = await connect([`amqp://127.0.0.1:${await freePort()}`, brokerUrl()])
    expect((await client.connect()).host).toBe(brokerHost)
    await client.close()
  })

  test('with user, password and vhost from the options, over which the URL wins', async () => {
    await open({ username: 'guest', password: 'guest', vhost: '/' })
    await open(
      { username: 'nobody', password: SECRET, vhost: 'nowhere' },
      `amqp://guest:guest@${brokerHost}/%2f`,
    )
    expect(await failure(`amqp://${brokerHost}`, { password: SECRET })).toBeInstanceOf(AuthenticationError)
    expect(await failure(`amqp://${brokerHost}`, { vhost: 'nowhere' })).toBeInstanceOf(NotAllowedError)
  })
})
