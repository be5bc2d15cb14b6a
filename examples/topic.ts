// Publish and subscribe over a topic exchange: each subscriber has a queue of its own, bound by patterns.
// Run it with: npm run build && npx tsx examples/topic.ts

import { connect } from 'puka-amqp'

const EXCHANGE = 'example.log'

await using client = await connect(process.env.AMQP_URL ?? 'amqp://localhost')
await client.exchangeDeclare(EXCHANGE, { type: 'topic' })

/** Makes a queue for a subscriber: named by the broker, and gone when this connection ends. */
async function subscribe(pattern: string): Promise<string> {
  const { queue } = await client.queueDeclare('', { exclusive: true })
  await client.queueBind(queue, EXCHANGE, pattern)
  return queue
}

/** The routing keys of the first `count` messages. */
async function take(queue: string, count: number): Promise<string> {
  const keys: string[] = []
  for await (const message of client.basicConsume(queue)) {
    keys.push(message.routingKey)
    message.ack()
    if (keys.length === count) break
  }
  return keys.join(', ')
}

const errors = await subscribe('*.error')
const kernel = await subscribe('kernel.#')

for (const key of ['kernel.info', 'kernel.error', 'mail.error', 'kernel.disk.full', 'mail.info']) {
  await client.basicPublish(EXCHANGE, key, `something about ${key}`)
}
console.log(`*.error: ${await take(errors, 2)}`)
console.log(`kernel.#: ${await take(kernel, 3)}`)

await client.exchangeDelete(EXCHANGE)
