/** Covers the epmd of the tests themselves: what it answers to a node that registers, and to whoever looks for one. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Epmd } from '../../support/faults/epmd.js'
import { eventually } from '../../support/outcome.js'

let epmd: Epmd
const sockets: Socket[] = []

beforeEach(async () => {
  epmd = await Epmd.start(async name => (name === 'elsewhere' ? 4_000 : undefined))
})

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  epmd.close()
})

async function request(...bytes: (number | string)[]): Promise<Socket> {
  const socket = connect({ port: epmd.port, host: '127.0.0.1' })
  sockets.push(socket)
  await once(socket, 'connect')
  const body = Buffer.concat(
    bytes.map(part => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))),
  )
  // In two pieces: it may come like that.
  socket.write(Buffer.from([0, body.length]))
  socket.write(body)
  return socket
}

async function answer(...bytes: (number | string)[]): Promise<Buffer> {
  const socket = await request(...bytes)
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

/** As Erlang registers: port 3000, a hidden node, TCP, versions 6 to 5, no extra. */
const register = (name: string): Promise<Socket> =>
  request(120, 0x0b, 0xb8, 72, 0, 0, 6, 0, 5, 0, name.length, name, 0, 0)

test('tells where a node listens that has registered, with its details, until it goes', async () => {
  const node = await register('rabbit')
  const [granted] = (await once(node, 'data')) as [Buffer]
  expect([...granted.subarray(0, 2)]).toEqual([118, 0])
  expect(granted.readUInt32BE(2)).toBeGreaterThan(0)
  const found = await answer(122, 'rabbit')
  expect([...found.subarray(0, 5)]).toEqual([119, 0, 0x0b, 0xb8, 72])
  expect(found.subarray(10).toString('latin1')).toBe('\0\x06rabbit\0\0')
  expect((await answer(110)).toString('latin1', 4)).toBe('name rabbit at port 3000\n')
  node.end()
  await eventually(() => epmd.portOf('rabbit') === undefined)
  expect([...(await answer(122, 'rabbit'))]).toEqual([119, 1])
})

test('refuses a name that is taken', async () => {
  await once(await register('rabbit'), 'data')
  const [refused] = (await once(await register('rabbit'), 'data')) as [Buffer]
  expect([...refused.subarray(0, 2)]).toEqual([118, 1])
})

test('tells what is known elsewhere, and only that', async () => {
  const found = await answer(122, 'elsewhere')
  expect([...found.subarray(0, 4)]).toEqual([119, 0, 0x0f, 0xa0])
  expect(found.subarray(10).toString('latin1')).toBe('\0\x09elsewhere\0\0')
  expect([...(await answer(122, 'nowhere'))]).toEqual([119, 1])
})

test('ends when it is told to', async () => {
  expect((await answer(107)).toString()).toBe('OK')
  const late = connect({ port: epmd.port, host: '127.0.0.1' })
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
})
