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

test.each<[string, (consumer: Consumer) => unknown]>([
  ['nothing', () => undefined],
  ['forEach', consumer => consumer.forEach(async message => message.text())],
  ['a loop', async consumer => consumer[Symbol.asyncIterator]().next()],
])('a consumer that was used by %s, and has ended, can be collected', async (_, use) => {
  const { client } = await connectToPeer()
  const ended = await consumeForAWhile(client, use)
  for (let round = 0; round < 20 && ended.deref() !== undefined; round++) {
    await turns()
    collectGarbage()
  }
  expect(ended.deref()).toBeUndefined()
})
