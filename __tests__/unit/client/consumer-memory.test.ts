/** Covers what a client holds on to when a consumer has ended: nothing. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test } from '@jest/globals'
import type { Client, Consumer } from '../../../src/index.js'
import { closeClients, connectToPeer } from '../../support/memory/peer-client.js'
import { turns } from '../../support/memory/scripted-peer.js'

afterEach(closeClients)

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

async function consumeForAWhile(
  client: Client,
  use: (consumer: Consumer) => unknown,
): Promise<WeakRef<Consumer>> {
  const consumer = client.basicConsume('q')
  const used = use(consumer)
  await consumer.ready
  await consumer.cancel()
  await used
  return new WeakRef(consumer)
}

async function expectCollected(consumer: WeakRef<Consumer>): Promise<void> {
  for (let round = 0; round < 20 && consumer.deref() !== undefined; round++) {
    await turns()
    collectGarbage()
  }
  expect(consumer.deref()).toBeUndefined()
}

test.each<[string, (consumer: Consumer) => unknown]>([
  ['nothing', () => undefined],
  ['forEach', consumer => consumer.forEach(async message => message.text())],
  ['a loop', async consumer => consumer[Symbol.asyncIterator]().next()],
])('a consumer that was used by %s, and has ended, can be collected', async (_, use) => {
  const { client } = await connectToPeer()
  await expectCollected(await consumeForAWhile(client, use))
})

async function consumeInVain(client: Client): Promise<WeakRef<Consumer>> {
  const consumer = client.basicConsume('gone')
  await expect(consumer.ready).rejects.toThrow('no queue')
  return new WeakRef(consumer)
}

test('a consumer that has failed can be collected, though its client remembers that there was one', async () => {
  const { client, peer } = await connectToPeer()
  peer.on('basic.consume', ({ channel }) => peer.closeChannel(channel, 404, 'no queue', 'basic.consume'))
  await expectCollected(await consumeInVain(client))
  expect(client.isHealthy).toBe(false)
})
