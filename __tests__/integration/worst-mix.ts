/**
 * Owns a program for the tests of ending: it starts everything that can fail with nobody looking at the outcome, ends the
 * client in the way that its second argument names, and prints only what must not happen.
 */
import { Client, type Consumer } from '../../src/index.js'

const [url, way = 'close', queue = ''] = process.argv.slice(2)

process.on('warning', warning => console.log('warning', warning.message))
process.on('unhandledRejection', reason => console.log('unhandled rejection', reason))

/** Looks at a promise no more than the library's contract asks for: whoever holds a promise handles it. */
const held = (promise: Promise<unknown>): void => void promise.catch(() => undefined)

async function loop(consumer: Consumer): Promise<void> {
  for await (const message of consumer) if (Number(message.text()) % 2 === 0) message.ack()
}

const client = new Client(url)
await client.connect()
const other = new Client(url)
await other.connect()
for (let index = 0; index < 200; index++) await client.basicPublish('', queue, String(index))

// Nobody holds a consumer's `ready`, nor looks at its iterator.
const missing = client.basicConsume('puka-test-no-such-queue')
const many = client.basicConsumeMulti([queue, queue], { prefetchCount: 3 })
const refused = client.basicConsume(queue, { exclusive: true })
const aborted = client.basicConsume(queue, { signal: AbortSignal.timeout(1) })
const idle = client.basicConsume(queue, { prefetchCount: 1 })
const cancelled = client.basicConsume(queue)
void cancelled.cancel()
void missing.cancel()
held(loop(many))
held(loop(aborted))
const handled = client.basicConsume(queue, { prefetchCount: 5 })
held(
  handled.forEach(
    async message => {
      if (message.text().endsWith('3')) throw new Error('of the handler')
      await other.basicPublish('', queue, message.body)
    },
    { concurrency: 3 },
  ),
)
held(idle.qos(4))
held(many.qos(1))
held(refused.qos(1))
const [message] = await Promise.all([client.basicGet(queue), client.basicGet(queue)])
for (let index = 0; index < 100; index++) {
  held(client.basicPublish('', queue, 'x'))
  held(client.basicPublish('puka-test-no-such-exchange', '', 'x'))
}

if (way === 'close') await client.close()
else if (way === 'drain') held(client.drain({ timeout: 300 }))
else if (way === 'both') {
  held(client.drain())
  await client.close()
  held(client.drain())
}
await client.closed
message?.ack()
await other.drain()
console.log('ended')
