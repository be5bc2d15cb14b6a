/** Covers a new secret that does not get through: whose error that is. */
import { afterEach, expect, test } from '@jest/globals'
import { ArgumentError, ConnectionBrokenError, ConnectionClosedError } from '../../../src/errors.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'

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

test.each([
  [5, 'refresh'],
  ['new', 5],
  ['new', 'é'.repeat(128)],
])('updateSecret refuses %p with reason %p', async (secret, reason) => {
  const { client, peer } = await connectToPeer()
  await expect(client.updateSecret(secret as string, reason as string)).rejects.toBeInstanceOf(ArgumentError)
  expect(peer.all('connection.update-secret')).toEqual([])
})
