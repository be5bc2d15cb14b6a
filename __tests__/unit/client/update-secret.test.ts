/** Covers a new secret that does not get through: whose error that is. */
import { afterEach, expect, test } from '@jest/globals'
import { Client } from '../../../src/client/client.js'
import { ArgumentError, ConnectionBrokenError, ConnectionClosedError } from '../../../src/errors.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { PeerHosts } from '../../support/memory/peer-hosts.js'
import { errorOf } from '../../support/outcome.js'

afterEach(closeClients)

test('updateSecret tells its own name where the connection is lost over it, or is closed meanwhile', async () => {
  const lost = await connectToPeer()
  lost.peer.on('connection.update-secret', () => lost.peer.hangUp())
  await expect(lost.client.updateSecret('new')).rejects.toMatchObject({
    constructor: ConnectionBrokenError,
    operation: 'updateSecret',
    ticket: expect.any(Number),
  })

  const closed = await connectToPeer()
  closed.peer.on('connection.update-secret', () => undefined)
  const updating = closed.client.updateSecret('new')
  const rejects = expect(updating).rejects.toMatchObject({
    constructor: ConnectionClosedError,
    operation: 'updateSecret',
  })
  await closed.client.close()
  await rejects
  await expect(closed.client.updateSecret('new')).rejects.toMatchObject({ operation: 'updateSecret' })
})

test.each(['closed', 'lost'] as const)(
  'updateSecret ends where the connection is %s that was to take a secret which had waited for it',
  async end => {
    const hosts = new PeerHosts()
    let updated: Promise<Error> | undefined
    hosts.prepare = peer => {
      peer.on('connection.update-secret', () => undefined)
      peer.on('connection.open', () => {
        // The credentials are sent by now.
        updated = errorOf(client.updateSecret('new'))
        peer.send(0, 'connection.open-ok', {})
      })
    }
    const client = new Client('amqp://a', { transport: hosts.transport, heartbeat: 0, recovery: false })
    await client.connect()
    const peer = await hosts.next()
    await peer.next('connection.update-secret')
    if (end === 'lost') peer.hangUp()
    else await client.close()
    expect(await updated).toMatchObject({
      name: end === 'lost' ? 'ConnectionBrokenError' : 'ConnectionClosedError',
      operation: 'updateSecret',
    })
    await client.close()
  },
)

test.each([
  [5, 'refresh'],
  ['new', 5],
  ['new', 'é'.repeat(128)],
])('updateSecret refuses %p with reason %p', async (secret, reason) => {
  const { client, peer } = await connectToPeer()
  await expect(client.updateSecret(secret as string, reason as string)).rejects.toBeInstanceOf(ArgumentError)
  expect(peer.all('connection.update-secret')).toEqual([])
})
