/** Covers the proxy of the tests themselves: each way in which it breaks a connection, seen from both ends. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { reset } from '../../../scripts/demo/reset.js'
import { type ProxyOptions, TcpProxy } from '../../support/faults/proxy.js'

let server: Server
let target: string

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }, socket => socket.on('error', () => undefined))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  target = `tcp://user:secret@127.0.0.1:${(server.address() as AddressInfo).port}/path`
})

afterEach(async () => {
  server.close()
  await once(server, 'close')
})

/** One end of a connection, and what has come to it. */
class End {
  readonly closed: Promise<unknown>
  text = ''
  error: NodeJS.ErrnoException | undefined
  ended = false
  #wake: () => void = () => undefined

  constructor(readonly socket: Socket) {
    socket.on('data', chunk => {
      this.text += chunk.toString()
      this.#wake()
    })
    socket.on('error', error => {
      this.error = error
    })
    socket.on('end', () => {
      this.ended = true
      this.#wake()
    })
    this.closed = new Promise(resolve => socket.once('close', resolve))
  }

  async has(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}

/** Both ends of a connection through a proxy. */
async function through(options: ProxyOptions = {}) {
  const proxy = await TcpProxy.start(target, options)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = new End(
    connect({ port: Number(new URL(proxy.url).port), host: '127.0.0.1', allowHalfOpen: true }),
  )
  const [socket] = await accepted
  return { proxy, connection: await proxy.next(), client, broker: new End(socket) }
}

describe('a proxy', () => {
  test('passes bytes both ways, counts them, and passes the end on', async () => {
    const { proxy, connection, client, broker } = await through()
    client.socket.end('hello')
    await broker.has(() => broker.ended)
    expect(broker.text).toBe('hello')
    broker.socket.end('goodbye!')
    await Promise.all([client.closed, broker.closed, connection.closed])
    expect(client.text).toBe('goodbye!')
    expect([connection.passed('up'), connection.passed('down')]).toEqual([5, 8])
    expect(proxy.connections).toEqual([])
  })

  test('has the same URL as its target, but for the port', async () => {
    const proxy = await TcpProxy.start(target)
    const [here, there] = [new URL(proxy.url), new URL(target)]
    expect(here.port).not.toBe(there.port)
    here.port = there.port
    expect(here.href).toBe(there.href)
  })

  test('cuts by RST: both ends hear of it as an error', async () => {
    const { proxy, client, broker } = await through()
    expect(proxy.cut('reset')).toBe(1)
    await Promise.all([client.closed, broker.closed])
    expect([client.error?.code, broker.error?.code]).toEqual(['ECONNRESET', 'ECONNRESET'])
  })

  test('cuts by FIN: both ends hear of the end, behind what has passed', async () => {
    const { proxy, client, broker } = await through()
    client.socket.write('last words')
    await broker.has(() => broker.text !== '')
    proxy.cut('end')
    await Promise.all([client.has(() => client.ended), broker.has(() => broker.ended)])
    expect([broker.text, client.error, broker.error]).toEqual(['last words', undefined, undefined])
    client.socket.destroy()
    broker.socket.destroy()
    await Promise.all([client.closed, broker.closed])
  })

  test.each(['up', 'down'] as const)(
    'cuts behind a number of bytes %s, and lets no further one pass',
    async way => {
      const { connection, client, broker } = await through({
        cutAfter: { direction: way, bytes: 5, how: 'end' },
      })
      const [from, to] = way === 'up' ? [client, broker] : [broker, client]
      from.socket.write('abc')
      await to.has(() => to.text === 'abc')
      from.socket.write('defgh')
      await to.has(() => to.ended)
      expect(to.text).toBe('abcde')
      expect(connection.passed(way)).toBe(5)
      client.socket.destroy()
      broker.socket.destroy()
      await connection.closed
    },
  )

  test('stalls one direction while the other one passes, and goes on with what came', async () => {
    const { connection, client, broker } = await through()
    connection.stall('up')
    client.socket.write('stalled')
    broker.socket.write('passing')
    await client.has(() => client.text === 'passing')
    expect(broker.text).toBe('')
    connection.resume('up')
    await broker.has(() => broker.text === 'stalled')
  })

  test('stalls one direction behind a number of bytes, and the other one passes', async () => {
    const { client, broker } = await through({ stallAfter: { direction: 'down', bytes: 3 } })
    broker.socket.write('abc')
    await client.has(() => client.text === 'abc')
    broker.socket.write('stalled')
    client.socket.write('passing')
    await broker.has(() => broker.text === 'passing')
    expect(client.text).toBe('abc')
  })

  test('stalls both directions, and can be cut then', async () => {
    const { proxy, client, broker } = await through()
    proxy.stall()
    client.socket.write('lost')
    broker.socket.write('lost')
    proxy.cut('reset')
    await Promise.all([client.closed, broker.closed])
    expect([client.text, broker.text]).toEqual(['', ''])
  })

  test('holds what comes back for the delay', async () => {
    const { client, broker } = await through({ delay: 50 })
    const start = performance.now()
    client.socket.write('x')
    await broker.has(() => broker.text === 'x')
    broker.socket.write('y')
    await client.has(() => client.text === 'y')
    expect(performance.now() - start).toBeGreaterThanOrEqual(98)
  })

  test('lets so many bytes pass per second, and no fewer in all', async () => {
    const { client, broker } = await through({ rate: 10_000 })
    const start = performance.now()
    client.socket.write('x'.repeat(1000))
    await broker.has(() => broker.text.length === 1000)
    expect(performance.now() - start).toBeGreaterThanOrEqual(98)
  })

  test('refuses who comes while it is told to, and counts them', async () => {
    const proxy = await TcpProxy.start(target)
    proxy.refusing = true
    const port = Number(new URL(proxy.url).port)
    const refused = new End(connect(port, '127.0.0.1'))
    await refused.closed
    expect(refused.error?.code).toBe('ECONNRESET')
    proxy.refusing = false
    const accepted = once(server, 'connection')
    const welcome = new End(connect(port, '127.0.0.1'))
    await accepted
    expect(proxy.arrivals).toHaveLength(2)
    await proxy.close()
    await welcome.closed
  })

  test('takes who comes while it is told to stall, and lets nothing pass until it is told to resume', async () => {
    const proxy = await TcpProxy.start(target)
    const port = Number(new URL(proxy.url).port)
    const come = async (text: string): Promise<End> => {
      const accepted = once(server, 'connection') as Promise<[Socket]>
      const client = new End(connect(port, '127.0.0.1'))
      client.socket.write(text)
      const [socket] = await accepted
      return new End(socket)
    }
    proxy.stalling = true
    const stalled = await come('stalled')
    proxy.stalling = false
    const passing = await come('passing')
    await passing.has(() => passing.text === 'passing')
    expect(stalled.text).toBe('')
    proxy.resume()
    await stalled.has(() => stalled.text === 'stalled')
    await proxy.close()
    await Promise.all([stalled.closed, passing.closed])
  })

  test('leaves a client whose server is gone with the end of its connection', async () => {
    const { client, broker } = await through()
    broker.socket.resetAndDestroy()
    await client.has(() => client.ended)
    client.socket.destroy()
    await client.closed
  })

  test('breaks a connection also in the middle of its end', async () => {
    const { client, broker } = await through()
    client.socket.end()
    reset(client.socket)
    await client.closed
    broker.socket.destroy()
    await broker.closed
  })
})
