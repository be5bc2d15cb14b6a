/** Covers credentials that change while a client is connected, on both of its connections and on those to come. */
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { AuthenticationError } from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { open, uniqueName } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'

let user: string

beforeEach(async () => {
  user = uniqueName()
  await ctl('add_user', user, 'first')
  await ctl('set_permissions', '-p', '/', user, '.*', '.*', '.*')
})

afterEach(() => ctl('delete_user', user))

/** A client of that user, with both of its connections, on a way that can be cut. */
async function openAsUser() {
  const proxy = await TcpProxy.start(brokerUrl())
  const url = new URL(proxy.url)
  url.username = user
  url.password = 'first'
  const client = await open({ recovery: { initialDelay: 20, retryRefused: false } }, url.href)
  const { queue } = await client.queueDeclare('', { exclusive: true })
  await client.basicPublish('', queue, 'before')
  return { proxy, client, queue }
}

test('updateSecret is taken by a live connection, and is what the next ones authenticate with', async () => {
  const { proxy, client } = await openAsUser()
  await ctl('change_password', user, 'second')
  await client.updateSecret('second', 'the password has changed')
  expect(client.isOpen).toBe(true)
  const recovered = once(client, 'recovered')
  proxy.cut('reset')
  await recovered
  const { queue } = await client.queueDeclare('', { exclusive: true })
  await client.basicPublish('', queue, 'after')
  expect((await client.basicGet(queue, { noAck: true }))?.text()).toBe('after')
})

test('without it, the next connection is refused', async () => {
  const { proxy, client } = await openAsUser()
  await ctl('change_password', user, 'second')
  proxy.cut('reset')
  await client.closed
  expect(client.state).toMatchObject({
    name: 'closed',
    error: { cause: expect.any(AuthenticationError) },
  })
})
