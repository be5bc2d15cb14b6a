/** Covers credentials that change while a client is connected, on both of its connections and on those to come. */
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { AuthenticationError } from '../../src/index.js'
import { brokerUrl, ctl } from '../support/broker/broker.js'
import { open, uniqueName } from '../support/broker/client.js'
import { TcpProxy } from '../support/faults/proxy.js'
import { errorOf } from '../support/outcome.js'

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

test('a secret that turns out to be wrong leaves what was good in its place', async () => {
  const { proxy, client } = await openAsUser()
  // RabbitMQ asks its own users for nothing here: it finds out only when the user is let in again.
  await client.updateSecret('wrong')
  const recovered = once(client, 'recovered')
  proxy.cut('reset')
  await recovered
  const { queue } = await client.queueDeclare('', { exclusive: true })
  await client.basicPublish('', queue, 'after')
  expect((await client.basicGet(queue, { noAck: true }))?.text()).toBe('after')
})

test('while there is no connection, the next one takes the secret, or refuses it', async () => {
  const { proxy, client } = await openAsUser()
  const cut = async (): Promise<void> => {
    const lost = once(client, 'disconnect')
    proxy.refusing = true
    proxy.cut('reset')
    await lost
  }
  await cut()
  await ctl('change_password', user, 'second')
  const taken = client.updateSecret('second')
  const back = once(client, 'recovered')
  proxy.refusing = false
  await Promise.all([taken, back])
  await cut()
  const refused = errorOf(client.updateSecret('wrong'))
  const recovered = once(client, 'recovered')
  proxy.refusing = false
  expect(await refused).toMatchObject({ constructor: AuthenticationError, operation: 'updateSecret' })
  await recovered
  expect(client.isOpen).toBe(true)
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
